import type { AuditAction } from "@repo/audit-log";
import {
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
import type { CompanyScope } from "../companies/companies.ts";
import type { SecretStore, StoredDescription } from "../stores/store.ts";
import type { Gate, VaultParts } from "./authorize.ts";
import { checkList, checkOptions, checkPage, checkVersion } from "./options.ts";

/** What needs no value: to see what there is, and to say which of it counts. */
export interface Versions {
  list(scope: CompanyScope, options?: ListOptions): Promise<SecretList>;
  /** What the company's store can do. On record as a list is. */
  capabilities(scope: CompanyScope): Promise<Capabilities>;
  history(scope: CompanyScope, secretKey: string, options: HistoryOptions): Promise<SecretHistory>;
  promote(scope: CompanyScope, secretKey: string, options: PromoteOptions): Promise<WriteResult>;
  discard(scope: CompanyScope, secretKey: string, options: DiscardOptions): Promise<WriteResult>;
  rollback(scope: CompanyScope, secretKey: string, options: RollbackOptions): Promise<WriteResult>;
  setExpiry(scope: CompanyScope, secretKey: string, expiry: Expiry): Promise<void>;
  remove(scope: CompanyScope, secretKey: string, options: RemoveOptions): Promise<RemoveResult>;
  restore(scope: CompanyScope, secretKey: string, options: RequestOptions): Promise<WriteResult>;
  purge(scope: CompanyScope, secretKey: string, options: PurgeOptions): Promise<void>;
}

export function createVersions({ catalog, audit }: VaultParts, gate: Gate): Versions {
  /** Not held to the catalogue: of what it no longer lists there is a history too, and it can still be cleared away. */
  const on = <T>(
    [scope, secretKey]: readonly [CompanyScope, string],
    verb: Verb,
    action: AuditAction,
    work: (current: CompanyScope, store: SecretStore) => Promise<T>,
  ): Promise<T> =>
    gate({ scope, secretKey, verb, action }, async (current, store) => {
      if (!SecretKey.safeParse(secretKey).success) throw notFound();
      return work(current, store);
    });

  const describe = <T>(
    scope: CompanyScope,
    work: (store: SecretStore, current: CompanyScope) => T | Promise<T>,
  ): Promise<T> =>
    gate({ scope, verb: "describe", action: "secret.list" }, async (current, store) => {
      const { caller, company } = current;
      const found = await work(store, current);
      await audit.add(caller, { action: "secret.list", outcome: "allowed", companyId: company.id });
      return found;
    });

  return {
    list: (scope, options = {}) =>
      describe(scope, async (store, { caller, company }) => {
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

    capabilities: (scope) => describe(scope, (store) => store.capabilities),

    history: (scope, secretKey, options) =>
      on([scope, secretKey], "describe", "secret.history", async ({ caller, company }, store) => {
        checkPage(options);
        const history = await store.history(company, secretKey, options);
        const entry = { action: "secret.history", outcome: "allowed", companyId: company.id } as const;
        await audit.add(caller, { ...entry, secretKey });
        return history;
      }),

    promote: (scope, secretKey, options) =>
      on([scope, secretKey], "write", "secret.promote", async ({ caller, company }, store) => {
        checkOptions(options);
        return store.promote(company, secretKey, options, caller);
      }),

    discard: (scope, secretKey, options) =>
      on([scope, secretKey], "write", "secret.discard", async ({ caller, company }, store) => {
        checkOptions(options);
        return store.discard(company, secretKey, options, caller);
      }),

    rollback: (scope, secretKey, options) =>
      on([scope, secretKey], "write", "secret.rollback", async ({ caller, company }, store) => {
        checkOptions(options);
        checkVersion("toVersion", options.toVersion, 1);
        return store.rollback(company, secretKey, options, caller);
      }),

    setExpiry: (scope, secretKey, expiry) =>
      on([scope, secretKey], "write", "secret.set-expiry", async ({ caller, company }, store) => {
        checkOptions(expiry);
        return store.setExpiry(company, secretKey, expiry, caller);
      }),

    remove: (scope, secretKey, options) =>
      on([scope, secretKey], "delete", "secret.remove", async ({ caller, company }, store) => {
        checkOptions(options);
        return store.remove(company, secretKey, options, caller);
      }),

    restore: (scope, secretKey, options) =>
      on([scope, secretKey], "delete", "secret.restore", async ({ caller, company }, store) => {
        checkOptions(options);
        return store.restore(company, secretKey, options, caller);
      }),

    purge: (scope, secretKey, options) =>
      on([scope, secretKey], "delete", "secret.purge", async ({ caller, company }, store) => {
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
