import type { AuditEntry, AuditLog } from "@repo/audit-log";
import type { Caller, CompanyId } from "@repo/catalog";
import type { EncryptedSecret } from "../stores/encrypted-secret.ts";
import type { CompanyScope } from "../companies/companies.ts";
import type { SecretStore, StoredSecret } from "../stores/store.ts";

type ReadTarget = Pick<AuditEntry, "companyId" | "secretKey">;
type ReadVersion = Pick<StoredSecret, "version" | "expiresAtMs" | "copiedFrom">;

/** Audits reads, and counts reads of expired values. The subject of a read from a copy is the region that the copy came from. */
export interface ReadAudit {
  /** Audits a read before its value is returned. @throws {TenantSecretsError} as the audit log does */
  record(caller: Caller, target: ReadTarget, secret: ReadVersion): Promise<void>;
  /** As `record`, synchronously, for reads by programs. @returns false if only `record` can audit it */
  tryRecord(caller: Caller, companyId: CompanyId, read: CachedRead): boolean;
  /** Counts a read that was audited elsewhere. */
  countExpired(secret: Pick<ReadVersion, "expiresAtMs">): void;
  /** Reads of expired values in this process. */
  expired(): number;
}

interface CachedRead {
  readonly secretKey: string;
  readonly encrypted: EncryptedSecret;
}

export function createReadAudit(audit: AuditLog): ReadAudit {
  let expired = 0;
  const countExpired: ReadAudit["countExpired"] = ({ expiresAtMs }) => {
    if (expiresAtMs !== undefined && expiresAtMs <= Date.now()) expired += 1;
  };

  /** The last reader's prepared recorder per cached value: consecutive reads of one value mostly come from the same caller. */
  const recorders = new WeakMap<
    EncryptedSecret,
    { readonly caller: Caller; readonly record: () => boolean }
  >();
  const recorderOf = (
    caller: Caller,
    companyId: CompanyId,
    { secretKey, encrypted }: CachedRead,
  ): (() => boolean) => {
    const known = recorders.get(encrypted);
    if (known?.caller === caller) return known.record;
    const { version, copiedFrom: subject } = encrypted;
    const read = {
      action: "secret.read",
      outcome: "success",
      companyId,
      secretKey,
      version,
      subject,
    } as const;
    const record = audit.batchedRecorder(caller, read);
    recorders.set(encrypted, { caller, record });
    return record;
  };

  return {
    record: async (caller, target, secret) => {
      const { version, copiedFrom: subject } = secret;
      const read = { ...target, version, subject, action: "secret.read", outcome: "success" } as const;
      await (isPerson(caller) ? audit.record(caller, read) : audit.recordBatched(caller, read));
      countExpired(secret);
    },
    tryRecord: (caller, companyId, read) => {
      if (isPerson(caller)) return false;
      const isTaken = recorderOf(caller, companyId, read)();
      if (isTaken) countExpired(read.encrypted);
      return isTaken;
    },
    countExpired,
    expired: () => expired,
  };
}

/** Reads by people are one event each, committed first. Reads by services and jobs are frequent and written in batches. */
function isPerson({ actor }: Caller): boolean {
  return actor.kind === "user" || actor.kind === "operator";
}

/** Updates a secret's last use by a program. */
export function touchLastUsed(
  { caller, company }: CompanyScope,
  store: SecretStore,
  secretKey: string,
): void {
  if (!isPerson(caller)) store.touchLastUsed?.(company, secretKey);
}
