import type postgres from "postgres";
import { z } from "zod";
import { arrayText } from "../array-text.ts";
import type { Database } from "../connect.ts";
import type { SecretHeadRow } from "../secret-heads.ts";

/** A copy of a secret that its home has sent here. */
export interface CopiedSecretRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly homeRegion: string;
  readonly homeEpoch: number;
  /** The head as it is at home; undefined where the body has another form. Its MAC is not checked yet. */
  readonly head: SecretHeadRow | undefined;
  /** Up to when what is here is complete, by the home's clock, in milliseconds of Unix time; null where no beat has arrived. */
  readonly beatAtMs: number | null;
}

const Body = z.strictObject({
  format: z.literal(1),
  encrypted: z.string(),
  companyKeyVersion: z.int(),
  currentVersion: z.int(),
  pendingVersion: z.int().nullable(),
  lastVersion: z.int(),
  origin: z.enum(["written", "infisical", "legacy"]),
  removed: z.literal(false),
  expiresAtMs: z.int().nullable(),
  recoverUntilMs: z.int().nullable(),
  purged: z.boolean(),
  graceWindows: z.array(z.strictObject({ version: z.int(), until: z.string() })).nullable(),
  canary: z
    .strictObject({ version: z.int(), beside: z.int(), percent: z.number(), until: z.string() })
    .nullable(),
  macKeyVersion: z.int(),
  mac: z
    .string()
    .regex(/^(?:[0-9a-f]{2})*$/)
    .transform((text) => Buffer.from(text, "hex")),
});

type Wanted = Pick<SecretHeadRow, "companyId" | "secretKey">;

interface StoredCopy extends Omit<CopiedSecretRow, "head"> {
  readonly body: string;
}

/**
 * Reads copies of secrets of companies that are at home elsewhere, in one statement.
 *
 * @param ownRegion the region of this database
 * @param wanted at most 200, as many as one statement should have
 * @returns those that there are, in no order; none of a home that is not the company's any more
 * @throws {DatabaseError}
 */
export async function readCopiedSecrets(
  database: Database,
  ownRegion: string,
  wanted: readonly Wanted[],
): Promise<readonly CopiedSecretRow[]> {
  const rows = await database.outsideCompanies((sql) => {
    const [first, ...others] = wanted;
    return first !== undefined && others.length === 0
      ? selectOne(sql, ownRegion, first)
      : selectSeveral(sql, ownRegion, wanted);
  });
  return rows.map(({ body, ...row }) => ({ ...row, head: headOf(row, body) }));
}

async function selectOne(sql: postgres.Sql, ownRegion: string, { companyId, secretKey }: Wanted) {
  const rows = await sql<(StoredCopy | { readonly companyId: null })[]>`
    select * from read_copy(${ownRegion}, ${companyId}, ${secretKey})`;
  return rows.filter((row) => row.companyId !== null);
}

function selectSeveral(
  sql: postgres.Sql,
  ownRegion: string,
  wanted: readonly Wanted[],
): Promise<readonly StoredCopy[]> {
  const companies = arrayText(wanted.map(({ companyId }) => companyId));
  const secretKeys = arrayText(wanted.map(({ secretKey }) => secretKey));
  return sql<StoredCopy[]>`
    select * from read_copies(${ownRegion}, ${companies}::text::uuid[], ${secretKeys}::text::text[])`;
}

function headOf(
  { companyId, secretKey }: Pick<StoredCopy, "companyId" | "secretKey">,
  body: string,
): SecretHeadRow | undefined {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return undefined;
  }
  const parsed = Body.safeParse(json);
  if (!parsed.success) return undefined;
  const { format: _, ...head } = parsed.data;
  return { companyId, secretKey, ...head };
}
