import { createSecretKey, randomBytes } from "node:crypto";
import { and, desc, eq } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import type { AuditKey } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { unwrapKey, wrapKey, type KeyPlace } from "../crypto/envelope.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { MasterKeys } from "./master-keys.ts";

const purpose = "mac";

/**
 * The key of the record's MACs: random and wrapped like a company's, so that the end of a master key leaves old events
 * verifiable. Made on first use.
 *
 * @returns a function that loads it once; callers at the same time share one load, and a failed one is forgotten
 */
export function createAuditKeys(database: Database, masterKeys: MasterKeys): () => Promise<AuditKey> {
  let loading: Promise<AuditKey> | undefined;
  const load = async (): Promise<AuditKey> => {
    const found = await findKey(database, masterKeys);
    if (found !== undefined) return found;
    await makeFirst(database, masterKeys);
    const made = await findKey(database, masterKeys);
    if (made === undefined) throw new TenantSecretsError("KEY_UNAVAILABLE", "The record has no key.");
    return made;
  };
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}

async function findKey(database: Database, masterKeys: MasterKeys): Promise<AuditKey | undefined> {
  const ring = await masterKeys.load();
  const { auditKeys, auditKeyWraps } = tables;
  const [row] = await onDatabase(() =>
    database.acrossCompanies((statements) =>
      statements
        .select({
          no: auditKeys.no,
          wrapped: auditKeyWraps.wrapped,
          masterKeyVersion: auditKeyWraps.masterKeyVersion,
        })
        .from(auditKeys)
        .innerJoin(
          auditKeyWraps,
          and(eq(auditKeyWraps.purpose, auditKeys.purpose), eq(auditKeyWraps.no, auditKeys.no)),
        )
        .where(
          and(
            eq(auditKeys.purpose, purpose),
            eq(auditKeys.status, "active"),
            eq(auditKeyWraps.region, masterKeys.region),
          ),
        )
        .orderBy(desc(auditKeyWraps.masterKeyVersion))
        .limit(1),
    ),
  );
  if (row === undefined) return undefined;
  const place = placeOf(row.no, masterKeys.region, row.masterKeyVersion);
  const secret = unwrapKey(ring.get(row.masterKeyVersion).wrappingKey, place, row.wrapped);
  try {
    return { no: row.no, macKey: createSecretKey(secret) };
  } finally {
    secret.fill(0);
  }
}

async function makeFirst(database: Database, masterKeys: MasterKeys): Promise<void> {
  const { active } = await masterKeys.load();
  const secret = randomBytes(32);
  const wrapped = wrapKey(active.wrappingKey, placeOf(1, active.region, active.version), secret);
  secret.fill(0);
  await onDatabase(() =>
    database.acrossCompanies(async (statements) => {
      const made = await statements
        .insert(tables.auditKeys)
        .values({ purpose, no: 1, status: "active" })
        .onConflictDoNothing()
        .returning({ no: tables.auditKeys.no });
      if (made.length === 0) return;
      await statements
        .insert(tables.auditKeyWraps)
        .values({ purpose, no: 1, region: active.region, masterKeyVersion: active.version, wrapped });
    }),
  );
}

function placeOf(no: number, region: string, masterKeyVersion: number): KeyPlace {
  return { kind: "audit-key", owner: purpose, no, region, masterKeyVersion };
}
