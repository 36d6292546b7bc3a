import { createAuthorize, type VaultHandlers } from "./authorize.ts";
import { createSecretChecks, type SecretChecks, type SecretChecksParts } from "./checks.ts";
import { createExport, type ExportParts } from "./export.ts";
import { createImport } from "./import.ts";
import { createReadAudit } from "./read-audit.ts";
import { createReads, type Reads } from "./reads.ts";
import { createReveal } from "./reveal.ts";
import { createVersions } from "./versions.ts";
import { createWebhooks, type Webhooks } from "./webhooks.ts";
import { createWrites } from "./writes.ts";

/**
 * The only access to a company's secrets: the operations of the definitions, and those that only in-process code may call. Each
 * call authorizes the caller, calls the store and audits, in this order. A value is returned to a person only after its audit
 * event is committed, and to a service or a job after its event is accepted.
 */
export interface Vault
  extends
    Omit<VaultHandlers, "check">,
    Reads,
    Webhooks,
    Pick<SecretChecks, "check" | "enqueueDue" | "checkDue"> {
  /** Reads of expired values in this process. */
  expiredReads(): number;
}

export function createVault(parts: SecretChecksParts & ExportParts): Vault {
  const authorize = createAuthorize(parts);
  const record = createReadAudit(parts.audit);
  const writes = createWrites(parts, authorize);
  return {
    ...createReads(parts, authorize, record),
    ...createReveal(parts, authorize, record),
    ...createWebhooks(parts, authorize, record),
    ...createVersions(parts, authorize),
    ...createImport(parts, authorize),
    ...createExport(parts, authorize),
    ...writes,
    // This `write` also checks the value with its provider, if asked to.
    ...createSecretChecks(parts, authorize, writes.write),
    expiredReads: () => record.expired(),
  };
}
