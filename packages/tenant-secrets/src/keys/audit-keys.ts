import { createPublicKey, createSecretKey, randomBytes } from "node:crypto";
import { and, desc, eq } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import type { AuditKey, SigningKey } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import {
  ed25519KeyOf,
  ed25519PublicBytes,
  type KeyPlace,
  type MasterKey,
  toBase64url,
  unwrapKey,
  type WebhookKey,
  wrapKey,
  x25519KeyOf,
  x25519PublicBytes,
} from "@repo/envelope";
import { ringWith, wrapping } from "./company/company-keys.ts";
import { audited, type Audited, type Transaction } from "../access/operation.ts";
import type { MasterKeys } from "./master/master-keys.ts";

type Purpose = "mac" | "signing" | "row" | "webhook" | "transport" | "copies";

/** Loads the audit log's active key, or one by its version. Each is loaded once. */
export interface AuditKeys {
  (keyVersion?: number): Promise<AuditKey>;
  /** Forgets which key is active: another process may have rotated it. */
  invalidate(): void;
}

/**
 * The MAC keys of the audit log: random and wrapped like a company's, so that old events stay verifiable after the master key
 * ends. The first is created on first use. Concurrent callers share one load, and a failed one is not cached.
 */
export function createAuditKeys(database: Database, masterKeys: MasterKeys): AuditKeys {
  const load = createKeyLoader(database, masterKeys, { purpose: "mac", build: macKeyOf });
  const loading = new Map<number | undefined, Promise<AuditKey>>();
  const loadOnce = (keyVersion?: number): Promise<AuditKey> => {
    const known = loading.get(keyVersion);
    if (known !== undefined) return known;
    const key = load(keyVersion);
    loading.set(keyVersion, key);
    key.catch(() => {
      if (loading.get(keyVersion) === key) loading.delete(keyVersion);
    });
    return key;
  };
  return Object.assign(loadOnce, {
    invalidate: () => {
      loading.delete(undefined);
    },
  });
}

/**
 * Rotates the key of a purpose, unless the active one was made after `madeUntil` or there is none. The old key stays, retired
 * and wrapped, to verify existing MACs and signatures; the row key is retiring until no row has a MAC under it.
 */
export async function rotateAuditKey(
  masterKeys: MasterKeys,
  purpose: Purpose,
  { madeUntil, action, commit }: KeyReplacement,
): Promise<void> {
  const { auditKeys } = tables;
  await wrapping(masterKeys, ({ active }) =>
    commit(async ({ statements }) => {
      const [current] = await statements
        .select()
        .from(auditKeys)
        .where(and(eq(auditKeys.purpose, purpose), eq(auditKeys.status, "active")))
        .for("update");
      if (current === undefined || current.createdAt > madeUntil) return audited(undefined, []);
      const keyVersion = current.keyVersion + 1;
      await statements
        .update(auditKeys)
        // The rows first get MACs under the new key (row-key-change.ts).
        .set({ status: purpose === "row" ? "retiring" : "retired" })
        .where(and(eq(auditKeys.purpose, purpose), eq(auditKeys.keyVersion, current.keyVersion)));
      await insertKey(statements, active, { purpose, keyVersion });
      return audited(undefined, { action, version: keyVersion });
    }),
  );
}

export interface KeyReplacement {
  /** A key made after this time stays active. */
  readonly madeUntil: Date;
  /** The action of the new key's event. */
  readonly action: "key.rotate-audit" | "key.rotate-rows" | "key.rotate-region";
  /** Of the steps of an operation. */
  readonly commit: <T>(
    work: (transaction: Pick<Transaction, "statements">) => Promise<Audited<T>>,
  ) => Promise<T>;
}

/**
 * The pairs that sign receipts. Private halves are wrapped as the keys of the MACs are.
 *
 * @returns a function that loads the pair in use, made on first use, or the one of a number
 */
export function createSigningKeys(
  database: Database,
  masterKeys: MasterKeys,
): (keyVersion?: number) => Promise<SigningKey> {
  return createKeyLoader(database, masterKeys, { purpose: "signing", build: signingKeyOf });
}

/** The keys that those of webhook endpoints are derived from. @returns as `createSigningKeys` */
export function createWebhookKeys(
  database: Database,
  masterKeys: MasterKeys,
): (keyVersion?: number) => Promise<WebhookKey> {
  return createKeyLoader(database, masterKeys, { purpose: "webhook", build: webhookKeyOf });
}

/** @returns a function that loads the active key of a purpose, made on first use, or the one of a version */
export function createKeyLoader<K>(
  database: Database,
  masterKeys: MasterKeys,
  { purpose, build }: Pick<WantedAuditKey<K>, "purpose" | "build">,
): (keyVersion?: number) => Promise<K> {
  return async (keyVersion) => {
    const find = () => findAuditKey(database, masterKeys, { purpose, keyVersion, build });
    const found = await find();
    if (found !== undefined) return found;
    if (keyVersion === undefined) await makeFirstAuditKey(database, masterKeys, purpose);
    const made = await find();
    if (made === undefined)
      throw new TenantSecretsError("KEY_UNAVAILABLE", `There is no such ${purpose} key.`);
    return made;
  };
}

