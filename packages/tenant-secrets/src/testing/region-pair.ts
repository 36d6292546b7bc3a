import { encryptToRegion, type CopyState, signCopy, unwrapKey } from "@repo/envelope";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { createRegionKeys, type RegionKeys } from "../keys/region-keys.ts";
import { createFixture, operator, type Fixture } from "./fixture.ts";

/** A company at home in one region, and what another region gets of it. */
export interface RegionPair {
  readonly home: Fixture;
  readonly target: Fixture;
  /** Lets a company be copied, with copies that its home has signed. @returns its id */
  allow(subdomain: string): Promise<string>;
  /** Makes the row that the target has of the company, as plain SQL with a valid MAC. */
  adopt(id: string, subdomain: string): Promise<void>;
  /** Takes the region from the company. */
  withdraw(subdomain: string): Promise<void>;
  /** Brings what there is to the target, as the subscription does: through the fence, with a beat. */
  bring(): Promise<void>;
}

export const homeRegion = "eu";
const targetRegion = "us";

/** Two regions in two databases, with keys of their own, which know each other. What lies between them is `bring`. */
export async function createRegionPair(): Promise<RegionPair> {
  const home = await createFixture(undefined, undefined, { region: homeRegion });
  const target = await createFixture(undefined, undefined, { region: targetRegion });
  for (const { secrets } of [home, target]) await secrets.prepare();
  const identityOf = async ({ secrets }: Fixture, address: string) => ({
    ...(await secrets.regions.identity(operator)),
    address,
  });
  await home.secrets.regions.add(operator, await identityOf(target, "https://us.example.com"));
  await target.secrets.regions.add(operator, await identityOf(home, "https://eu.example.com"));
  const masterKeys = createMasterKeys(home.database, home.infisical, homeRegion);
  const homeKeys = createRegionKeys(home.database, masterKeys);
  const targetKeys = createRegionKeys(
    target.database,
    createMasterKeys(target.database, target.infisical, targetRegion),
  );

  const idOf = async (subdomain: string): Promise<string> => {
    const [row] = await home.superuser<
      { id: string }[]
    >`select id from companies where subdomain = ${subdomain}`;
    if (row === undefined) throw new Error(`there is no company ${subdomain}`);
    return row.id;
  };

  const signedCopies = async (companyId: string, subdomain: string): Promise<readonly SignedCopy[]> => {
    const company = JSON.stringify({ format: 1, subdomain, secondFactorRequired: false, recoveryDays: 30 });
    const sign = createSign(home, homeKeys, companyId);
    const copies = [await sign({ kind: "company", name: "", body: company })];
    const wraps = await home.superuser<{ version: number; masterKeyVersion: number; wrapped: string }[]>`
      select key_version as version, master_key_version as "masterKeyVersion", wrapped from company_key_wraps where company_id = ${companyId}`;
    const ring = await masterKeys.load();
    const { transportKey, transportKeyVersion } = await targetKeys.identity();
    for (const { version, masterKeyVersion, wrapped } of wraps) {
      const owner = { kind: "company-key", owner: companyId, keyVersion: version } as const;
      const secret = unwrapKey(
        ring.get(masterKeyVersion).wrappingKey,
        { ...owner, region: homeRegion, masterKeyVersion },
        wrapped,
      );
      const place = {
        companyId,
        keyVersion: version,
        from: homeRegion,
        to: targetRegion,
        transportKeyVersion,
      };
      const body = encryptToRegion(transportKey, place, secret);
      copies.push(await sign({ kind: "key", name: String(version), body }));
    }
    return copies;
  };

  return {
    home,
    target,
    allow: async (subdomain) => {
      const companyId = await idOf(subdomain);
      const copies = await signedCopies(companyId, subdomain);
      await home.superuser.begin(async (sql) => {
        await sql`insert into company_regions (company_id, region, revision, mac_key_version, mac) values (${companyId}, ${targetRegion}, 1, 1, '')`;
        for (const copy of copies)
          await sql`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
            values (${targetRegion}, ${companyId}, ${copy.kind}, ${copy.name}, ${homeRegion}, ${copy.homeEpoch}, ${copy.revision}::bigint, ${copy.body}, ${copy.signature})`;
      });
      return companyId;
    },
    adopt: async (id, subdomain) => {
      await target.superuser`insert into companies (id, subdomain, infisical_folder, secret_store, home_region, revision, mac_key_version, mac)
        values (${id}, ${subdomain}, ${id}, 'database', ${homeRegion}, nextval('row_revisions'), 1, '')`;
      await target.remacCompanies(target.superuser);
    },
    withdraw: async (subdomain) => {
      await home.superuser`delete from company_regions where company_id = ${await idOf(subdomain)}`;
    },
    bring: async () => {
      const copies = await home.superuser<StoredCopy[]>`
        select target_region, company_id, kind, name, home_region, home_epoch, revision::text as revision, body, signature from region_copies`;
      await target.superuser.begin(async (sql) => {
        await sql`set local session_replication_role = replica`;
        await sql`select set_config('tenant_secrets.subscription', ${`copies_from_${homeRegion}_to_${targetRegion}`}, true)`;
        const places = JSON.stringify(copies.map((copy) => [copy.company_id, copy.kind, copy.name]));
        await sql`delete from region_copies t where not exists (
          select from json_array_elements(${places}::text::json) p where (p->>0)::uuid = t.company_id and p->>1 = t.kind and p->>2 = t.name)`;
        for (const copy of copies) await sql`insert into region_copies ${sql(copy)}`;
        await sql`insert into region_beats (target_region, home_region, beat_at) values (${targetRegion}, ${homeRegion}, clock_timestamp())
          on conflict (target_region, home_region) do update set beat_at = excluded.beat_at`;
      });
    },
  };
}

type SignedCopy = CopyState & { readonly signature: Buffer };

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

function createSign({ superuser }: Fixture, keys: RegionKeys, companyId: string) {
  return async (made: Pick<CopyState, "kind" | "name" | "body">): Promise<SignedCopy> => {
    const [row] = await superuser<{ revision: string }[]>`select nextval('copy_revisions')::text as revision`;
    if (row === undefined) throw new Error("a sequence has a next number");
    const place = { targetRegion, companyId, homeRegion, homeEpoch: 1, ...row };
    const copy = { ...place, ...made };
    return { ...copy, signature: signCopy((await keys.signing()).privateKey, copy) };
  };
}
