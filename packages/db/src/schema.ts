export * from "./schema/companies.ts";
export * from "./schema/keys.ts";
export * from "./schema/secrets.ts";
export * from "./schema/exports.ts";
export * from "./schema/callers.ts";
export * from "./schema/approvals.ts";
export * from "./schema/sign-in.ts";
export * from "./schema/audit.ts";
export * from "./schema/limits.ts";
export * from "./schema/requests.ts";
export * from "./schema/runs.ts";
export * from "./schema/migrations.ts";
export * from "./schema/stores.ts";
export * from "./schema/webhooks.ts";
export * from "./schema/rotation.ts";
export * from "./schema/regions.ts";
export * from "./schema/schema-versions.ts";
export { rowRevisions } from "./schema/columns.ts";

/**
 * Every column that holds something sealed: a wrapped key, or a value. Rotation, its report and shredding go through this
 * list, and a test compares it with the tables.
 */
export const encryptedColumns = [
  { table: "company_key_wraps", column: "wrapped", wraps: true },
  { table: "audit_key_wraps", column: "wrapped", wraps: true },
  { table: "company_secrets", column: "secret_value_encrypted", wraps: false },
  { table: "company_secret_versions", column: "value_encrypted", wraps: false },
] as const;
