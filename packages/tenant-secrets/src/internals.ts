// Parts that the benchmarks build and measure one by one. Code that uses them can bypass the audit log.
export { assembleTenantSecrets } from "./assemble.ts";
export type { Assembly } from "./assembly/assembly.ts";
export { assembleBase } from "./assembly/base.ts";
export { createAuditKeys, createSigningKeys } from "./keys/audit-keys.ts";
export { createMasterKeys } from "./keys/master/master-keys.ts";
export { createRowKeys } from "./keys/row-keys.ts";
export { createDatabaseStore } from "./stores/database/database-store.ts";
