import {
  type InputOf,
  type ListOptions,
  notFound,
  SecretKey,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import type { Steps } from "../access/operation.ts";
import { covers } from "../access/permissions.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { capabilitiesOf, supported } from "../stores/capabilities.ts";
import type { SecretStore, StoredDescription } from "../stores/store.ts";
import { copyMark, requireAge } from "./copy-marks.ts";
import { checkInput, type Authorize, type VaultHandlers, type VaultParts } from "./authorize.ts";

const operations = vaultOperations;

/** Metadata of secrets and versions, without values. */
export function createVersions(
  { catalog, copyAges }: VaultParts,
  authorize: Authorize,
): Pick<
  VaultHandlers,
  | "list"
  | "removed"
  | "capabilities"
  | "history"
  | "promote"
  | "discard"
  | "rollback"
  | "setExpiry"
  | "remove"
  | "restore"
  | "purge"
> {
  type AboutOne = VaultOperations[
    | "history"
    | "promote"
    | "discard"
    | "rollback"
    | "setExpiry"
    | "remove"
    | "restore"
    | "purge"];

  /** Not validated against the catalogue: secrets that it no longer lists still have a history and can be removed. */
  const on =
    <D extends AboutOne, T>(
      operation: D,
      work: (
        call: { readonly scope: CompanyScope; readonly store: SecretStore; readonly steps: Steps },
        input: InputOf<D>,
      ) => Promise<T>,
    ) =>
    (scope: CompanyScope, input: InputOf<D>): Promise<T> =>
      authorize({ operation, scope, secretKey: input.secretKey }, async (current, store, steps) => {
        if (!SecretKey.safeParse(input.secretKey).success) throw notFound();
        checkInput(operation, input);
        return work({ scope: current, store, steps }, input);
      });

  const describe = <T>(
    scope: CompanyScope,
    work: (store: SecretStore, current: CompanyScope) => T | Promise<T>,
  ): Promise<T> =>
    authorize({ operation: operations.list, scope }, async (current, store, steps) => {
      const found = await work(store, current);
      await steps.record({ subject: current.company.home?.region });
      return found;
    });

  return {
    list: (scope, input) =>
      describe(scope, async (store, { caller, company }) => {
        checkInput(operations.list, input);
        await requireAge(copyAges, company, input.maxAgeMs);
        const { secrets, unreachable } = await store.list(company);
        const visible = secrets.filter(({ secretKey }) => covers(caller.actor, secretKey));
        return {
          store: company.secretStore,
          capabilities: capabilitiesOf(store),
          missing: unreachable && "infisical",
          ...copyMark(copyAges, company.home?.region),
          secrets: expiring(visible, input).map((description) => {
            const entry = catalog.find(description.secretKey);
            return {
              ...description,
              inCatalog: entry !== undefined,
              label: entry?.label,
              ...(entry?.writeOnly === true ? { writeOnly: true } : {}),
            };
          }),
        };
      }),

    removed: (scope) =>
      describe(scope, async (store, { caller, company }) => {
        const removals = await supported(store, "versions").removed(company);
        const visible = removals.filter(({ secretKey }) => covers(caller.actor, secretKey));
        const secrets = visible.map((removal) => ({
          ...removal,
          label: catalog.find(removal.secretKey)?.label,
        }));
        return { secrets };
      }),

    capabilities: (scope) => describe(scope, capabilitiesOf),

    history: on(operations.history, async ({ scope, store, steps }, page) => {
      const history = await supported(store, "versions").history(scope.company, page);
      await steps.record({ secretKey: page.secretKey });
      return history;
    }),

    promote: on(operations.promote, async ({ scope, store }, input) =>
      supported(store, "versions").promote(scope, input),
    ),
    discard: on(operations.discard, async ({ scope, store }, input) =>
      supported(store, "versions").discard(scope, input),
    ),
    rollback: on(operations.rollback, async ({ scope, store }, input) =>
      supported(store, "versions").rollback(scope, input),
    ),
    setExpiry: on(operations.setExpiry, async ({ scope, store }, input) =>
      supported(store, "versions").setExpiry(scope, input),
    ),
    remove: on(operations.remove, ({ scope, store }, input) => store.remove(scope, input)),
    restore: on(operations.restore, async ({ scope, store }, input) =>
      supported(store, "versions").restore(scope, input),
    ),
    purge: on(operations.purge, async ({ scope, store }, input) =>
      supported(store, "versions").purge(scope, input),
    ),
  };
}

/** The secrets that expire within the given time, or all with an expiry; the earliest first. */
function expiring(
  secrets: readonly StoredDescription[],
  { expiresWithinDays }: ListOptions,
): readonly StoredDescription[] {
  if (expiresWithinDays === undefined) return secrets;
  return secrets
    .filter(({ expiresInDays }) => expiresInDays !== undefined && expiresInDays <= expiresWithinDays)
    .toSorted((a, b) => Number(a.expiresAt) - Number(b.expiresAt));
}
