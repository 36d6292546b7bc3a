import type { AuditEntry, AuditLog } from "@repo/audit-log";
import type { Caller, CompanyId } from "@repo/catalog";
import type { SealedSecret } from "../stores/encrypted-secret.ts";
import type { StoredSecret } from "../stores/store.ts";

type ReadPlace = Pick<AuditEntry, "companyId" | "secretKey">;
type ReadVersion = Pick<StoredSecret, "version" | "expiresAtMs">;

/** How reads get on record, and are counted where what was read has expired. */
export interface ReadRecord {
  /** Puts a read on record, before its value leaves. @throws {TenantSecretsError} as the record does */
  add(caller: Caller, place: ReadPlace, secret: ReadVersion): Promise<void>;
  /** As `add`, of what a program reads and is at hand, without waiting. @returns false where only `add` can do it */
  addNow(caller: Caller, companyId: CompanyId, secretKey: string, sealed: SealedSecret): boolean;
  /** Of what got on record in another way. */
  countExpired(secret: Pick<ReadVersion, "expiresAtMs">): void;
  /** How many values have been read here after they had expired. */
  expired(): number;
}

export function createReadRecord(audit: AuditLog): ReadRecord {
  let expired = 0;
  const countExpired: ReadRecord["countExpired"] = ({ expiresAtMs }) => {
    if (expiresAtMs !== undefined && expiresAtMs <= Date.now()) expired += 1;
  };

  /** How the last reader of a value is put on record again: a value that is at hand is mostly read by the same one. */
  const noters = new WeakMap<SealedSecret, { readonly caller: Caller; readonly note: () => boolean }>();
  const noterOf = (
    caller: Caller,
    companyId: CompanyId,
    secretKey: string,
    sealed: SealedSecret,
  ): (() => boolean) => {
    const known = noters.get(sealed);
    if (known?.caller === caller) return known.note;
    const { version } = sealed;
    const read = { action: "secret.read", outcome: "allowed", companyId, secretKey, version } as const;
    const note = audit.noter(caller, read);
    noters.set(sealed, { caller, note });
    return note;
  };

  return {
    add: async (caller, place, secret) => {
      const { version } = secret;
      const read = { ...place, version, action: "secret.read", outcome: "allowed" } as const;
      await (isPerson(caller) ? audit.add(caller, read) : audit.note(caller, read));
      countExpired(secret);
    },
    addNow: (caller, companyId, secretKey, sealed) => {
      const isTaken = noterOf(caller, companyId, secretKey, sealed)();
      if (isTaken) countExpired(sealed);
      return isTaken;
    },
    countExpired,
    expired: () => expired,
  };
}

/** What people read is one event each, committed first; what services and jobs read can be much, and is written together. */
export function isPerson({ actor }: Caller): boolean {
  return actor.kind === "user" || actor.kind === "operator";
}
