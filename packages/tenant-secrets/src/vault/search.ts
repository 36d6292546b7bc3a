import { setImmediate as yieldToOthers } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { type Across, tables } from "@repo/db";
import { z } from "zod";
import {
  type Caller,
  maxValueBytes,
  SecretStoreName,
  TenantSecretsError,
  type ValueSearch,
} from "@repo/catalog";
import { fingerprint, Plaintext } from "@repo/envelope";
import { audited, type Operations } from "../access/operation.ts";
import { companyIdOf } from "../companies/company-id.ts";
import type { Companies } from "../companies/companies.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";

/**
 * Finds a value among the current and earlier versions in the database: "is this leaked string one of ours?" Values are
 * compared by fingerprint under each company's own key; none is decrypted. Every match is audited in its company.
 *
 * @param value in its stored form: JSON for an object
 * @param subdomain left out: all companies, for operators only
 * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, INVALID_VALUE
 */
export type SearchValues = (
  caller: Caller,
  value: string,
  subdomain: string | undefined,
) => Promise<ValueSearch>;

const batchSize = 100;
const mostMatches = 200;
/** Companies searched at once, so that enough connections remain for requests. */
const maxConcurrentCompanies = 4;

const CompanyRow = z.object({
  id: z.string(),
  subdomain: z.string(),
  secretStore: SecretStoreName,
  living: z.array(z.int()),
  destroyed: z.boolean(),
  suspended: z.boolean(),
});
type CompanyRow = z.infer<typeof CompanyRow>;

const Found = z.object({
  companyId: z.string(),
  company: z.string(),
  secretKey: z.string(),
  version: z.int(),
  current: z.boolean(),
  removed: z.boolean(),
});

interface Parts {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly companyKeys: CompanyKeys;
  /** Values are searched at home: copies have no fingerprints. */
  readonly ownRegion: string;
}

export function createValueSearch({ operations, companies, companyKeys, ownRegion }: Parts): SearchValues {
  /** A value's fingerprints under a company's keys, or why they cannot be computed. */
  const fingerprints = async (
    company: CompanyRow,
    value: Buffer,
  ): Promise<readonly string[] | "keysDestroyed" | "keysUnavailable" | "suspended"> => {
    if (company.suspended) return "suspended";
    if (company.destroyed && company.living.length === 0) return "keysDestroyed";
    try {
      const keys = company.living.map((keyVersion) =>
        companyKeys.forDecryption(companyIdOf(company), keyVersion),
      );
      return (await Promise.all(keys)).map((key) => fingerprint(key, value));
    } catch (error) {
      const code = error instanceof TenantSecretsError ? error.code : undefined;
      if (code === "KEY_DESTROYED") return "keysDestroyed";
      if (code === "KEY_UNAVAILABLE" || code === "INTEGRITY_FAILURE") return "keysUnavailable";
      throw error;
    }
  };

  const search = async (across: Across, value: Buffer, companyId: string | undefined): Promise<Findings> => {
    const findings: Findings = {
      found: [],
      searched: 0,
      partly: 0,
      notSearched: { inInfisical: 0, keysDestroyed: 0, keysUnavailable: 0, suspended: 0 },
    };
    let after: string | undefined;
    for (;;) {
      const batch = await selectCompanies(across, ownRegion, { companyId, after });
      after = batch.at(-1)?.id;
      if (after === undefined) return findings;
      const wanted: { id: string; fingerprint: string }[] = [];
      for (let start = 0; start < batch.length; start += maxConcurrentCompanies) {
        const some = batch.slice(start, start + maxConcurrentCompanies);
        const results = await Promise.all(some.map((company) => fingerprints(company, value)));
        for (const [index, company] of some.entries()) {
          const result = results[index] ?? "keysUnavailable";
          if (typeof result === "string") findings.notSearched[result] += 1;
          else {
            // Rows left in the database by a company on Infisical are searched too, but the company is not reported as
            // searched.
            if (company.secretStore === "infisical") findings.notSearched.inInfisical += 1;
            else findings.searched += 1;
            if (company.secretStore === "hybrid") findings.partly += 1;
            wanted.push(...result.map((each) => ({ id: company.id, fingerprint: each })));
          }
        }
        await yieldToOthers();
      }
      findings.found.push(...(await selectVersions(across, wanted)));
      if (findings.found.length > mostMatches) return findings;
    }
  };

  return async (caller, text, subdomain) => {
    const asked = { caller, action: "secret.search", verb: "search" } as const;
    const company = subdomain === undefined ? undefined : (await companies.resolve(asked, subdomain)).company;
    const to = company === undefined ? "search in every company" : "search for values";
    return operations.read({ ...asked, company, to }, async (across) => {
      const plaintext = Plaintext.fromText(text);
      try {
        checkSearched(text, plaintext.bytes.length);
        const { found, ...counts } = await search(across, plaintext.bytes, company?.id);
        const shown = found.slice(0, mostMatches);
        const matches = shown.map(({ companyId: _id, ...match }) => match);
        const events = shown.map(({ companyId, secretKey, version }) => ({ companyId, secretKey, version }));
        return audited({ ...counts, matches, complete: shown.length === found.length }, [{}, ...events]);
      } finally {
        plaintext.wipe();
      }
    });
  };
}

