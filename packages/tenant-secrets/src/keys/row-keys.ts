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

/** What a lost notification costs: how long a MAC may still count whose key was replaced. */
const keptMs = 300_000;
/** A row names the number of its key, and whoever made the row up makes us ask about it at most so often. */
const askedAgainAfterMs = 1000;

/**
 * The keys of the MACs of rows that decide who may read: random, and wrapped as the audit log's are. The first is made on first
 * use.
 */
export function createRowKeys(database: Database, masterKeys: MasterKeys): RowKeys {
  let loading: Promise<Ring> | undefined;
  const unknown = new LRUCache<number, true>({ max: 100, ttl: askedAgainAfterMs });

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
        // One that does not open has no MACs that count, and is no reason to do without the one in use.
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
      if (performance.now() - loaded.loadedAt <= keptMs) return loaded;
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

/** Its wrap does not open, or is under a master key that is not in use any more. */
function ifUnusable(error: unknown): undefined {
  const { code } = error instanceof TenantSecretsError ? error : {};
  if (code !== "INTEGRITY_FAILURE" && code !== "KEY_UNAVAILABLE") throw error;
}

function rowKeyOf(keyVersion: number, secret: Buffer): RowKey {
  return { keyVersion, macKey: createSecretKey(secret) };
}
