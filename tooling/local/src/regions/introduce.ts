import { writeFileSync } from "node:fs";
import path from "node:path";
import type { LocalRegion } from "./region.ts";

/**
 * Makes a region known to another one, as two operators do. Here one program is both of them: it has the fingerprint from the first
 * region itself.
 */
export async function introduce(
  one: LocalRegion,
  to: LocalRegion,
  say: (line: string) => void,
): Promise<void> {
  const identity = await one.remote(["regions", "identity"]);
  const file = path.join(to.path, `${one.name}.json`);
  writeFileSync(file, `${identity}\n`, { mode: 0o600 });
  const fingerprint = fingerprintOf(identity);
  say(`${one.name}$ secrets regions identity > ${one.name}.json\n    fingerprint ${fingerprint}`);
  const added = await to.remote(["regions", "add", file, "--fingerprint", fingerprint]);
  say(`${to.name}$ secrets regions add ${one.name}.json --fingerprint "${fingerprint}"\n    ${added}`);
}

/** @throws {Error} for another text than `regions identity` prints */
function fingerprintOf(identity: string): string {
  const parsed: unknown = JSON.parse(identity);
  if (typeof parsed === "object" && parsed !== null && "fingerprint" in parsed)
    return String(parsed.fingerprint);
  throw new Error("`regions identity` printed no fingerprint.");
}
