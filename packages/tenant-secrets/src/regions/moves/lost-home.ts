import { and, eq, sql } from "drizzle-orm";
import { type Database, type Statements, tables } from "@repo/db";
import { type CopiedSecretRow, listCopiedSecrets } from "@repo/db/regions";
import { type Catalog, type CompanyId, lastFourOf, TenantSecretsError } from "@repo/catalog";
import {
  type CompanyKey,
  decryptValue,
  deriveCompanyKey,
  encryptValue,
  fingerprint,
  headMac,
  isGenuineHead,
  Plaintext,
} from "@repo/envelope";
import type { CopiedKey } from "../../access/signed-copies.ts";
import type { ActorColumns } from "../../access/request-ids.ts";

const { companySecrets, companySecretVersions, regionCopies } = tables;

/** What a region has of a company whose home is lost: the current value of each secret. */
export interface SavedCompany {
  /** What has arrived, so that a change since it was read is noticed. */
  readonly state: string;
  readonly secrets: readonly SavedSecret[];
  /** Secrets whose copies do not open. */
  readonly unreadable: readonly string[];
  /** The latest state of each secret that has arrived, by its revision at the lost home. */
  readonly revisions: Readonly<Record<string, string>>;
}

interface SavedSecret {
  readonly head: typeof companySecrets.$inferInsert;
  readonly version: typeof companySecretVersions.$inferInsert;
}

interface Saving {
  readonly companyId: CompanyId;
  readonly from: { readonly region: string; readonly epoch: number };
  /** The newest first. */
  readonly keys: readonly CopiedKey[];
  readonly maker: ActorColumns;
}

/**
 * Reads what has arrived here of a company, and makes it what a home stores: all under the newest key, each current value as the only
 * version that is known. A secret whose copy does not open is left out and named.
 */
export async function readSaved(
  { database, catalog, ownRegion }: Reading,
  { companyId, from, keys: secrets, maker }: Saving,
): Promise<SavedCompany> {
  const { state, revisions } = await database.acrossCompanies((statements) =>
    readState(statements, ownRegion, { companyId, from }),
  );
  const keys = secrets.map(({ keyVersion, secret }) =>
    deriveCompanyKey(Buffer.from(secret), companyId, keyVersion),
  );
  const copies = await listCopiedSecrets(database, ownRegion, companyId);
  const saved = copies.map((copy) => ({ copy, secret: savedSecretOf(copy, { keys, catalog, from, maker }) }));
  return {
    state,
    revisions,
    secrets: saved.flatMap(({ secret }) => secret ?? []),
    unreadable: saved.filter(({ secret }) => secret === undefined).map(({ copy }) => copy.secretKey),
  };
}

interface Reading {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly ownRegion: string;
}

/**
 * @param saved what was read before this transaction
 * @throws {TenantSecretsError} CONFLICT where something has arrived since
 */
export async function writeSaved(
  statements: Statements,
  ownRegion: string,
  { companyId, from, saved }: Pick<Saving, "companyId" | "from"> & { readonly saved: SavedCompany },
): Promise<void> {
  const { state } = await readState(statements, ownRegion, { companyId, from });
  if (state !== saved.state)
    throw new TenantSecretsError(
      "CONFLICT",
      "The lost home is still sending: a copy has arrived just now. Move the company as planned if its home answers; else cut it off, and try again.",
    );
  for (let at = 0; at < saved.secrets.length; at += rowsOfStatement) {
    const some = saved.secrets.slice(at, at + rowsOfStatement);
    await statements.insert(companySecrets).values(some.map(({ head }) => head));
    await statements.insert(companySecretVersions).values(some.map(({ version }) => version));
  }
}

const rowsOfStatement = 200;

async function readState(
  statements: Statements,
  ownRegion: string,
  { companyId, from }: Pick<Saving, "companyId" | "from">,
): Promise<Pick<SavedCompany, "state" | "revisions">> {
  const rows = await statements
    .select({
      kind: regionCopies.kind,
      name: regionCopies.name,
      revision: sql<string>`${regionCopies.revision}::text`,
    })
    .from(regionCopies)
    .where(
      and(
        eq(regionCopies.targetRegion, ownRegion),
        eq(regionCopies.companyId, companyId),
        eq(regionCopies.homeRegion, from.region),
        eq(regionCopies.homeEpoch, from.epoch),
      ),
    )
    .orderBy(regionCopies.kind, regionCopies.name);
  const secrets = rows.filter(({ kind }) => kind === "secret");
  return {
    state: JSON.stringify(rows.map(({ kind, name, revision }) => [kind, name, revision])),
    revisions: Object.fromEntries(secrets.map(({ name, revision }) => [name, revision])),
  };
}

interface Parts {
  readonly keys: readonly CompanyKey[];
  readonly catalog: Catalog;
  readonly from: Saving["from"];
  readonly maker: ActorColumns;
}

/** @returns undefined where the copy is not as its home made it */
function savedSecretOf(
  { companyId, secretKey, head }: CopiedSecretRow,
  { keys, catalog, from, maker }: Parts,
): SavedSecret | undefined {
  const [newest] = keys;
  const macKey = keys.find(({ keyVersion }) => keyVersion === head?.macKeyVersion);
  const opening = keys.find(({ keyVersion }) => keyVersion === head?.companyKeyVersion);
  const { currentVersion: version, encrypted } = head ?? {};
  const isWhole = head !== undefined && newest !== undefined && macKey !== undefined && opening !== undefined;
  if (!isWhole || version == null || encrypted == null || !isGenuineHead(macKey, head, head))
    return undefined;
  let plaintext: Plaintext;
  try {
    const place = { companyId, secretKey, version, companyKeyVersion: opening.keyVersion };
    plaintext = new Plaintext(decryptValue(opening.valueKey, place, encrypted));
  } catch {
    return undefined;
  }
  try {
    const place = { companyId, secretKey, version, companyKeyVersion: newest.keyVersion };
    const { lastVersion, origin, expiresAtMs } = head;
    const known = { companyId, secretKey, currentVersion: version, lastVersion, origin };
    // Other versions are at the lost home alone.
    const others = { pendingVersion: null, graceWindows: null, canary: null };
    const state = { ...known, ...others, expiresAtMs, removed: false, recoverUntilMs: null, purged: false };
    const expiresAt = expiresAtMs === null ? null : new Date(expiresAtMs);
    const entry = catalog.find(secretKey);
    return {
      head: {
        ...known,
        expiresAt,
        secretValueEncrypted: encryptValue(newest.valueKey, place, plaintext.bytes),
        companyKeyVersion: newest.keyVersion,
        macKeyVersion: newest.keyVersion,
        mac: headMac(newest, state),
      },
      version: {
        companyId,
        secretKey,
        version,
        expiresAt,
        ...maker,
        fingerprint: fingerprint(newest, plaintext.bytes),
        lastFour: entry === undefined ? null : (lastFourOf(entry, plaintext.reveal()) ?? null),
        note: `Taken over from region ${from.region}, which was lost.`,
      },
    };
  } finally {
    plaintext.wipe();
  }
}
