import { open, rm } from "node:fs/promises";
import { UsageError } from "./failure.ts";

/**
 * Writes a file that only its owner can read. It is made before the content is, so that nothing is done whose outcome
 * could not be written down; where there is no content, it goes again.
 *
 * @throws {UsageError} where there is such a file, or it cannot be made
 */
export async function writeNewFile(path: string, content: () => Promise<string>): Promise<void> {
  const file = await open(path, "wx", 0o600).catch(() => {
    throw new UsageError("--output names a file that exists already, or cannot be made.");
  });
  try {
    await file.writeFile(await content());
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
