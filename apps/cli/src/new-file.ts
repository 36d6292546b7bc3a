import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import path from "node:path";
import { UsageError } from "./failure.ts";

/**
 * Writes a file that only its owner can read. It has its name when it is whole, and another one beside it before: made before
 * the content is, so that nothing is done whose outcome could not be written down.
 *
 * @param option the one that names the file
 * @throws {UsageError} where there is such a file, or it cannot be made
 */
export async function writeNewFile(
  target: string,
  content: () => Promise<string | AsyncIterable<string>>,
  option = "output",
): Promise<void> {
  const refused = () => new UsageError(`--${option} names a file that exists already, or cannot be made.`);
  if (existsSync(target)) throw refused();
  const unfinished = path.join(
    path.dirname(target),
    `.${path.basename(target)}.${randomBytes(6).toString("hex")}`,
  );
  const file = await open(unfinished, "wx", 0o600).catch(() => {
    throw refused();
  });
  try {
    await file.writeFile(await content());
    await file.sync();
    await rename(unfinished, target);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
