import { sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import type { AuditLog } from "@repo/audit-log";
import { systemCaller } from "@repo/catalog";
import type { Database, Statements } from "@repo/db";
import { daysAgo, type Retention } from "../access/retention.ts";
import type { Run } from "./run.ts";

/** Deletes runs that ended long ago, with what a migration found of each company. */
export interface RunPruning {
  /**
   * Each transaction deletes whole runs, with an event `run.prune` for each.
   *
   * @returns how many
   */
  prune(signal: AbortSignal): Promise<number>;
  /** The runs that are due, as rows with `since`; undefined where runs are kept for good. */
  due(days: number | null): SQL | undefined;
}

interface Parts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
  readonly retention: Pick<Retention, "agreed">;
}

/** Runs of one transaction, and the most companies of their migrations, if there is more than one of these. */
const mostRuns = 200;
const mostCompanies = 10_000;

const pruner = systemCaller("runs", { verbs: [], secretKeys: [] });

/** @param kinds all that this program knows: those of a later release are not its to delete */
export function createRunPruning(
  { database, audit, retention }: Parts,
  kinds: readonly Pick<Run<never, object, never>, "kind" | "isReceipt">[],
): RunPruning {
  const pruned = kinds.filter(({ isReceipt }) => isReceipt !== true).map(({ kind }) => kind);
  const isDue = (days: number): SQL => sql`finished_at <= ${daysAgo(days)}
    and kind in (select json_array_elements_text(${JSON.stringify(pruned)}::json)) and not ${isNeeded}`;

  const pruneBatch = async (statements: Statements): Promise<number> => {
    const { runDays } = await retention.agreed(statements);
    if (runDays === null) return 0;
    const rows = await statements.execute(sql`
      with picked as materialized (
        select id, kind, company_id, finished_at from runs where ${isDue(runDays)}
        order by finished_at, id limit ${mostRuns} for update
      ), counted as (
        select p.*, row_number() over by_age as place, sum((select count(*) from migration_companies m where m.run_id = p.id)) over by_age as companies
        from picked p window by_age as (order by p.finished_at, p.id)
      ), chosen as (
        select * from counted where place = 1 or companies <= ${mostCompanies}
      ), ledger as (
        delete from migration_companies m using chosen c where m.run_id = c.id returning 1
      )
      select id, company_id as "companyId", (select count(*)::int from ledger) as companies from chosen order by place`);
    const chosen = Chosen.parse([...rows]);
    if (chosen.length === 0) return 0;
    const ids = JSON.stringify(chosen.map(({ id }) => id));
    await statements.execute(
      sql`delete from runs where id in (select json_array_elements_text(${ids}::json)::uuid)`,
    );
    await audit.recordInTransaction(
      statements,
      pruner,
      chosen.map(({ id, companyId }) => ({
        action: "run.prune",
        outcome: "success",
        subject: id,
        companyId: companyId ?? undefined,
      })),
    );
    return chosen.length;
  };

  return {
    prune: async (signal) => {
      await audit.ready();
      let [total, last] = [0, 1];
      while (last > 0 && !signal.aborted) {
        last = await database.acrossCompanies(pruneBatch);
        total += last;
      }
      return total;
    },
    due: (days) =>
      days === null
        ? undefined
        : sql`select finished_at + make_interval(days => ${days}::integer) as since from runs where ${isDue(days)}`,
  };
}

const Chosen = z.array(z.object({ id: z.uuid(), companyId: z.uuid().nullable() }));

/**
 * Of a company that is suspended, of a migration of one; the last of a policy; of credentials that are not ended; or one that holds a
 * company's writes.
 */
const isNeeded = sql`(
  exists (select from companies c where c.id = runs.company_id and c.status = 'suspended')
  or runs.kind = 'migrate' and exists (select from migration_companies m join companies c on c.id = m.company_id
    where m.run_id = runs.id and c.status = 'suspended')
  or runs.kind = 'rotate-secret' and (
    exists (select from rotation_policies p where p.company_id = runs.company_id
      and p.secret_key = runs.input->>'secretKey' and p.last_run_id = runs.id)
    or exists (select from rotation_credentials k where k.company_id = runs.company_id
      and k.secret_key = runs.input->>'secretKey' and k.run_id = runs.id and k.state <> 'retired'))
  or exists (select from store_holds h where h.run = runs.id))`;
