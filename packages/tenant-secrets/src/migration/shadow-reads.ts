import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, isNull, or, sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { type Database, tables } from "@repo/db";
import type { BulkClient, InfisicalClient } from "@repo/infisical";
import type { ShadowReads as Counts } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import { createCounters } from "../access/counters.ts";
import type { Company } from "../companies/companies.ts";
import type { DatabaseStore } from "../stores/database/port.ts";
import { isEncryptionOf, type EncryptedSecret } from "../stores/encrypted-secret.ts";
import { mapInfisicalErrors } from "../stores/infisical/infisical-errors.ts";
import { pathOf } from "./bulk-folders.ts";

const { companySecrets, companyStores, folderEntries, shadowReads } = tables;

/**
 * Compares some of the values that are served from the database with the company's folder in Infisical, where both should be equal:
 * after the answer, and with no effect on it.
 */
export interface ShadowReads {
  /** Told of a value that was served. Returns at once, and never throws. */
  readonly served: (company: Company, secretKey: string) => void;
  /** What this process has found. */
  measure(): Counts;
  /** From now on served values are compared, until `stop`, which stores what was found. */
  start(): void;
  stop(): Promise<void>;
}

interface Parts {
  readonly database: Database;
  readonly databaseStore: Pick<DatabaseStore, "find">;
  readonly infisical: Pick<InfisicalClient, "bulk">;
  /** The part of served values that are compared, from 0 to 1. */
  readonly sample: number;
  /** How long a difference is waited for to pass, in milliseconds: a write may be under way. Default: 5,000 */
  readonly againMs?: number | undefined;
}

type Outcome = keyof Counts;

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
/** Of all processes together. */
const mostPerMinute = 10;
const flushMs = minuteMs;

