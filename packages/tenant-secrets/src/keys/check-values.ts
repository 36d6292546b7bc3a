import { setImmediate as yieldToOthers } from "node:timers/promises";
import { sql, type SQL } from "drizzle-orm";
import { type Across, tables } from "@repo/db";
import { z } from "zod";
import { type Caller, type ErrorCode, TenantSecretsError } from "@repo/catalog";
import { decryptValue } from "@repo/envelope";
import { audited, type Operations } from "../access/operation.ts";
import { companyIdOf } from "../companies/company-id.ts";
import type { CompanyKeys } from "./company/company-keys.ts";
import { ExternalKeyError } from "./external/external-key-error.ts";

/** What became of all values that the database has. */
export interface CheckedValues {
  /** Companies at home here, and those of them whose values are in Infisical, of which this checks none. */
  readonly companies: number;
  readonly inInfisical: number;
  /** Values that decrypted: current ones, and pending and earlier versions. */
  readonly current: number;
  readonly otherVersions: number;
  /** Values whose company key is destroyed, as of shredded companies. */
  readonly destroyed: number;
  /** Values that need the key of their company, which was not to be had. */
  readonly needExternalKey: number;
  readonly failed: number;
  /** The first of them, 50 at most. */
  readonly failures: readonly {
    readonly company: string;
    readonly secretKey: string;
    readonly version: number;
    readonly code: ErrorCode;
  }[];
}

/**
 * Decrypts every value of the companies at home here in memory, wipes it, and counts. No value leaves this function. For
 * operators. One event, with the outcome `failed` where a value does not decrypt.
 *
 * @throws {TenantSecretsError} FORBIDDEN; KEY_UNAVAILABLE, DATABASE_UNAVAILABLE, and the errors of loading master keys
 */
export type CheckValues = (caller: Caller) => Promise<CheckedValues>;

/** A value has up to 64 KiB. */
const batchSize = 200;
const mostFailures = 50;

const Row = z.object({
  companyId: z.string(),
  company: z.string(),
  secretKey: z.string(),
  version: z.int(),
  keyVersion: z.int(),
  encrypted: z.string(),
});
type Row = z.infer<typeof Row>;
const Counts = z.tuple([z.object({ companies: z.int(), inInfisical: z.int() })]);

/** Errors that concern one value, or all values of one company. */
const ofValue: ReadonlySet<ErrorCode> = new Set(["INTEGRITY_FAILURE", "KEY_UNAVAILABLE"]);

interface Parts {
  readonly operations: Operations;
  readonly companyKeys: CompanyKeys;
  readonly ownRegion: string;
}

export function createCheckValues({ operations, companyKeys, ownRegion }: Parts): CheckValues {
  /** @returns undefined for a value that decrypts */
  const open = async (row: Row): Promise<ErrorCode | "external" | undefined> => {
    const { companyId, secretKey, version, keyVersion: companyKeyVersion, encrypted } = row;
    try {
      const { valueKey } = await companyKeys.forDecryption(companyIdOf({ id: companyId }), companyKeyVersion);
      decryptValue(valueKey, { companyId, secretKey, version, companyKeyVersion }, encrypted).fill(0);
      return undefined;
    } catch (error) {
      if (error instanceof ExternalKeyError) return "external";
      if (!(error instanceof TenantSecretsError)) throw error;
      if (error.code === "KEY_DESTROYED" || ofValue.has(error.code)) return error.code;
      throw error;
    }
  };

  return (caller) =>
    operations.read(
      { caller, action: "key.check-values", verb: "rotate", to: "check values" },
      async (across) => {
        const failures: CheckedValues["failures"][number][] = [];
        const counts = { current: 0, otherVersions: 0, destroyed: 0, needExternalKey: 0, failed: 0 };
        for (const place of ["current", "otherVersions"] as const) {
          for await (const row of eachValue(across, ownRegion, place)) {
            const code = await open(row);
            if (code === undefined) counts[place]++;
            else if (code === "KEY_DESTROYED") counts.destroyed++;
            else if (code === "external") counts.needExternalKey++;
            else {
              counts.failed++;
              const { company, secretKey, version } = row;
              if (failures.length < mostFailures) failures.push({ company, secretKey, version, code });
            }
          }
        }
        const checked = { ...(await countCompanies(across, ownRegion)), ...counts, failures };
        return audited(checked, counts.failed > 0 ? { outcome: "failed", reason: "INTEGRITY_FAILURE" } : {});
      },
    );
}

async function* eachValue(
  across: Across,
  ownRegion: string,
  place: "current" | "otherVersions",
): AsyncGenerator<Row> {
  let after: Pick<Row, "companyId" | "secretKey" | "version"> = {
    companyId: "00000000-0000-0000-0000-000000000000",
    secretKey: "",
    version: 0,
  };
  for (let more = true; more;) {
    const page = after;
    const rows = await across(async (statements) =>
      z.array(Row).parse([
        ...(await statements.execute(sql`
            select c.id as "companyId", c.subdomain as company, v.secret_key as "secretKey", v.version,
              v.company_key_version as "keyVersion", v.encrypted
            from (${placeOf[place]}) v join ${tables.companies} c on c.id = v.company_id
            where c.home_region = ${ownRegion}
              and (v.company_id, v.secret_key, v.version) > (${page.companyId}::uuid, ${page.secretKey}, ${page.version})
            order by v.company_id, v.secret_key, v.version limit ${batchSize}`)),
      ]),
    );
    yield* rows;
    after = rows.at(-1) ?? after;
    more = rows.length === batchSize;
    await yieldToOthers();
  }
}

const placeOf: Readonly<Record<"current" | "otherVersions", SQL>> = {
  current: sql`select company_id, secret_key, current_version as version, company_key_version, secret_value_encrypted as encrypted
    from ${tables.companySecrets} where secret_value_encrypted is not null`,
  otherVersions: sql`select company_id, secret_key, version, company_key_version, value_encrypted as encrypted
    from ${tables.companySecretVersions} where value_encrypted is not null`,
};

async function countCompanies(across: Across, ownRegion: string): Promise<z.infer<typeof Counts>[0]> {
  const rows = await across((statements) =>
    statements.execute(sql`
      select count(*)::int as companies, count(*) filter (where secret_store = 'infisical')::int as "inInfisical"
      from ${tables.companies} where home_region = ${ownRegion}`),
  );
  return Counts.parse([...rows])[0];
}
