import { and, asc, eq, gt, ne, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { CompanyId, ErrorCode } from "@repo/catalog";
import { type CompanyKey, headMac, headStateOf, integrityFailure, isGenuineHead } from "@repo/envelope";
import type { Position } from "../../runs/lease.ts";
import { walk } from "../../runs/walk.ts";
import type { CompanyKeys } from "./company-keys.ts";

const { companySecrets } = tables;

const batchSize = 500;

type Head = typeof companySecrets.$inferSelect;

interface NewMac {
  readonly secretKey: string;
  /** Hexadecimal. Only a head that still has this MAC gets the new one. */
  readonly old: string;
  readonly mac: string;
}

/** Errors that concern one value or head only. */
export const undecryptable: ReadonlySet<ErrorCode> = new Set(["INTEGRITY_FAILURE", "KEY_DESTROYED"]);

/** One step of a run in the company, while the target key is the active one. */
export type Write = <T>(work: (statements: Statements) => Promise<T>, at?: Position) => Promise<T>;

interface Parts {
  readonly companyKeys: CompanyKeys;
  readonly companyId: CompanyId;
  readonly to: CompanyKey;
  readonly read: <T>(work: (statements: Statements) => Promise<T>) => Promise<T>;
  readonly write: Write;
}

/**
 * Gives the heads of a company's secrets MACs under another key, in batches, after verifying each.
 *
 * @returns the secret keys whose heads are not genuine, or whose key does not decrypt
 */
export function reencryptHeads(parts: Parts): Promise<readonly string[]> {
  const { companyId, to, read, write } = parts;
  return walk<Head, NewMac>({
    read: (after) =>
      read((statements) =>
        statements
          .select()
          .from(companySecrets)
          .where(
            and(
              eq(companySecrets.companyId, companyId),
              ne(companySecrets.macKeyVersion, to.keyVersion),
              gt(companySecrets.secretKey, after?.secretKey ?? ""),
            ),
          )
          .orderBy(asc(companySecrets.secretKey))
          .limit(batchSize),
      ),
    each: (head) => newMac(parts, head),
    write: async (batch) => {
      if (batch.length > 0) await write((statements) => replaceMacs(statements, parts, batch));
    },
    skip: { codes: undecryptable, nameOf: ({ secretKey }) => secretKey },
  });
}

async function newMac({ companyKeys, companyId, to }: Parts, head: Head): Promise<NewMac> {
  const state = headStateOf(head);
  const from = await companyKeys.forDecryption(companyId, head.macKeyVersion);
  if (!isGenuineHead(from, state, head)) throw integrityFailure();
  const { secretKey } = head;
  return { secretKey, old: head.mac.toString("hex"), mac: headMac(to, state).toString("hex") };
}

async function replaceMacs(
  statements: Statements,
  { companyId, to }: Parts,
  batch: readonly NewMac[],
): Promise<void> {
  const records = sql`json_to_recordset(${JSON.stringify(batch)}::json) as r ("secretKey" text, old text, mac text)`;
  // In the locking order of writes of several secrets.
  await statements.execute(sql`
    select from ${companySecrets}
    where company_id = ${companyId} and secret_key in (select "secretKey" from ${records})
    order by secret_key for no key update`);
  await statements.execute(sql`
    update ${companySecrets} h set mac = decode(r.mac, 'hex'), mac_key_version = ${to.keyVersion} from ${records}
    where h.company_id = ${companyId} and h.secret_key = r."secretKey" and h.mac = decode(r.old, 'hex')`);
}