export function createShadowReads(parts: Parts): ShadowReads {
  const { database, databaseStore, infisical, sample, againMs = 5000 } = parts;
  const counters = createCounters(database);
  /** Secrets that were compared within the hour, by this process. */
  const recent = new LRUCache<string, true>({ max: 10_000, ttl: hourMs });
  const total: Record<Outcome, number> = { equal: 0, differs: 0, missing: 0, failed: 0 };
  const unstored = new Map<string, Unstored>();
  let stopping: AbortController | undefined;
  let flushing: NodeJS.Timeout | undefined;
  let client: BulkClient | undefined;
  /** Until then, the minute's comparisons are used up. */
  let opensAt = -Infinity;

  /** @returns undefined where the two need not be equal, or the secret has changed meanwhile */
  const look = async (company: Company, secretKey: string): Promise<Look | undefined> => {
    const version = await findExpected(database, company, secretKey);
    const here = version === undefined ? undefined : await databaseStore.find(company, secretKey);
    if (here === undefined || here.version !== version) return undefined;
    client ??= infisical.bulk();
    const bulk = client;
    const there = await mapInfisicalErrors(() => bulk.findSecret(pathOf(company), secretKey));
    if (there === undefined) return { version, outcome: "missing" };
    return { version, outcome: isValue(here, there.value) ? "equal" : "differs" };
  };

  /** A difference counts when it is still there after a while. */
  const compare = async (
    company: Company,
    secretKey: string,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> => {
    const first = await look(company, secretKey);
    if (first === undefined || first.outcome === "equal") return first?.outcome;
    await sleep(againMs, undefined, { signal, ref: false });
    const second = await look(company, secretKey);
    return second?.version === first.version ? second.outcome : undefined;
  };

  const isAdmitted = async (name: string): Promise<boolean> => {
    const ofAll = await counters.add("shadow reads", minuteMs);
    if (ofAll.points > mostPerMinute) {
      opensAt = performance.now() + ofAll.endsInMs;
      recent.delete(name);
      return false;
    }
    const { points } = await counters.add(`shadow ${name}`, hourMs);
    return points === 1;
  };

  const count = ({ id, storeEpoch }: Company, outcome: Outcome): void => {
    total[outcome] += 1;
    const known = unstored.get(id);
    const counts =
      known?.storeEpoch === storeEpoch ? known : { storeEpoch, equal: 0, differs: 0, missing: 0, failed: 0 };
    counts[outcome] += 1;
    unstored.set(id, counts);
  };

  const run = async (company: Company, secretKey: string, signal: AbortSignal): Promise<void> => {
    try {
      const outcome = (await isAdmitted(`${company.id} ${secretKey}`))
        ? await compare(company, secretKey, signal)
        : undefined;
      if (outcome !== undefined) count(company, outcome);
    } catch {
      if (!signal.aborted) count(company, "failed");
    }
  };

  const flush = async (): Promise<void> => {
    const stored = [...unstored];
    unstored.clear();
    try {
      await storeCounts(database, stored);
    } catch {
      // For the next time, unless another store counts by then.
      for (const [id, counts] of stored) if (!unstored.has(id)) unstored.set(id, counts);
    }
  };

  return {
    served: (company, secretKey) => {
      if (stopping === undefined || company.secretStore === "infisical" || Math.random() >= sample) return;
      const name = `${company.id} ${secretKey}`;
      if (recent.has(name) || performance.now() < opensAt) return;
      recent.set(name, true);
      const { signal } = stopping;
      // After what is under way: the answer goes out first.
      setImmediate(() => void run(company, secretKey, signal));
    },
    measure: () => ({ ...total }),
    start: () => {
      if (sample === 0) return;
      stopping = new AbortController();
      flushing = setInterval(() => void flush(), flushMs).unref();
    },
    stop: async () => {
      clearInterval(flushing);
      stopping?.abort();
      stopping = undefined;
      await flush();
    },
  };
}

interface Look {
  readonly version: number;
  readonly outcome: Exclude<Outcome, "failed">;
}

interface Unstored extends Record<Outcome, number> {
  readonly storeEpoch: number;
}

/**
 * The version of a secret that the folder should have too: proven equal by the ledger, or a copy that was not written here since.
 *
 * @returns undefined if it need not, and where there is no folder
 */
async function findExpected(
  database: Database,
  { id: companyId }: Company,
  secretKey: string,
): Promise<number | undefined> {
  const isProven = and(
    eq(folderEntries.syncedVersion, companySecrets.currentVersion),
    sql`${folderEntries.outsideId} is not null`,
    isNull(folderEntries.finding),
    eq(folderEntries.isBeingWritten, false),
  );
  const [row] = await database.inCompany(companyId, (statements) =>
    statements
      .select({ version: companySecrets.currentVersion })
      .from(companySecrets)
      .leftJoin(companyStores, eq(companyStores.companyId, companySecrets.companyId))
      .leftJoin(
        folderEntries,
        and(
          eq(folderEntries.companyId, companySecrets.companyId),
          eq(folderEntries.secretKey, companySecrets.secretKey),
        ),
      )
      .where(
        and(
          eq(companySecrets.companyId, companyId),
          eq(companySecrets.secretKey, secretKey),
          isNull(companySecrets.deletedAt),
          isNull(companyStores.cleanedAt),
          or(isProven, eq(companySecrets.origin, "infisical")),
        ),
      ),
  );
  return row?.version ?? undefined;
}

/** In constant time. */
function isValue(here: EncryptedSecret, text: string): boolean {
  if (!text.isWellFormed()) return false;
  const plaintext = Plaintext.fromText(text);
  try {
    return isEncryptionOf(here, plaintext);
  } finally {
    plaintext.wipe();
  }
}

/** Adds to the counts of each company, which begin again with a change of its store. */
async function storeCounts(
  database: Database,
  counts: readonly (readonly [string, Unstored])[],
): Promise<void> {
  if (counts.length === 0) return;
  const added = (name: Outcome) =>
    sql`case when ${shadowReads.storeEpoch} = excluded.store_epoch then ${shadowReads[name]} else 0 end + excluded.${sql.identifier(name)}`;
  await database.acrossCompanies((statements) =>
    statements
      .insert(shadowReads)
      .values(counts.map(([companyId, each]) => ({ companyId, ...each })))
      .onConflictDoUpdate({
        target: shadowReads.companyId,
        set: {
          storeEpoch: sql`excluded.store_epoch`,
          equal: added("equal"),
          differs: added("differs"),
          missing: added("missing"),
          failed: added("failed"),
          updatedAt: sql`now()`,
        },
        // A process that does not know of the change yet.
        setWhere: sql`${shadowReads.storeEpoch} <= excluded.store_epoch`,
      }),
  );
}
