import type { KeyObject } from "node:crypto";
import { sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import {
  deriveValueKey,
  undefinedIfCorrupt,
  isExternalWrap,
  type MasterKey,
  decryptValue,
  unwrapExternal,
  unwrapKey,
} from "@repo/envelope";
import type { RunStep } from "../../runs/definition.ts";
import { walk } from "../../runs/walk.ts";
import { keyName } from "./rewrap.ts";

const { companyKeys, companyKeyWraps, companySecrets } = tables;
const batchSize = 1000;

export interface Opened {
  readonly companies: number;
  /** Keys whose wrap does not decrypt, named as in rewrap.ts. */
  readonly keys: string[];
  /** Values under an intact key that do not decrypt, such as `value 6f9c… CUSTOM_A version 3`. */
  readonly values: string[];
}

/**
 * Decrypts, with one master key alone, the active key of every company, and with it one of the company's values, if any.
 * Failures are collected.
 */
export async function openCanaries(
  database: Database,
  masterKey: MasterKey,
  step: Pick<RunStep<unknown, unknown, string>, "commit" | "say">,
): Promise<Opened> {
  const keys: string[] = [];
  const values: string[] = [];
  let tried = 0;
  const opened = (): number => tried - keys.length - values.length;
  await walk<Canary, true>({
    read: (after) => database.acrossCompanies((statements) => selectCanaries(statements, masterKey, after)),
    each: (canary) => {
      if (canary.wrapped === null) return true;
      tried++;
      const valueKey = unwrapValueKey(masterKey, canary, canary.wrapped);
      if (valueKey === "external") return true;
      if (valueKey === undefined) {
        keys.push(keyName("company-key", { owner: canary.companyId, keyVersion: canary.keyVersion }));
      } else if (!opens(valueKey, canary)) {
        const { secretKey, version } = canary.value ?? {};
        values.push(`value ${canary.companyId} ${secretKey} version ${version}`);
      }
      return true;
    },
    // An interrupted verification starts over: its findings are in memory only.
    write: async () => {
      await step.commit(async () => {}, { done: tried });
      await step.say(`${opened()} companies opened with the new key alone`);
    },
  });
  return { companies: opened(), keys, values };
}

/** The number of companies with an active key, for the progress of a verification. */
export async function countCanaries(statements: Statements): Promise<number> {
  const [row] = await statements.execute<{ count: number }>(
    sql`select count(*)::int as count from ${companyKeys} where status = 'active'`,
  );
  return row?.count ?? 0;
}

/** @returns "external" for a key that opens to what its company's own key has encrypted: no master key opens a value of it */
function unwrapValueKey(
  { region, version: masterKeyVersion, wrappingKey }: MasterKey,
  { companyId, keyVersion }: Canary,
  wrapped: string,
): KeyObject | "external" | undefined {
  const place = { kind: "company-key", owner: companyId, keyVersion, region, masterKeyVersion } as const;
  if (isExternalWrap(wrapped))
    return undefinedIfCorrupt(() => unwrapExternal(wrappingKey, place, wrapped)) && "external";
  const secret = undefinedIfCorrupt(() => unwrapKey(wrappingKey, place, wrapped));
  return secret && deriveValueKey(secret, companyId, keyVersion);
}

function opens(valueKey: KeyObject, { companyId, keyVersion, value }: Canary): boolean {
  if (value === null) return true;
  const { secretKey, version, encrypted } = value;
  const plaintext = undefinedIfCorrupt(() =>
    decryptValue(valueKey, { companyId, secretKey, version, companyKeyVersion: keyVersion }, encrypted),
  );
  plaintext?.fill(0);
  return plaintext !== undefined;
}

const Canary = z.object({
  companyId: z.string(),
  keyVersion: z.int(),
  /** Null if this region has no wrap of the key. */
  wrapped: z.string().nullable(),
  value: z.object({ secretKey: z.string(), version: z.int(), encrypted: z.string() }).nullable(),
});
type Canary = z.infer<typeof Canary>;

/**
 * The active keys of the next companies, each with its wrap and the first secret encrypted under it. As in rewrap.ts, the batch
 * is selected first.
 */
async function selectCanaries(
  statements: Statements,
  { region, version }: MasterKey,
  after: Canary | undefined,
): Promise<Canary[]> {
  const rest = after === undefined ? sql`true` : sql`company_id > ${after.companyId}::uuid`;
  const rows = await statements.execute(sql`
    select k.company_id as "companyId", k.key_version as "keyVersion", w.wrapped, s.value
    from (
      select company_id, key_version from ${companyKeys} where status = 'active' and ${rest}
      order by company_id limit ${batchSize}) k
    left join lateral (
      select wrapped from ${companyKeyWraps} w
      where w.company_id = k.company_id and w.key_version = k.key_version and w.region = ${region} and w.master_key_version = ${version}
      limit 1) w on true
    left join lateral (
      select json_build_object('secretKey', secret_key, 'version', current_version, 'encrypted', secret_value_encrypted) as value
      from ${companySecrets} s
      where s.company_id = k.company_id and s.company_key_version = k.key_version and s.secret_value_encrypted is not null
      order by secret_key limit 1) s on true
    order by k.company_id`);
  return z.array(Canary).parse(Array.from(rows));
}
