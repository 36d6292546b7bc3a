// Internal parts, exported for benchmarks of their own. Code that uses them can bypass the audit log.
export { createAuditKeys, createSigningKeys } from "../keys/audit-keys.ts";
export { createMasterKeys } from "../keys/master/master-keys.ts";
export { createRowKeys } from "../keys/row-keys.ts";
export { assembleTenantSecrets, type Assembly } from "../assemble.ts";
// The contract test suite for stores.
export { encryptedHere } from "../stores/encrypted-secret.ts";
export type { SecretStore } from "../stores/store.ts";
export type { StoreParts } from "../assemble.ts";
export { storeContract, type StoreUnderTest } from "./store-contract.ts";
