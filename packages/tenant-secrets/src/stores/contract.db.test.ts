import type { AuditAction } from "@repo/audit-log";
import { notFound } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { expect, test } from "vitest";
import { createFixture } from "../testing/fixture.ts";
import { encryptedHere, storeContract, type SecretStore, type StoreParts } from "../testing/index.ts";
import { openSubject, storePromises } from "../testing/store-contract.ts";
import { supported } from "./capabilities.ts";

// A third-party store: four operations, written with nothing of this package but the exports of "./testing".

type Company = Parameters<SecretStore["find"]>[0];
type Scope = Parameters<SecretStore["write"]>[0];
interface Stored {
  readonly description: Awaited<ReturnType<SecretStore["list"]>>["secrets"][number];
  readonly encrypted: ReturnType<typeof encryptedHere>;
}

function createMemoryStore({ audit }: Pick<StoreParts, "audit">): SecretStore {
  const folders = new Map<string, Map<string, Stored>>();
  const folderOf = ({ id }: Company): Map<string, Stored> => {
    const folder = folders.get(id) ?? new Map<string, Stored>();
    folders.set(id, folder);
    return folder;
  };
  const audited = ({ caller, company }: Scope, action: AuditAction, { description }: Stored) => {
    const { secretKey, version } = description;
    return audit.record(caller, { action, outcome: "success", companyId: company.id, secretKey, version });
  };
  return {
    find: async (company, secretKey) => folderOf(company).get(secretKey)?.encrypted,
    list: async (company) => ({
      secrets: [...folderOf(company).values()]
        .map(({ description }) => description)
        .toSorted((a, b) => (a.secretKey < b.secretKey ? -1 : 1)),
    }),
    write: async (scope, { secretKey, plaintext }) => {
      const folder = folderOf(scope.company);
      const before = folder.get(secretKey)?.description;
      const version = (before?.version ?? 0) + 1;
      const encrypted = encryptedHere({ companyId: scope.company.id, secretKey, version }, plaintext);
      const [updatedAt, location] = [new Date(), "infisical"] as const;
      const createdAt = before?.createdAt ?? updatedAt;
      const stored = { description: { secretKey, version, location, createdAt, updatedAt }, encrypted };
      folder.set(secretKey, stored);
      await audited(scope, "secret.write", stored);
      return { version };
    },
    remove: async (scope, { secretKey }) => {
      const folder = folderOf(scope.company);
      const stored = folder.get(secretKey);
      if (stored === undefined) throw notFound();
      folder.delete(secretKey);
      await audited(scope, "secret.remove", stored);
      return {};
    },
  };
}

const { database, infisical } = await createFixture();

storeContract("infisical", async () => ({ database, infisical, store: "infisical" }));
storeContract("hybrid", async () => ({ database, infisical, store: "hybrid" }));
storeContract("database", async () => ({ database, infisical, store: "database" }));
storeContract("memory", async () => ({ database, infisical, store: createMemoryStore }));

/** The titles of the promises that a store breaks. */
async function brokenBy(store: (parts: StoreParts) => SecretStore): Promise<string> {
  const subject = await openSubject({ database, infisical, store });
  const broken: string[] = [];
  for (const { title, needs, verify } of storePromises) {
    if (needs !== undefined && !subject.capabilities[needs]) continue;
    await verify(subject).catch(() => broken.push(title));
  }
  return broken.join("; ");
}

/** A store in memory, or the database store, with some operations that do something else. */
type Mutation = (store: SecretStore) => Partial<SecretStore>;
const memoryBut = (mutation: Mutation) => (parts: StoreParts) => {
  const memory = createMemoryStore(parts);
  return { ...memory, ...mutation(memory) };
};
const databaseBut =
  (mutation: Mutation) =>
  ({ stores: { database: store } }: StoreParts) => ({ ...store, ...mutation(store) });
const versionsBut = (mutation: (versions: Versions) => Partial<Versions>) =>
  databaseBut((store) => {
    const versions = supported(store, "versions");
    return { versions: { ...versions, ...mutation(versions) } };
  });
type Versions = NonNullable<SecretStore["versions"]>;

test("a store in memory and a wrapped database store break no promise of the contract", async () => {
  expect(await brokenBy(memoryBut(() => ({})))).toBe("");
  expect(await brokenBy(databaseBut(() => ({})))).toBe("");
});

