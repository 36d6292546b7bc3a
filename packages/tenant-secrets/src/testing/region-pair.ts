import { createFixture, operator, type Fixture } from "./fixture.ts";

/** A company at home in one region, and what another region gets of it. */
export interface RegionPair {
  readonly home: Fixture;
  readonly target: Fixture;
  /** Lets a company be copied. @returns its id */
  allow(subdomain: string): Promise<string>;
  /** Takes the region from the company. */
  withdraw(subdomain: string): Promise<void>;
  /** Brings what there is to the target, as the subscription does: through the fence, with a beat. */
  bring(): Promise<void>;
  /** Changes a copy at the target past every trigger, as one who writes to its database. @param assignment of SQL */
  tamper(
    id: string,
    assignment: string,
    copy: { readonly kind: string; readonly name: string },
  ): Promise<void>;
}

export const homeRegion = "eu";
const region = "us";

/** Two regions in two databases, with keys of their own, which know each other. What lies between them is `bring`. */
export async function createRegionPair(): Promise<RegionPair> {
  const home = await createFixture(undefined, undefined, { region: homeRegion });
  const target = await createFixture(undefined, undefined, { region });
  for (const { secrets } of [home, target]) await secrets.prepare();
  const identityOf = async ({ secrets }: Fixture, address: string) => ({
    ...(await secrets.regions.identity(operator)),
    address,
  });
  await home.secrets.regions.add(operator, await identityOf(target, "https://us.example.com"));
  await target.secrets.regions.add(operator, await identityOf(home, "https://eu.example.com"));
  return {
    home,
    target,
    allow: async (subdomain) => {
      await home.secrets.companyRegions.add(operator, subdomain, { region });
      const { company } = await home.scope(subdomain);
      return company.id;
    },
    withdraw: (subdomain) => home.secrets.companyRegions.remove(operator, subdomain, { region }),
    bring: async () => {
      const copies = await home.superuser<StoredCopy[]>`
        select target_region, company_id, kind, name, home_region, home_epoch, revision::text as revision, body, signature from region_copies`;
      await target.superuser.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`select set_config('tenant_secrets.subscription', ${`copies_from_${homeRegion}_to_${region}`}, true)`;
        const places = JSON.stringify(copies.map((copy) => [copy.company_id, copy.kind, copy.name]));
        await sql`delete from region_copies t where not exists (
          select from json_array_elements(${places}::text::json) p where (p->>0)::uuid = t.company_id and p->>1 = t.kind and p->>2 = t.name)`;
        for (const copy of copies) await sql`insert into region_copies ${sql(copy)}`;
        await sql`insert into region_beats (target_region, home_region, beat_at) values (${region}, ${homeRegion}, clock_timestamp())
          on conflict (target_region, home_region) do update set beat_at = excluded.beat_at`;
      });
    },
    tamper: async (id, assignment, { kind, name }) => {
      await target.superuser.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`alter table region_copies disable trigger fence`;
        await sql.unsafe(
          `update region_copies t set ${assignment} where company_id = '${id}' and kind = '${kind}' and name = '${name}'`,
        );
        await sql`alter table region_copies enable replica trigger fence`;
      });
    },
  };
}

interface StoredCopy {
  readonly target_region: string;
  readonly company_id: string;
  readonly kind: string;
  readonly name: string;
  readonly home_region: string;
  readonly home_epoch: number;
  readonly revision: string;
  readonly body: string;
  readonly signature: Buffer | null;
}
