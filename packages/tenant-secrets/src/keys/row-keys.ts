import { createSecretKey } from "node:crypto";
import { and, eq, ne } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { tables, type Database } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import type { RowKey } from "@repo/envelope";
import type { ActiveRowKeys, RowKeys } from "../access/authentic-rows.ts";
import { findAuditKey, makeFirstAuditKey } from "./audit-keys.ts";
import type { MasterKeys } from "./master/master-keys.ts";

const { auditKeys } = tables;

interface Ring extends ActiveRowKeys {
  /** By `performance.now()`. */
  readonly loadedAt: number;
}

/**
 * Milliseconds that the accepted keys are cached: after a lost notification, MACs under a replaced key are accepted for this
 * long.
 */
const cacheTtlMs = 300_000;
/** Milliseconds between two look-ups of an unknown key version, which a forged row can name at will. */
const unknownKeyTtlMs = 1000;

/**
 * The MAC keys of the rows that decide who may read: random, and wrapped like the audit log's. The first is created on first
 * use.
 */
export function createRowKeys(database: Database, masterKeys: MasterKeys): RowKeys {
  let loading: Promise<Ring> | undefined;
  const unknown = new LRUCache<number, true>({ max: 100, ttl: unknownKeyTtlMs });

  const readRing = async (): Promise<Ring | undefined> => {
    const rows = await database.acrossCompanies((statements) =>
      statements
        .select({ keyVersion: auditKeys.keyVersion, status: auditKeys.status })
        .from(auditKeys)
        .where(and(eq(auditKeys.purpose, "row"), ne(auditKeys.status, "retired"))),
    );
    const keys = await Promise.all(
      rows.map(({ keyVersion, status }) => {
        const key = findAuditKey(database, masterKeys, { purpose: "row", keyVersion, build: rowKeyOf });
        // A key that does not decrypt is skipped, unless it is the active one.
        return status === "active" ? key : key.catch(ifUnusable);
      }),
    );
    const accepted = new Map(
      keys.flatMap((key) => (key === undefined ? [] : [[key.keyVersion, key] as const])),
    );
    const active = accepted.get(rows.find(({ status }) => status === "active")?.keyVersion ?? 0);
    return active === undefined ? undefined : { loadedAt: performance.now(), active, accepted };
  };

  const load = async (): Promise<Ring> => {
    const found = await readRing();
    if (found !== undefined) return found;
    await makeFirstAuditKey(database, masterKeys, "row");
    const made = await readRing();
    if (made !== undefined) return made;
    throw new TenantSecretsError(
      "KEY_UNAVAILABLE",
      `The key of the rows that decide who may read has no wrap in region ${masterKeys.region}.`,
    );
  };

  const ring = async (): Promise<Ring> => {
    const known = (loading ??= load());
    try {
      const loaded = await known;
      if (performance.now() - loaded.loadedAt <= cacheTtlMs) return loaded;
    } catch (error) {
      if (loading === known) loading = undefined;
      throw error;
    }
    if (loading === known) loading = undefined;
    return ring();
  };

  const invalidate = (): void => {
    loading = undefined;
  };

  return {
    invalidate,
    load: ring,
    find: async (keyVersion) => {
      const known = (await ring()).accepted.get(keyVersion);
      if (known !== undefined || unknown.has(keyVersion)) return known;
      unknown.set(keyVersion, true);
      invalidate();
      return (await ring()).accepted.get(keyVersion);
    },
  };
}

/** Skips a key whose wrap does not decrypt, or is under an unavailable master key. */
function ifUnusable(error: unknown): undefined {
  const { code } = error instanceof TenantSecretsError ? error : {};
  if (code !== "INTEGRITY_FAILURE" && code !== "KEY_UNAVAILABLE") throw error;
}

function rowKeyOf(keyVersion: number, secret: Buffer): RowKey {
  return { keyVersion, macKey: createSecretKey(secret) };
}
