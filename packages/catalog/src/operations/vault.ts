import { checkOperations } from "./checks.ts";
import { fileOperations } from "./files.ts";
import { secretOperations } from "./secrets.ts";
import { versionOperations } from "./versions.ts";

/** Everything that is asked of the secrets of one company: the `secrets` of the API. */
export const vaultOperations = {
  ...secretOperations,
  ...versionOperations,
  ...checkOperations,
  ...fileOperations,
};
export type VaultOperations = typeof vaultOperations;
