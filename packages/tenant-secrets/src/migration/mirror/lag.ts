import { sql } from "drizzle-orm";
import { z } from "zod";
import { type Statements, tables } from "@repo/db";
import type { Catalog } from "@repo/catalog";

const { companies, companySecrets, companySecretVersions, companyStores, folderEntries } = tables;

/** How far the mirrors of all companies are behind. */
export interface MirrorLag {
  /** Companies with a change that is not in their folder yet. */
  readonly companies: number;
  /** How old the oldest such change is; 0 if there is none. */
  readonly seconds: number;
}

/**
 * Secrets of mirrored companies whose state in the database was not proven to be in the folder, by the ledger: `company_id`,
 * `secret_key`, and `since`, when the oldest change was made that is not there. Secrets that the folder cannot get are
 * left out, and so are those that stay in Infisical.
 */
export function secretsBehind(catalog: Catalog) {
  const staying = Object.entries(catalog.entries)
    .filter(([, { backfill }]) => backfill === false)
    .map(([secretKey]) => secretKey);
  // The first change after the proven version was the one that replaced it.
  const replacedAt = sql`(select v.replaced_at from ${companySecretVersions} v
    where v.company_id = h.company_id and v.secret_key = h.secret_key and v.version = e.synced_version)`;
  return sql`(select h.company_id, h.secret_key,
      greatest(s.mirrored_since, case when h.deleted_at is not null then h.deleted_at
        when e.company_id is null then h.created_at else coalesce(${replacedAt}, h.updated_at) end) as since
    from ${companyStores} s
    join ${companies} c on c.id = s.company_id and c.status = 'active' and c.secret_store <> 'infisical'
    join ${companySecrets} h on h.company_id = s.company_id
    left join ${folderEntries} e on e.company_id = h.company_id and e.secret_key = h.secret_key
    where s.is_mirrored and h.secret_key not in (select json_array_elements_text(${JSON.stringify(staying)}::json))
      and case
        when h.deleted_at is not null then h.origin <> 'infisical'
          and (e.company_id is null or e.is_being_written or (e.outside_id is not null and e.finding is null))
        when h.current_version is null then false
        else e.company_id is null or e.is_being_written or e.synced_version <> h.current_version
          or (e.outside_id is null and e.finding is null)
      end)`;
}

const Lag = z.tuple([z.object({ companies: z.int(), seconds: z.int() })]);

export async function selectMirrorLag(statements: Statements, catalog: Catalog): Promise<MirrorLag> {
  const rows = await statements.execute(sql`
    select count(distinct b.company_id)::int as companies,
      greatest(0, coalesce(ceil(extract(epoch from clock_timestamp() - min(b.since))), 0))::int as seconds
    from ${secretsBehind(catalog)} b`);
  return Lag.parse([...rows])[0];
}

/** How long a folder is not looked at where nothing changes in the database, in minutes. */
const compareAgainMinutes = 60;

const Due = z.array(z.object({ company: z.string() }));

/** Companies whose mirror has something to do, and those whose folder was not looked at for an hour. */
export async function selectDueMirrors(
  statements: Statements,
  catalog: Catalog,
  limit: number,
): Promise<readonly string[]> {
  const rows = await statements.execute(sql`
    select s.company_id as company from ${companyStores} s
    join ${companies} c on c.id = s.company_id and c.status = 'active' and c.secret_store <> 'infisical'
    where s.is_mirrored and (s.mirror_not_before is null or s.mirror_not_before <= now())
      and (s.mirror_compared_at is null or s.mirror_compared_at < now() - make_interval(mins => ${compareAgainMinutes})
        or exists (select from ${secretsBehind(catalog)} b where b.company_id = s.company_id))
    order by s.mirror_compared_at nulls first, s.company_id limit ${limit}`);
  return Due.parse([...rows]).map(({ company }) => company);
}
