import type { AuditAction } from "@repo/audit-log";
import {
  type Caller,
  type Capabilities,
  type DiscardOptions,
  type Expiry,
  type HistoryOptions,
  type ListOptions,
  notFound,
  type PromoteOptions,
  type PurgeOptions,
  type RemoveOptions,
  type RemoveResult,
  type RequestOptions,
  type RollbackOptions,
  type SecretHistory,
  SecretKey,
  type SecretList,
  type Verb,
  type WriteResult,
} from "@repo/catalog";
import { covers } from "../access/permissions.ts";
import type { Company } from "../companies/companies.ts";
import type { SecretStore, StoredDescription } from "../stores/store.ts";
import type { Gate, VaultParts } from "./authorize.ts";
import { checkList, checkOptions, checkPage, checkVersion } from "./options.ts";

/** What needs no value: to see what there is, and to say which of it counts. */
export interface Versions {
  list(caller: Caller, subdomain: string, options?: ListOptions): Promise<SecretList>;
  /** What the company's store can do. On record as a list is. */
  capabilities(caller: Caller, subdomain: string): Promise<Capabilities>;
  history(
    caller: Caller,
    subdomain: string,
    secretKey: string,
    options: HistoryOptions,
  ): Promise<SecretHistory>;
  promote(
    caller: Caller,
    subdomain: string,
    secretKey: string,
    options: PromoteOptions,
  ): Promise<WriteResult>;
  discard(
    caller: Caller,
    subdomain: string,
    secretKey: string,
    options: DiscardOptions,
  ): Promise<WriteResult>;
  rollback(
    caller: Caller,
    subdomain: string,
    secretKey: string,
    options: RollbackOptions,
  ): Promise<WriteResult>;
  setExpiry(caller: Caller, subdomain: string, secretKey: string, expiry: Expiry): Promise<void>;
  remove(caller: Caller, subdomain: string, secretKey: string, options: RemoveOptions): Promise<RemoveResult>;
  restore(
    caller: Caller,
    subdomain: string,
    secretKey: string,
    options: RequestOptions,
  ): Promise<WriteResult>;
  purge(caller: Caller, subdomain: string, secretKey: string, options: PurgeOptions): Promise<void>;
}

export function createVersions({ catalog, audit }: VaultParts, gate: Gate): Versions {
  /** Not held to the catalogue: of what it no longer lists there is a history too, and it can still be cleared away. */
  const on = <T>(
    [caller, subdomain, secretKey]: readonly [Caller, string, string],
    verb: Verb,
    action: AuditAction,
    work: (company: Company, store: SecretStore) => Promise<T>,
  ): Promise<T> =>
    gate({ caller, subdomain, secretKey, verb, action }, async (company, store) => {
      if (!SecretKey.safeParse(secretKey).success) throw notFound();
      return work(company, store);
    });

  const describe = <T>(
    caller: Caller,
    subdomain: string,
    work: (store: SecretStore, company: Company) => T | Promise<T>,
  ): Promise<T> =>
    gate({ caller, subdomain, verb: "describe", action: "secret.list" }, async (company, store) => {
      const found = await work(store, company);
      await audit.add(caller, { action: "secret.list", outcome: "allowed", companyId: company.id });
      return found;
    });

  return {
    list: (caller, subdomain, options = {}) =>
      describe(caller, subdomain, async (store, company) => {
        checkList(options);
        const { secrets, missing } = await store.listReachable(company);
        const visible = secrets.filter(({ secretKey }) => covers(caller.actor, secretKey));
        return {
          store: store.name,
          capabilities: store.capabilities,
          missing,
          secrets: expiring(visible, options).map((description) => {
            const entry = catalog.find(description.secretKey);
            return { ...description, listed: entry !== undefined, label: entry?.label };
          }),
        };
      }),

    capabilities: (caller, subdomain) => describe(caller, subdomain, (store) => store.capabilities),

    history: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "describe", "secret.history", async (company, store) => {
        checkPage(options);
        const history = await store.history(company, secretKey, options);
        const entry = { action: "secret.history", outcome: "allowed", companyId: company.id } as const;
        await audit.add(caller, { ...entry, secretKey });
        return history;
      }),

    promote: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "write", "secret.promote", async (company, store) => {
        checkOptions(options);
        return store.promote(company, secretKey, options, caller);
      }),

    discard: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "write", "secret.discard", async (company, store) => {
        checkOptions(options);
        return store.discard(company, secretKey, options, caller);
      }),

    rollback: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "write", "secret.rollback", async (company, store) => {
        checkOptions(options);
        checkVersion("toVersion", options.toVersion, 1);
        return store.rollback(company, secretKey, options, caller);
      }),

    setExpiry: (caller, subdomain, secretKey, expiry) =>
      on([caller, subdomain, secretKey], "write", "secret.set-expiry", async (company, store) => {
        checkOptions(expiry);
        return store.setExpiry(company, secretKey, expiry, caller);
      }),

    remove: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "delete", "secret.remove", async (company, store) => {
        checkOptions(options);
        return store.remove(company, secretKey, options, caller);
      }),

    restore: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "delete", "secret.restore", async (company, store) => {
        checkOptions(options);
        return store.restore(company, secretKey, options, caller);
      }),

    purge: (caller, subdomain, secretKey, options) =>
      on([caller, subdomain, secretKey], "delete", "secret.purge", async (company, store) => {
        checkOptions(options);
        return store.purge(company, secretKey, options, caller);
      }),
  };
}

/** Those that expire within the asked time, the first to expire first; all, where no time was asked for. */
function expiring(
  secrets: readonly StoredDescription[],
  { expiresWithinDays }: ListOptions,
): readonly StoredDescription[] {
  if (expiresWithinDays === undefined) return secrets;
  return secrets
    .filter(({ expiresInDays }) => expiresInDays !== undefined && expiresInDays <= expiresWithinDays)
    .toSorted((a, b) => Number(a.expiresAt) - Number(b.expiresAt));
}
