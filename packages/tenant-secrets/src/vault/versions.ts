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
import type { Steps } from "../access/operation.ts";
import { covers } from "../access/permissions.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { capabilitiesOf, supported } from "../stores/capabilities.ts";
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

export function createVersions({ catalog }: VaultParts, gate: Gate): Versions {
  /** Not held to the catalogue: of what it no longer lists there is a history too, and it can still be cleared away. */
  const on = <T>(
    [scope, secretKey]: readonly [CompanyScope, string],
    verb: Verb,
    action: AuditAction,
    work: (current: CompanyScope, store: SecretStore, steps: Steps) => Promise<T>,
  ): Promise<T> =>
    gate({ scope, secretKey, verb, action }, async (current, store, steps) => {
      if (!SecretKey.safeParse(secretKey).success) throw notFound();
      return work(current, store, steps);
    });

  const describe = <T>(
    scope: CompanyScope,
    work: (store: SecretStore, current: CompanyScope) => T | Promise<T>,
  ): Promise<T> =>
    gate({ scope, verb: "describe", action: "secret.list" }, async (current, store, steps) => {
      const found = await work(store, current);
      await steps.record({});
      return found;
    });

  return {
    list: (scope, options = {}) =>
      describe(scope, async (store, { caller, company }) => {
        checkList(options);
        const { secrets, unreachable } = await store.list(company);
        const visible = secrets.filter(({ secretKey }) => covers(caller.actor, secretKey));
        return {
          store: company.secretStore,
          capabilities: capabilitiesOf(store),
          missing: unreachable && "infisical",
          secrets: expiring(visible, options).map((description) => {
            const entry = catalog.find(description.secretKey);
            return { ...description, inCatalog: entry !== undefined, label: entry?.label };
          }),
        };
      }),

    capabilities: (scope) => describe(scope, capabilitiesOf),

    history: (scope, secretKey, options) =>
      on([scope, secretKey], "describe", "secret.history", async ({ company }, store, steps) => {
        checkPage(options);
        const history = await supported(store, "versions").history(company, { secretKey, ...options });
        await steps.record({ secretKey });
        return history;
      }),

    promote: (scope, secretKey, options) =>
      on([scope, secretKey], "write", "secret.promote", async (current, store) => {
        checkOptions(options);
        return supported(store, "versions").promote(current, { secretKey, ...options });
      }),

    discard: (scope, secretKey, options) =>
      on([scope, secretKey], "write", "secret.discard", async (current, store) => {
        checkOptions(options);
        return supported(store, "versions").discard(current, { secretKey, ...options });
      }),

    rollback: (scope, secretKey, options) =>
      on([scope, secretKey], "write", "secret.rollback", async (current, store) => {
        checkOptions(options);
        checkVersion("toVersion", options.toVersion, 1);
        return supported(store, "versions").rollback(current, { secretKey, ...options });
      }),

    setExpiry: (scope, secretKey, expiry) =>
      on([scope, secretKey], "write", "secret.set-expiry", async (current, store) => {
        checkOptions(expiry);
        return supported(store, "versions").setExpiry(current, { secretKey, ...expiry });
      }),

    remove: (scope, secretKey, options) =>
      on([scope, secretKey], "delete", "secret.remove", async (current, store) => {
        checkOptions(options);
        return store.remove(current, { secretKey, ...options });
      }),

    restore: (scope, secretKey, options) =>
      on([scope, secretKey], "delete", "secret.restore", async (current, store) => {
        checkOptions(options);
        return supported(store, "versions").restore(current, { secretKey, ...options });
      }),

    purge: (scope, secretKey, options) =>
      on([scope, secretKey], "delete", "secret.purge", async (current, store) => {
        checkOptions(options);
        return supported(store, "versions").purge(current, { secretKey, ...options });
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
