import { sql } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { arrayText, tables, type Database } from "@repo/db";
import type { CompanyId } from "@repo/catalog";

const { secretUses } = tables;

/** How long a secret that was noted is not noted again by this process. */
const sampledMs = 3_600_000;

/** How long uses are collected before they are written, all in one statement. */
const collectedMs = 1000;

/** When secrets were last used, sampled, so that a read does not become a write. */
export interface LastUsed {
  /** Neither waits nor throws. */
  touch(companyId: CompanyId, secretKey: string): void;
  /** Writes what was collected. A failure is counted, and what it was about is noted at its next use. Never rejects. */
  flush(): Promise<void>;
  /** How many times writing them has failed. */
  failures(): number;
}

interface Use {
  readonly companyId: CompanyId;
  readonly secretKey: string;
}

export function createLastUsed(database: Database): LastUsed {
  const noted = new LRUCache<string, true>({ max: 100_000, ttl: sampledMs });
  let collected: Use[] = [];
  let failures = 0;

  const flush = async (): Promise<void> => {
    const uses = collected;
    collected = [];
    if (uses.length === 0) return;
    try {
      await database.acrossCompanies((statements) =>
        // In one order, so that two processes never wait for each other.
        statements.execute(sql`
          insert into ${secretUses} (company_id, secret_key, last_used_at)
          select company_id, secret_key, now()
          from unnest(${arrayText(uses.map(({ companyId }) => companyId))}::text::uuid[],
            ${arrayText(uses.map(({ secretKey }) => secretKey))}::text::text[]) as u (company_id, secret_key)
          order by 1, 2
          on conflict (company_id, secret_key) do update set last_used_at = greatest(${secretUses}.last_used_at, excluded.last_used_at)`),
      );
    } catch {
      failures++;
      for (const use of uses) noted.delete(nameOf(use));
    }
  };

  return {
    touch: (companyId, secretKey) => {
      const name = nameOf({ companyId, secretKey });
      if (noted.has(name)) return;
      noted.set(name, true);
      if (collected.length === 0) setTimeout(() => void flush(), collectedMs).unref();
      collected.push({ companyId, secretKey });
    },
    flush,
    failures: () => failures,
  };
}

/** Ids have one length, so that two of these are never the same. */
function nameOf({ companyId, secretKey }: Use): string {
  return `${companyId} ${secretKey}`;
}
