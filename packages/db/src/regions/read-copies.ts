import type postgres from "postgres";
import { z } from "zod";
import { arrayText } from "../array-text.ts";
import type { Database } from "../connect.ts";
import { createSecretReads, inOrder, type SecretHeadRow, type WantedSecret } from "../secret-heads.ts";

/** A copy of a secret that its home has sent here. */
export interface CopiedSecretRow {
  readonly companyId: string;
  readonly secretKey: string;
  readonly homeRegion: string;
  readonly homeEpoch: number;
  /** The head as it is at home; undefined where the body has another form. Its MAC is not checked yet. */
  readonly head: SecretHeadRow | undefined;
  /** Of the head, in milliseconds of Unix time, as its home's lists show them; undefined as `head` is. No MAC is over them. */
  readonly times: { readonly createdAtMs: number; readonly updatedAtMs: number } | undefined;
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
  createdAtMs: z.number(),
  updatedAtMs: z.number(),
});

interface StoredCopy extends Omit<CopiedSecretRow, "head" | "times"> {
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
  wanted: readonly WantedSecret[],
): Promise<readonly CopiedSecretRow[]> {
  const rows = await database.outsideCompanies((sql) => {
    const [first, ...others] = wanted;
    return first !== undefined && others.length === 0
      ? selectOne(sql, ownRegion, first)
      : selectSeveral(sql, ownRegion, wanted);
  });
  return rows.map(copyOf);
}

/** Reads copies one by one, as `createSecretReads` does: many that are asked for at once share a statement. */
export function createCopiedSecrets(
  database: Database,
  ownRegion: string,
): (companyId: string, secretKey: string) => Promise<CopiedSecretRow | undefined> {
  return createSecretReads(database, async (wanted) =>
    inOrder(wanted, await readCopiedSecrets(database, ownRegion, wanted)),
  );
}

/**
 * All copies of a company's secrets, by secret key.
 *
 * @returns as `readCopiedSecrets`
 * @throws {DatabaseError}
 */
export async function listCopiedSecrets(
  database: Database,
  ownRegion: string,
  companyId: string,
): Promise<readonly CopiedSecretRow[]> {
  const rows = await database.outsideCompanies(
    (sql) => sql<StoredCopy[]>`select * from list_copies(${ownRegion}, ${companyId}) order by "secretKey"`,
  );
  return rows.map(copyOf);
}

/** When a home last wrote to this region, by its clock, in milliseconds of Unix time. @returns undefined where no beat has arrived */
export async function readBeat(
  database: Database,
  ownRegion: string,
  homeRegion: string,
): Promise<number | undefined> {
  const [row] = await database.outsideCompanies(
    (sql) => sql<{ at: number | null }[]>`select read_beat(${ownRegion}, ${homeRegion}) as at`,
  );
  return row?.at ?? undefined;
}

function copyOf({ body, ...row }: StoredCopy): CopiedSecretRow {
  return { ...row, ...contentOf(row, body) };
}

async function selectOne(sql: postgres.Sql, ownRegion: string, { companyId, secretKey }: WantedSecret) {
  const rows = await sql<(StoredCopy | { readonly companyId: null })[]>`
    select * from read_copy(${ownRegion}, ${companyId}, ${secretKey})`;
  return rows.filter((row) => row.companyId !== null);
}

function selectSeveral(
  sql: postgres.Sql,
  ownRegion: string,
  wanted: readonly WantedSecret[],
): Promise<readonly StoredCopy[]> {
  const companies = arrayText(wanted.map(({ companyId }) => companyId));
  const secretKeys = arrayText(wanted.map(({ secretKey }) => secretKey));
  return sql<StoredCopy[]>`
    select * from read_copies(${ownRegion}, ${companies}::text::uuid[], ${secretKeys}::text::text[])`;
}

/** @returns the head that the body of a copy has; undefined where it has another form. Its MAC is not checked */
export function copiedHeadOf(companyId: string, secretKey: string, body: string): SecretHeadRow | undefined {
  return contentOf({ companyId, secretKey }, body).head;
}

function contentOf(
  { companyId, secretKey }: WantedSecret,
  body: string,
): Pick<CopiedSecretRow, "head" | "times"> {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return unreadable;
  }
  const parsed = Body.safeParse(json);
  if (!parsed.success) return unreadable;
  const { format: _, createdAtMs, updatedAtMs, ...head } = parsed.data;
  return { head: { companyId, secretKey, ...head }, times: { createdAtMs, updatedAtMs } };
}

const unreadable = { head: undefined, times: undefined };
