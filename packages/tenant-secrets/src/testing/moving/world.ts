import { whenDone } from "@repo/db/testing";
import type { BulkClient } from "@repo/infisical";
import { z } from "zod";
import type { Company } from "../../companies/companies.ts";
import { createFixture, product, type Fixture } from "../fixture.ts";
import { createStores, type Stores } from "../store-fixture.ts";

export const secretKeys = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"] as const;
export type SecretKey = (typeof secretKeys)[number];

/** A head as it is stored, of a secret that was ever in the database. */
export interface StoredHead {
  readonly origin: "written" | "infisical";
  readonly isLive: boolean;
  readonly isRestorable: boolean;
}

/** A secret of the folder: several of one name do not come about here. */
export interface FolderRow {
  readonly id: string;
  readonly version: number;
  readonly value: string | undefined;
}

/** A database, an Infisical, and two processes that serve: one with the caches of production, and one that caches nothing for long. */
export interface World {
  readonly fixture: Fixture;
  readonly processes: Readonly<Record<"caching" | "looking", Fixture["secrets"]>>;
  readonly stores: Stores;
  readonly bulk: BulkClient;
  /** Ends the connections by which the processes are told of changes. */
  cutListeners(): Promise<unknown>;
  /** As if the leases, holds and deadlines of processes that were killed had ended by themselves, and waits were over. */
  passTime(): Promise<unknown>;
}

export async function createWorld(): Promise<World> {
  const fixture = await createFixture();
  const processes = {
    caching: fixture.another(),
    looking: fixture.another({ cache: { ttlMs: 1, negativeTtlMs: 1 } }),
  };
  const { superuser } = fixture;
  for (const secrets of Object.values(processes)) {
    await secrets.prepare();
    const serving = await secrets.serve(fixture.urls.listener, () => {});
    whenDone(async () => {
      await serving.stop();
      await secrets.stop();
    });
  }
  const role = new URL(fixture.urls.listener).username;
  return {
    fixture,
    processes,
    stores: createStores(fixture),
    bulk: fixture.infisical.bulk(),
    cutListeners: () =>
      superuser`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role} and datname = current_database()`,
    passTime: () => superuser`
      with leases as (update runs set lease_until = clock_timestamp() - interval '1 minute' where lease_until is not null),
        waits as (update runs set not_before = null where not_before is not null and finished_at is null),
        turns as (update migration_companies set not_before = null where not_before is not null),
        holds as (update store_holds set until = clock_timestamp() - interval '1 minute')
      update outside_writes set deadline_at = clock_timestamp() - interval '1 minute'`,
  };
}

/** What the rows and the folder of one company are, without the product. */
export interface Sight {
  readonly store: Company["secretStore"];
  readonly epoch: number;
  readonly heads: ReadonlyMap<string, StoredHead>;
  /** Whether the copy that the last change of the store left behind was removed. */
  readonly isCleaned: boolean;
  /** How many writes in Infisical have an outcome that is not known. */
  readonly unsettled: number;
  /** How many secrets the folder had, by the ledger. */
  readonly ledger: number;
}

const Seen = z.tuple([
  z.object({
    store: z.enum(["infisical", "hybrid", "database"]),
    epoch: z.int(),
    isCleaned: z.boolean(),
    unsettled: z.int(),
    ledger: z.int(),
    heads: z
      .array(
        z.object({
          secretKey: z.string(),
          origin: z.enum(["written", "infisical"]),
          isLive: z.boolean(),
          isRestorable: z.boolean(),
        }),
      )
      .nullable(),
  }),
]);

export async function look({ fixture }: World, { id }: Company): Promise<Sight> {
  const [{ heads, ...seen }] = Seen.parse([
    ...(await fixture.superuser`
      select secret_store as store, store_epoch as epoch,
        exists (select from company_stores where company_id = c.id and cleaned_at is not null) as "isCleaned",
        (select count(*)::int from outside_writes where company_id = c.id) as unsettled,
        (select count(*)::int from folder_entries where company_id = c.id and outside_id is not null) as ledger,
        (select json_agg(json_build_object('secretKey', secret_key, 'origin', origin,
          'isLive', deleted_at is null and current_version is not null,
          'isRestorable', deleted_at is not null and current_version is not null and coalesce(recover_until > now(), false)))
          from company_secrets where company_id = c.id) as heads
      from companies c where id = ${id}`),
  ]);
  return { ...seen, heads: new Map((heads ?? []).map(({ secretKey, ...head }) => [secretKey, head])) };
}

export async function lookIntoFolder(
  { bulk }: World,
  { infisicalFolder }: Company,
): Promise<ReadonlyMap<string, FolderRow>> {
  const survey = await bulk.survey(`/tenants/${infisicalFolder}`);
  return new Map((survey?.rows ?? []).map(({ secretKey, ...row }) => [secretKey, row]));
}

/** The values that the database has, by secret key. */
export async function lookIntoDatabase({ stores }: World, company: Company): Promise<Map<string, string>> {
  const found = await Promise.all(
    secretKeys.map(async (secretKey) => [secretKey, await stores.database.find(company, secretKey)] as const),
  );
  return new Map(
    found.flatMap(([secretKey, secret]) => (secret === undefined ? [] : [[secretKey, secret.decryptText()]])),
  );
}

export async function createMovingCompany({ fixture }: World): Promise<Company> {
  const subdomain = await fixture.company("infisical");
  return (await fixture.scope(subdomain, product)).company;
}
