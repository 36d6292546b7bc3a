export { type AuditAction, auditActions } from "@repo/audit-log/actions";