test.each<[what: string, store: (parts: StoreParts) => SecretStore, broken: RegExp]>([
  [
    "finds every company's secrets in the folder of the first one",
    memoryBut((store) => {
      let first: Company | undefined;
      return { find: (company, secretKey) => store.find((first ??= company), secretKey) };
    }),
    /two companies apart/,
  ],
  [
    "lists the first company's secrets to every company",
    memoryBut((store) => {
      let first: Company | undefined;
      return { list: (company) => store.list((first ??= company)) };
    }),
    /two companies apart/,
  ],
  [
    "revives a removed secret",
    memoryBut((store) => {
      const written = new Map<string, Awaited<ReturnType<SecretStore["find"]>>>();
      return {
        find: async (company, secretKey) => (await store.find(company, secretKey)) ?? written.get(secretKey),
        write: async (scope, write) => {
          const result = await store.write(scope, write);
          written.set(write.secretKey, await store.find(scope.company, write.secretKey));
          return result;
        },
      };
    }),
    /never brings a removed secret back/,
  ],
  [
    "leaves a gap between two versions",
    memoryBut((store) => ({
      write: async (scope, write) => {
        await store.write(scope, write);
        return store.write(scope, write);
      },
    })),
    /raises the version of a secret by one.*without a gap.*audits a change once/,
  ],
  [
    "writes without an event",
    ({ audit }) => createMemoryStore({ audit: { ...audit, record: async () => {} } }),
    /audits a change once/,
  ],
  [
    "removes what is not there",
    memoryBut((store) => ({ remove: (...removal) => store.remove(...removal).catch(() => ({})) })),
    /finds nothing where nothing was written/,
  ],
  [
    "trims values and does not say so",
    memoryBut((store) => ({
      write: (scope, write) => {
        const plaintext = Plaintext.fromText(write.plaintext.reveal().trim());
        return store.write(scope, { ...write, plaintext });
      },
    })),
    /does what its capabilities say/,
  ],
  [
    "shows values in lists",
    memoryBut((store) => ({
      list: async (company) => {
        const { secrets } = await store.list(company);
        const shown = secrets.map(async (secret) => ({
          ...secret,
          lastFour: (await store.find(company, secret.secretKey))?.decryptText(),
        }));
        return { secrets: await Promise.all(shown) };
      },
    })),
    /and no value/,
  ],
  [
    "takes no notice of expected versions",
    databaseBut((store) => ({
      write: (scope, write) =>
        store.write(scope, { ...write, options: { ...write.options, expectedVersion: undefined } }),
    })),
    /the version that both have seen/,
  ],
  [
    "writes again for a request that was applied",
    databaseBut((store) => ({
      write: (scope, write) =>
        store.write(scope, { ...write, options: { ...write.options, requestId: undefined } }),
    })),
    /makes a retried change once/,
  ],
  [
    "writes a batch one by one",
    databaseBut((store) => ({
      batches: {
        writeMany: async (scope, { writes }) => {
          const results = [];
          for (const write of writes.toReversed()) {
            results.unshift({ secretKey: write.secretKey, ...(await store.write(scope, write)) });
          }
          return results;
        },
      },
    })),
    /all secrets of a batch or none/,
  ],
  [
    "forgets what providers say",
    databaseBut(() => ({ checks: { recordCheck: async () => new Date() } })),
    /stores what the provider said/,
  ],
  [
    "makes a staged value current at once",
    databaseBut((store) => ({
      versions: { ...supported(store, "versions"), stage: (...staged) => store.write(...staged) },
    })),
    /by its promotion alone/,
  ],
  [
    "promotes another version than is meant",
    versionsBut((versions) => ({
      promote: (scope, pending) => versions.promote(scope, { ...pending, pendingVersion: undefined }),
    })),
    /by its promotion alone/,
  ],
  ["purges nothing", versionsBut(() => ({ purge: async () => {} })), /destroys what is purged/],
  [
    "does not tell when a credential ends",
    versionsBut(() => ({ setExpiry: async () => {} })),
    /tells when the current version expires/,
  ],
])("the contract fails for a store that %s", async (_, store, broken) => {
  expect(await brokenBy(store)).toMatch(broken);
});
