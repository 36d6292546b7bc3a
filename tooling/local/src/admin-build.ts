import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const build = fileURLToPath(new URL("../../../apps/admin/build.ts", import.meta.url));

/** Builds the admin app if its sources have changed. @throws {Error} with the text of the bundler if it cannot be built */
export async function buildAdmin(): Promise<void> {
  await promisify(execFile)(process.execPath, [build]);
}
