import { setTimeout as sleep } from "node:timers/promises";
import type { Caller } from "@repo/tenant-secrets";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { populate } from "./population.ts";
import { startReader } from "./reading.ts";
import { percentile, row, type Row } from "./row.ts";

const companies = 10_000;
/** The reader has so many known companies, and reads each secret of theirs once, so that all its reads are cold. */
const known = 500;
const secretsOfEach = 20;
const operator: Caller = { actor: { kind: "operator", id: "bench" } };

/**
 * Re-wrapping and verifying the keys of 10,000 companies, against one bulk INSERT of as many wraps into the same table; and
 * what reads of another process notice of it.
 */
export async function benchKeys(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    await populate(deployment, { companies, secretsOfEach });
    const reader = await startReader(deployment, { companies: known, secretsOfEach });
    await sleep(6000);
    const times = await rotate(deployment);
    const samples = await reader.stop();

    const during = samples
      .filter(({ at }) => at >= times.rewrapAt && at <= times.verifiedAt)
      .map(({ ms }) => ms);
    const idle = samples.filter(({ at }) => at < times.startedAt).map(({ ms }) => ms);
    const wrapMs = times.verifiedAt - times.rewrapAt;
    console.log(
      `${companies} company keys: re-wrapped and verified in ${wrapMs.toFixed(0)} ms, bulk INSERT ${times.insertMs.toFixed(0)} ms; ` +
        `reads p99 ${percentile(idle, 0.99).toFixed(2)} ms idle (${idle.length}), ${percentile(during, 0.99).toFixed(2)} ms meanwhile (${during.length})`,
    );
    return [
      row({
        name: "keys.rewrap",
        what: `re-wrapping and verifying ${companies} company keys`,
        against: "one bulk INSERT of as many wraps",
        ratio: wrapMs / times.insertMs,
        target: 4,
      }),
      row({
        name: "keys.reads",
        what: "p99 of another process's cold reads meanwhile",
        against: "the same, idle",
        ratio: percentile(during, 0.99) / percentile(idle, 0.99),
        target: 2,
      }),
    ];
  } finally {
    await deployment.stop();
  }
}

interface Times {
  readonly startedAt: number;
  readonly rewrapAt: number;
  readonly verifiedAt: number;
  readonly insertMs: number;
}

async function rotate({ secrets, urls }: Deployment): Promise<Times> {
  const startedAt = Date.now();
  let [rewrapAt, verifiedAt, insertMs] = [0, 0, 0];
  await secrets.keyRotation.rotate(operator, {
    backup: () => Promise.resolve("bench"),
    onStep: async ([phase, done]) => {
      if (phase === "rewrap" && done === "begins") {
        insertMs = await bulkInsert(urls.maintenance);
        rewrapAt = Date.now();
      }
      if (phase === "verify" && done === "is done") verifiedAt = Date.now();
    },
  });
  return { startedAt, rewrapAt, verifiedAt, insertMs };
}

/** As many wraps as there are keys, in one statement, under the same triggers; undone instead of committed. */
async function bulkInsert(maintenanceUrl: string): Promise<number> {
  const sql = postgres(maintenanceUrl, { max: 1, onnotice: () => {} });
  const wraps = await sql<
    { companyId: string; wrapped: string }[]
  >`select company_id as "companyId", wrapped from company_key_wraps`;
  const companyIds = wraps.map(({ companyId }) => companyId);
  const texts = wraps.map(({ wrapped }) => wrapped);
  let ms = Number.NaN;
  await sql
    .begin(async (transaction) => {
      const startedAt = performance.now();
      await transaction`insert into company_key_wraps (company_id, key_version, region, master_key_version, wrapped)
        select company_id, 1, 'default', 2, wrapped from unnest(${companyIds}::uuid[], ${texts}::text[]) as w (company_id, wrapped)`;
      ms = performance.now() - startedAt;
      throw new Undone();
    })
    .catch((error: unknown) => {
      if (!(error instanceof Undone)) throw error;
    });
  await sql.end();
  return ms;
}

/** The rotation has to find the wraps missing. */
class Undone extends Error {}
