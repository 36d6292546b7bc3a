import { type Capabilities, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import { aroundStore, isScope } from "./operations.ts";
import type { ActiveVersions, OfSecret, SecretStore } from "./store.ts";

/** What callers may ask of a store, told from the groups of operations that it has. */
export function capabilitiesOf(store: SecretStore): Capabilities {
  const hasVersions = store.versions !== undefined && store.isCopy !== true;
  return {
    conditionalWrites: hasVersions,
    requestIds: hasVersions,
    recovery: hasVersions,
    notes: hasVersions,
    history: hasVersions,
    stages: hasVersions,
    rollback: hasVersions,
    purge: hasVersions,
    expiry: hasVersions,
    bulk: store.batches !== undefined && store.isCopy !== true,
    checks: store.checks !== undefined && store.isCopy !== true,
    rotation: hasVersions,
    surroundingWhiteSpace: store.trimsValues !== true,
  };
}

const groups = {
  versions: "versions: history, stages, rollback, restoration, purge and expiry",
  batches: "writes of several secrets at once: set them one by one",
  checks: "checks that are stored with a version",
} as const;

/**
 * A group of operations of a store.
 *
 * @throws {TenantSecretsError} NOT_SUPPORTED where the store does not have it
 */
export function supported<Group extends keyof typeof groups>(
  store: SecretStore,
  group: Group,
): NonNullable<SecretStore[Group]> {
  const operations = store[group];
  if (operations == null) throw notSupported(groups[group]);
  return operations;
}

/** The active versions. In a store without versions that is the current one. */
export async function findActive(
  store: SecretStore,
  company: Company,
  secret: OfSecret<{ readonly isRefused?: boolean }>,
): Promise<ActiveVersions | undefined> {
  if (store.versions !== undefined) return store.versions.findActive(company, secret);
  const encrypted = await store.find(company, secret.secretKey);
  return encrypted && [{ stage: "current", encrypted }];
}

/** What an option of a write or removal asks of a store, and the value of it that asks for nothing. */
const versionedOptions: Readonly<Record<string, readonly [what: string, byDefault?: unknown]>> = {
  expectedVersion: ["conditional changes"],
  requestId: ["request ids"],
  note: ["notes"],
  graceSeconds: ["grace windows", 0],
  endGrace: ["grace windows", false],
  expiresAt: ["expiry", null],
  reminderDays: ["expiry"],
};

/** A store that is not asked for a write or removal with options that only a store with versions can honour. */
export function refusingOptions(store: SecretStore): SecretStore {
  if (store.versions !== undefined) return store;
  return aroundStore(store, async (subject, about, proceed) => {
    if (isScope(subject) && typeof about === "object") {
      for (const change of "writes" in about ? about.writes : [about]) refuseOptions(change);
    }
    return proceed();
  });
}

/** @throws {TenantSecretsError} NOT_SUPPORTED, with the field of the request */
function refuseOptions(change: { readonly secretKey: string; readonly options?: object }): void {
  for (const [field, value] of Object.entries({ ...change, ...change.options })) {
    const [what, byDefault] = versionedOptions[field] ?? [];
    if (what === undefined || value === undefined || value === byDefault) continue;
    throw notSupported(`${what} (${field})`, field);
  }
}

/** @param what the store does not have @param field of the request that asks for it */
function notSupported(what: string, field?: string): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `The store of this company has no ${what}. Only companies on the hybrid or database store have that.`,
    field === undefined ? {} : { fields: [field] },
  );
}
