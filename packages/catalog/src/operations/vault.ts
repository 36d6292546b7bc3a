import { checkOperations } from "./checks.ts";
import { fileOperations } from "./files.ts";
import { secretReadOperations } from "./secret-reads.ts";
import { secretWriteOperations } from "./secret-writes.ts";
import { versionOperations } from "./versions.ts";

/** Everything that is asked of the secrets of one company: the `secrets` of the API. */
export const vaultOperations = {
  ...secretReadOperations,
  ...secretWriteOperations,
  ...versionOperations,
  ...checkOperations,
  ...fileOperations,
};
export type VaultOperations = typeof vaultOperations;
