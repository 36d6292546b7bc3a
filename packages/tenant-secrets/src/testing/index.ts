// Parts that the front door hides, for measuring them by themselves: who has them can leave out the audit log.
export { createAuditKeys, createSigningKeys } from "../keys/audit-keys.ts";
export { createMasterKeys } from "../keys/master/master-keys.ts";
export { createRowKeys } from "../keys/row-keys.ts";
export { assembleTenantSecrets } from "../tenant-secrets.ts";
