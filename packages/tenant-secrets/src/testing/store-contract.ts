import { randomUUID } from "node:crypto";
import { systemCaller, type Caller, type SecretStoreName } from "@repo/catalog";
import type { Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { beforeAll, describe, expect, test } from "vitest";
import type { SecretStore } from "../stores/store.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import type { StoreParts } from "../assembly/assembly.ts";
import {
  contractCatalog,
  type CompanyUnderTest,
  type StorePromise,
  type StoreSubject,
} from "./store-promise.ts";
import { promisesOfEveryStore } from "./promises-of-every-store.ts";
import { promisesOfGroups } from "./promises-of-groups.ts";

/** The environment of the tests: the product on top of the store, which needs PostgreSQL and the master key in Infisical. */
export interface StoreUnderTest {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  /** One of the product's own stores, or a factory of another one. */
  readonly store: SecretStoreName | ((parts: StoreParts) => SecretStore);
}

export const storePromises: readonly StorePromise[] = [...promisesOfEveryStore, ...promisesOfGroups];

/**
 * Registers a test for every promise of a store. Promises about missing capabilities are skipped, except the one that exactly
 * those are refused.
 *
 * @param name of the store, for titles
 * @param open called once, before the tests
 */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`the contract of stores: ${name}`, () => {
    let subject: StoreSubject;
    beforeAll(async () => {
      subject = await openSubject(await open());
    });
    for (const { title, needs, verify } of storePromises) {
      test(`the ${name} store ${title}`, async ({ skip }) => {
        if (needs !== undefined && !subject.capabilities[needs]) skip(`it has no ${needs}`);
        expect.hasAssertions();
        await verify(subject);
      });
    }
  });
}

const everything = systemCaller("store-contract", {
  verbs: ["describe", "use", "write", "delete"],
  secretKeys: ["*"],
});
const operator: Caller = { actor: { kind: "operator", id: "store-contract" } };

/** The product on top of a store. Nothing is cached: every read queries the store. */
export async function openSubject({ database, infisical, store }: StoreUnderTest): Promise<StoreSubject> {
  // Another store is outside the database, like Infisical.
  const secretStore = typeof store === "string" ? store : "infisical";
  const secrets = assembleTenantSecrets(
    { database, infisical, catalog: contractCatalog },
    typeof store === "string" ? {} : { replaceStores: (parts) => ({ infisical: store(parts) }) },
  );
  const newCompany = async (): Promise<CompanyUnderTest> => {
    const subdomain = `store-${randomUUID()}`;
    await secrets.companies.create(operator, { subdomain, secretStore });
    return {
      secrets: secrets.company(subdomain, everything),
      changes: async () => {
        const { events } = await secrets.audit.list(operator, { company: subdomain, limit: 100 });
        return events
          .filter(({ action }) => /^secret\.(?!read|list|history)/.test(action))
          .map(({ action, outcome, secretKey, version }) => `${action} ${outcome} ${secretKey} ${version}`)
          .toReversed();
      },
    };
  };
  const first = await newCompany();
  return { capabilities: await first.secrets.capabilities(), newCompany };
}
