import type { AuditEntry, AuditLog } from "@repo/audit-log";
import type { Caller, CompanyId } from "@repo/catalog";
import type { EncryptedSecret } from "../stores/encrypted-secret.ts";
import type { CompanyScope } from "../companies/companies.ts";
import type { SecretStore, StoredSecret } from "../stores/store.ts";

type ReadPlace = Pick<AuditEntry, "companyId" | "secretKey">;
type ReadVersion = Pick<StoredSecret, "version" | "expiresAtMs">;

/** How reads get in the audit log, and are counted where what was read has expired. */
export interface ReadAudit {
  /** Puts a read in the audit log, before its value leaves. @throws {TenantSecretsError} as the audit log does */
  record(caller: Caller, place: ReadPlace, secret: ReadVersion): Promise<void>;
  /** As `add`, of what a program reads and is at hand, without waiting. @returns false where only `add` can do it */
  tryRecord(caller: Caller, companyId: CompanyId, secretKey: string, encrypted: EncryptedSecret): boolean;
  /** Of what got in the audit log in another way. */
  countExpired(secret: Pick<ReadVersion, "expiresAtMs">): void;
  /** How many values have been read here after they had expired. */
  expired(): number;
}

export function createReadAudit(audit: AuditLog): ReadAudit {
  let expired = 0;
  const countExpired: ReadAudit["countExpired"] = ({ expiresAtMs }) => {
    if (expiresAtMs !== undefined && expiresAtMs <= Date.now()) expired += 1;
  };

  /** How the last reader of a value is put in the audit log again: a value that is at hand is mostly read by the same one. */
  const recorders = new WeakMap<EncryptedSecret, { readonly caller: Caller; readonly note: () => boolean }>();
  const recorderOf = (
    caller: Caller,
    companyId: CompanyId,
    secretKey: string,
    encrypted: EncryptedSecret,
  ): (() => boolean) => {
    const known = recorders.get(encrypted);
    if (known?.caller === caller) return known.note;
    const { version } = encrypted;
    const read = { action: "secret.read", outcome: "success", companyId, secretKey, version } as const;
    const note = audit.batchedRecorder(caller, read);
    recorders.set(encrypted, { caller, note });
    return note;
  };

  return {
    record: async (caller, place, secret) => {
      const { version } = secret;
      const read = { ...place, version, action: "secret.read", outcome: "success" } as const;
      await (isPerson(caller) ? audit.record(caller, read) : audit.recordBatched(caller, read));
      countExpired(secret);
    },
    tryRecord: (caller, companyId, secretKey, encrypted) => {
      const isTaken = recorderOf(caller, companyId, secretKey, encrypted)();
      if (isTaken) countExpired(encrypted);
      return isTaken;
    },
    countExpired,
    expired: () => expired,
  };
}

/** What people read is one event each, committed first; what services and jobs read can be much, and is written together. */
function isPerson({ actor }: Caller): boolean {
  return actor.kind === "user" || actor.kind === "operator";
}

/** Notes that a program used a secret. */
export function touchLastUsed(
  { caller, company }: CompanyScope,
  store: SecretStore,
  secretKey: string,
): void {
  if (!isPerson(caller)) store.touchLastUsed?.(company, secretKey);
}
