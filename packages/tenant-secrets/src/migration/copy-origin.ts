import { asc, eq, sql } from "drizzle-orm";
import { type Statements, tables } from "@repo/db";
import { headMac, headStateOf } from "@repo/envelope";
import type { CompanyId } from "@repo/catalog";
import type { HeadKeys } from "../stores/database/transaction.ts";
import { genuineHead, headColumns } from "../stores/database/secret-head.ts";

const { companySecrets } = tables;

/**
 * Makes every secret of a company a copy of its folder, in the transaction in which the company starts to read from the folder
 * again: when it is moved to the database later, the copies follow the folder, and a secret that is made in the folder under the
 * name of a tombstone is a new one. The company is locked.
 *
 * @param keys of the company, the active one first
 * @throws {HeadChanged} if another party has changed a head
 */
export function makeCopiesOfFolder(
  statements: Statements,
  companyId: CompanyId,
  keys: HeadKeys,
): Promise<void> {
  return setOrigin(statements, { companyId, keys }, { origin: "infisical", of: () => true });
}

/**
 * Makes secrets of a company the database's own, in the transaction in which the company reads from its folder again what the
 * database does not have: as copies they would follow what was changed in the folder while it was not read. As above otherwise.
 */
export function makeOwn(
  statements: Statements,
  { companyId, keys }: OfCompany,
  secretKeys: ReadonlySet<string>,
): Promise<void> {
  return setOrigin(
    statements,
    { companyId, keys },
    { origin: "written", of: (secretKey) => secretKeys.has(secretKey) },
  );
}

interface OfCompany {
  readonly companyId: CompanyId;
  readonly keys: HeadKeys;
}

async function setOrigin(
  statements: Statements,
  { companyId, keys }: OfCompany,
  wanted: { readonly origin: "written" | "infisical"; readonly of: (secretKey: string) => boolean },
): Promise<void> {
  const rows = await statements
    .select(headColumns)
    .from(companySecrets)
    .where(eq(companySecrets.companyId, companyId))
    .orderBy(asc(companySecrets.secretKey))
    .for("update");
  const [key] = keys;
  const changed = rows
    .map((row) => genuineHead(keys, row))
    .filter(({ origin, secretKey }) => origin !== wanted.origin && wanted.of(secretKey))
    .map((head) => ({
      secretKey: head.secretKey,
      mac: headMac(key, headStateOf({ ...head, origin: wanted.origin })).toString("hex"),
    }));
  if (changed.length === 0) return;
  const records = sql`json_to_recordset(${JSON.stringify(changed)}::json) as r ("secretKey" text, mac text)`;
  await statements.execute(sql`
    update ${companySecrets} h set origin = ${wanted.origin}, mac = decode(r.mac, 'hex'),
      mac_key_version = ${key.keyVersion}, updated_at = now()
    from ${records} where h.company_id = ${companyId} and h.secret_key = r."secretKey"`);
}