export interface WantedAuditKey<K> {
  readonly purpose: Purpose;
  /** undefined: the active one */
  readonly keyVersion: number | undefined;
  /** Builds the key from its bytes, which are zeroed afterwards. */
  readonly build: (keyVersion: number, secret: Buffer) => K;
}

/**
 * @returns undefined if there is no such key, or no wrap of it in this region
 * @throws {TenantSecretsError} INTEGRITY_FAILURE if its wrap does not decrypt, and the errors of loading master keys
 */
export async function findAuditKey<K>(
  database: Database,
  masterKeys: MasterKeys,
  { purpose, keyVersion, build }: WantedAuditKey<K>,
): Promise<K | undefined> {
  const { auditKeys, auditKeyWraps } = tables;
  const [row] = await database.acrossCompanies((statements) =>
    statements
      .select({
        keyVersion: auditKeys.keyVersion,
        wrapped: auditKeyWraps.wrapped,
        masterKeyVersion: auditKeyWraps.masterKeyVersion,
      })
      .from(auditKeys)
      .innerJoin(
        auditKeyWraps,
        and(eq(auditKeyWraps.purpose, auditKeys.purpose), eq(auditKeyWraps.keyVersion, auditKeys.keyVersion)),
      )
      .where(
        and(
          eq(auditKeys.purpose, purpose),
          keyVersion === undefined ? eq(auditKeys.status, "active") : eq(auditKeys.keyVersion, keyVersion),
          eq(auditKeyWraps.region, masterKeys.region),
        ),
      )
      .orderBy(desc(auditKeyWraps.masterKeyVersion))
      .limit(1),
  );
  if (row === undefined) return undefined;
  const place = placeOf(purpose, row.keyVersion, {
    region: masterKeys.region,
    masterKeyVersion: row.masterKeyVersion,
  });
  const ring = await ringWith(masterKeys, row.masterKeyVersion);
  const secret = unwrapKey(ring.get(row.masterKeyVersion).wrappingKey, place, row.wrapped);
  try {
    return build(row.keyVersion, secret);
  } finally {
    secret.fill(0);
  }
}

/** Creates the first key of a purpose, unless another process just did. */
export async function makeFirstAuditKey(
  database: Database,
  masterKeys: MasterKeys,
  purpose: Purpose,
): Promise<void> {
  await wrapping(masterKeys, ({ active }) =>
    database.acrossCompanies((statements) => insertKey(statements, active, { purpose, keyVersion: 1 })),
  );
}

/** Creates the active key with a given version, unless it exists. */
async function insertKey(
  statements: Statements,
  active: MasterKey,
  { purpose, keyVersion }: { readonly purpose: Purpose; readonly keyVersion: number },
): Promise<void> {
  const secret = randomBytes(32);
  const wrapped = wrapKey(
    active.wrappingKey,
    placeOf(purpose, keyVersion, { region: active.region, masterKeyVersion: active.version }),
    secret,
  );
  const publicKey = publicKeyOf(purpose, keyVersion, secret);
  secret.fill(0);
  const made = await statements
    .insert(tables.auditKeys)
    .values({ purpose, keyVersion, status: "active", publicKey })
    .onConflictDoNothing()
    .returning({ keyVersion: tables.auditKeys.keyVersion });
  if (made.length === 0) return;
  await statements
    .insert(tables.auditKeyWraps)
    .values({ purpose, keyVersion, region: active.region, masterKeyVersion: active.version, wrapped });
}

/** What is stored of a pair in the clear. */
function publicKeyOf(purpose: Purpose, keyVersion: number, secret: Buffer): string | null {
  switch (purpose) {
    case "signing":
      return signingKeyOf(keyVersion, secret).publicKey;
    case "transport":
      return toBase64url(x25519PublicBytes(x25519KeyOf(secret)));
    case "copies":
      return toBase64url(ed25519PublicBytes(ed25519KeyOf(secret)));
    default:
      return null;
  }
}

function macKeyOf(keyVersion: number, secret: Buffer): AuditKey {
  return { keyVersion, macKey: createSecretKey(secret) };
}

function webhookKeyOf(keyVersion: number, secret: Buffer): WebhookKey {
  return { keyVersion, root: createSecretKey(secret) };
}

function signingKeyOf(keyVersion: number, seed: Buffer): SigningKey {
  const privateKey = ed25519KeyOf(seed);
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString();
  return { keyVersion, privateKey, publicKey };
}

function placeOf(
  purpose: Purpose,
  keyVersion: number,
  { region, masterKeyVersion }: { readonly region: string; readonly masterKeyVersion: number },
): KeyPlace {
  return { kind: "audit-key", owner: purpose, keyVersion, region, masterKeyVersion };
}
