import { createAuthorize, type VaultHandlers } from "./authorize.ts";
import { createSecretChecks, type SecretChecks, type SecretChecksParts } from "./checks.ts";
import { createReadAudit } from "./read-audit.ts";
import { createReads, type Reads } from "./reads.ts";
import { createReveal } from "./reveal.ts";
import { createSecretFiles } from "./secret-files.ts";
import { createVersions } from "./versions.ts";
import { createWebhooks, type Webhooks } from "./webhooks.ts";
import { createWrites } from "./writes.ts";

/**
 * The one way to the secrets of a company: every operation of the definitions, and what only code in this process has. Each
 * call authorizes the caller, asks the store and audits, in that order. A value that a person asked for leaves only after its
 * event is committed, one for a service or a job after its event was taken.
 */
export interface Vault
  extends
    Omit<VaultHandlers, "check">,
    Reads,
    Webhooks,
    Pick<SecretChecks, "check" | "enqueueDue" | "checkDue"> {
  /** How many values have been read here after they had expired. */
  expiredReads(): number;
}

export function createVault(parts: SecretChecksParts): Vault {
  const authorize = createAuthorize(parts);
  const record = createReadAudit(parts.audit);
  const writes = createWrites(parts, authorize);
  return {
    ...createReads(parts, authorize, record),
    ...createReveal(parts, authorize, record),
    ...createWebhooks(parts, authorize, record),
    ...createVersions(parts, authorize),
    ...createSecretFiles(parts, authorize),
    ...writes,
    // `write` is the one that asks the provider where that is wanted.
    ...createSecretChecks(parts, authorize, writes.write),
    expiredReads: () => record.expired(),
  };
}
