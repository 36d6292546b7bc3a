import { and, asc, eq, gt, ne, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type CompanyId, TenantSecretsError } from "@repo/catalog";
import { type CompanyKey, headMac, headStateOf, isGenuineHead } from "@repo/envelope";
import type { CompanyKeys } from "./company-keys.ts";

const { companySecrets } = tables;

const batchSize = 500;

type Head = typeof companySecrets.$inferSelect;

interface NewMac {
  readonly secretKey: string;
  /** In hexadecimal: only a head that still has it gets the new one. */
  readonly old: string;
  readonly mac: string;
}

interface Parts {
  readonly companyKeys: CompanyKeys;
  readonly companyId: CompanyId;
  readonly to: CompanyKey;
  readonly read: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;
  /** As `read`, while `to` is the active key. @returns undefined where it is not */
  readonly write: <T>(work: (statements: Statements) => Promise<T>) => Promise<T | undefined>;
}

/**
 * Gives the heads of a company's secrets MACs under another key, each after it was found to be genuine, in batches.
 *
 * @returns the secret keys whose heads are not genuine, or whose key does not open; undefined where `to` is not the active
 *   key any more
 */
export async function resealHeads(parts: Parts): Promise<readonly string[] | undefined> {
  const { companyId, to, read, write } = parts;
  const broken: string[] = [];
  for (let after = "", more = true; more;) {
    const heads = await read((statements) =>
      statements
        .select()
        .from(companySecrets)
        .where(
          and(
            eq(companySecrets.companyId, companyId),
            ne(companySecrets.macKeyNo, to.no),
            gt(companySecrets.secretKey, after),
          ),
        )
        .orderBy(asc(companySecrets.secretKey))
        .limit(batchSize),
    );
    const batch: NewMac[] = [];
    for (const head of heads) {
      const mac = await newMac(parts, head);
      if (mac === undefined) broken.push(head.secretKey);
      else batch.push({ secretKey: head.secretKey, old: head.mac.toString("hex"), mac });
    }
    const done = batch.length === 0 || (await write((statements) => replaceMacs(statements, parts, batch)));
    if (done === undefined) return undefined;
    after = heads.at(-1)?.secretKey ?? "";
    more = heads.length === batchSize;
  }
  return broken;
}

async function newMac({ companyKeys, companyId, to }: Parts, head: Head): Promise<string | undefined> {
  const state = headStateOf(head);
  try {
    const from = await companyKeys.forOpening(companyId, head.macKeyNo);
    return isGenuineHead(from, state, head) ? headMac(to, state).toString("hex") : undefined;
  } catch (error) {
    if (error instanceof TenantSecretsError && unopenable.has(error.code)) return undefined;
    throw error;
  }
}

const unopenable: ReadonlySet<TenantSecretsError["code"]> = new Set(["INTEGRITY_FAILURE", "KEY_DESTROYED"]);

async function replaceMacs(
  statements: Statements,
  { companyId, to }: Parts,
  batch: readonly NewMac[],
): Promise<true> {
  const records = sql`json_to_recordset(${JSON.stringify(batch)}::json) as r ("secretKey" text, old text, mac text)`;
  // In the order in which whoever writes several secrets locks them.
  await statements.execute(sql`
    select from ${companySecrets}
    where company_id = ${companyId} and secret_key in (select "secretKey" from ${records})
    order by secret_key for no key update`);
  await statements.execute(sql`
    update ${companySecrets} h set mac = decode(r.mac, 'hex'), mac_key_no = ${to.no} from ${records}
    where h.company_id = ${companyId} and h.secret_key = r."secretKey" and h.mac = decode(r.old, 'hex')`);
  return true;
}