interface Findings extends Pick<ValueSearch, "notSearched"> {
  readonly found: z.infer<typeof Found>[];
  searched: number;
  partly: number;
  readonly notSearched: {
    inInfisical: number;
    keysDestroyed: number;
    keysUnavailable: number;
    suspended: number;
  };
}

/** The next batch of companies at home here by id, or one company. */
async function selectCompanies(
  across: Across,
  ownRegion: string,
  { companyId, after }: { readonly companyId: string | undefined; readonly after: string | undefined },
): Promise<CompanyRow[]> {
  const { companies, companyKeys } = tables;
  const alone = companyId === undefined ? sql`true` : sql`c.id = ${companyId}`;
  const beyond = after === undefined ? sql`true` : sql`c.id > ${after}`;
  const rows = await across((statements) =>
    statements.execute(sql`
        select c.id, c.subdomain, c.secret_store as "secretStore", c.status = 'suspended' as suspended,
          array(select k.key_version from ${companyKeys} k where k.company_id = c.id and k.status <> 'destroyed') as living,
          exists (select from ${companyKeys} k where k.company_id = c.id and k.status = 'destroyed') as destroyed
        from ${companies} c where c.home_region = ${ownRegion} and ${alone} and ${beyond} order by c.id limit ${batchSize}`),
  );
  return z.array(CompanyRow).parse(Array.from(rows));
}

async function selectVersions(
  across: Across,
  wanted: readonly { readonly id: string; readonly fingerprint: string }[],
): Promise<z.infer<typeof Found>[]> {
  const { companies, companySecrets, companySecretVersions } = tables;
  const rows = await across((statements) =>
    statements.execute(sql`
        select c.id as "companyId", c.subdomain as company, v.secret_key as "secretKey", v.version,
          v.version = h.current_version and c.secret_store <> 'infisical' as current, h.deleted_at is not null as removed
        from json_to_recordset(${JSON.stringify(wanted)}::json) as w (id uuid, fingerprint text)
        join ${companySecretVersions} v on v.company_id = w.id and v.fingerprint = w.fingerprint
        join ${companySecrets} h on h.company_id = v.company_id and h.secret_key = v.secret_key
        join ${companies} c on c.id = w.id
        order by c.subdomain, v.secret_key, v.version limit ${mostMatches + 1}`),
  );
  return z.array(Found).parse(Array.from(rows));
}

function checkSearched(text: string, bytes: number): void {
  if (text !== "" && bytes <= maxValueBytes && text.isWellFormed()) return;
  throw new TenantSecretsError(
    "INVALID_VALUE",
    `The value to search for cannot be a stored value: it must have 1 to ${maxValueBytes} bytes of well-formed text.`,
  );
}
