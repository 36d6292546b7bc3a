// For tooling/bench alone: parts that are not to be had from the front door, because whoever has them can leave out the
// record, or seal what nobody wrote.
export { createAuditLog } from "./access/audit-log.ts";
export type { AuditLog } from "./access/audit.ts";
export { deriveCompanyKey, fingerprint, type MasterKey } from "./crypto/derivation.ts";
export { rowMac, type RowKey } from "./crypto/row-mac.ts";
export { headMac } from "./crypto/head-mac.ts";
export { sealValue, wrapKey } from "./crypto/envelope.ts";
export { createAuditKeys, createSigningKeys } from "./keys/audit-keys.ts";
export { createMasterKeys } from "./keys/master-keys.ts";
export { createRowKeys } from "./keys/row-keys.ts";
export { createSealer } from "./record/sealer.ts";
export { assembleTenantSecrets } from "./tenant-secrets.ts";
