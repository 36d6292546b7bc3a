import { and, eq, sql } from "drizzle-orm";
import type { AuditLog } from "@repo/audit-log";
import { tables, type Database, type Statements } from "@repo/db";
import { type Caller, type RotationTrigger, systemCaller } from "@repo/catalog";
import type { z } from "zod";
import { secretSubject, secretSubjectIn } from "../runs/definition.ts";
import type { NewRun } from "../runs/run.ts";
import { dueOf } from "./policy-due.ts";
import { ofPolicy, type PolicyRow, type PolicySecret } from "./policy-row.ts";
import type { RotationRun } from "./rotation-run.ts";
import { stuck } from "./sticking.ts";
import { firstFacts, type RotationFacts, type RotationInput } from "./rotation-state.ts";

const { rotationPolicies, runs } = tables;

interface Beginning {
  readonly policy: PolicyRow;
  readonly caller: Caller;
  readonly urgent: boolean;
  readonly trigger: z.infer<typeof RotationTrigger>;
}

function newRun({ policy, caller, urgent, trigger }: Beginning): NewRun<RotationInput, RotationFacts> {
  const { companyId, secretKey, driver, settings, managerKey, overlapSeconds, canary } = policy;
  return {
    subject: secretSubject(companyId, secretKey),
    input: { companyId, secretKey, driver, settings, managerKey, overlapSeconds, canary, urgent, trigger },
    facts: firstFacts,
    caller,
  };
}

/** Continues the rotation of a secret that was given up. It waits for no lock: what holds the run is continuing it. */
export async function continueStopped(
  statements: Statements,
  rotation: RotationRun,
  { companyId, secretKey }: PolicySecret,
): Promise<void> {
  const ofSecret = eq(runs.subject, secretSubject(companyId, secretKey));
  const [stopped] = await statements
    .select({ id: runs.id })
    .from(runs)
    .where(and(eq(runs.kind, rotation.kind), ofSecret, eq(runs.state, "failed")))
    .for("update", { skipLocked: true });
  if (stopped !== undefined) await rotation.enqueue(statements, stopped);
}

/** Starts the rotation of a policy, unless one is under way: one that was given up goes on. @returns the id of either */
export async function startRotation(
  statements: Statements,
  rotation: RotationRun,
  beginning: Beginning,
): Promise<string> {
  const run = newRun(beginning);
  await continueStopped(statements, rotation, beginning.policy);
  const under = await rotation.lookUpUnfinished(statements, run.subject);
  if (under !== undefined) return under.id;
  const [started] = await rotation.startMany(statements, [run]);
  const id = started?.id ?? (await rotation.lookUpUnfinished(statements, run.subject))?.id;
  if (id === undefined) throw new Error("a run that was not started is under way");
  return id;
}

/** What the schedule does, and what is told of it, has no person. */
export const scheduler = systemCaller("rotation", { verbs: [], secretKeys: [] });

/** Policies in one transaction: it holds their locks for a fraction of a second. */
const batchSize = 500;

/** What one look at the policies did. */
export interface DueRotations {
  readonly started: number;
  /** Policies whose secret has another version, or another end, than they were counted for. */
  readonly recounted: number;
}

interface DueParts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
  readonly ownRegion: string;
}

/**
 * Starts the rotations that are due. A policy that is due several times over is started once, because what comes next is counted
 * from the end of its run. A person who writes a value restarts the clock.
 */
export async function startDueRotations(
  { database: { acrossCompanies }, audit, ownRegion }: DueParts,
  rotation: RotationRun,
  signal: AbortSignal,
): Promise<DueRotations> {
  let [started, recounted] = [0, 0];
  await audit.ready();
  for (let more = true; more && !signal.aborted;) {
    const changed = await acrossCompanies((statements) => recount(statements, audit));
    recounted += changed;
    more = changed === batchSize;
  }
  for (let more = true; more && !signal.aborted;) {
    const taken = await acrossCompanies(async (statements) => {
      const due = await statements
        .select()
        .from(rotationPolicies)
        .where(isDue(ownRegion))
        .orderBy(rotationPolicies.nextDueAt)
        .limit(batchSize)
        .for("update", { skipLocked: true });
      const news = due.map((policy) =>
        newRun({ policy, caller: scheduler, urgent: false, trigger: "schedule" }),
      );
      const begun = await rotation.startMany(statements, news);
      const idOf = new Map(begun.map(({ id, subject }) => [subject, id]));
      // The end of the run counts when its policy is due next.
      await statements.execute(sql`
        update rotation_policies p set next_due_at = null, last_run_id = coalesce(s.run, p.last_run_id)
        from json_to_recordset(${JSON.stringify(
          due.map(({ companyId, secretKey }) => ({
            company: companyId,
            secret_key: secretKey,
            run: idOf.get(secretSubject(companyId, secretKey)),
          })),
        )}::text::json) as s(company uuid, secret_key text, run uuid)
        where p.company_id = s.company and p.secret_key = s.secret_key`);
      return { due: due.length, started: begun.length };
    });
    started += taken.started;
    more = taken.due === batchSize;
  }
  return { started, recounted };
}

/**
 * Continues the runs whose value was refused where it was used: those that watch it, so that they fall back while the one before is
 * active, and those that try it with a share of the uses. These go on, too, where another version is current or pending by now.
 *
 * @returns how many
 */
export async function wakeRefused(
  { acrossCompanies }: Pick<Database, "acrossCompanies">,
  rotation: RotationRun,
): Promise<number> {
  return acrossCompanies(async (statements) => {
    const woken = await statements.execute<{ id: string }>(sql`
      update runs r set not_before = null, updated_at = now()
      where r.kind = ${rotation.kind} and r.state = 'running' and r.not_before > now() and (r.phase = 'watch' and exists (
        select from company_secret_versions v where v.company_id = r.company_id and v.secret_key = r.input->>'secretKey'
          and v.version = (r.facts->>'pendingVersion')::integer and v.check_result = 'rejected'
          and v.checked_at > to_timestamp((r.facts->>'promotedAt')::float8 / 1000) and v.checked_at > r.updated_at)
        or r.phase = 'canary' and exists (
        select from company_secrets h where h.company_id = r.company_id and h.secret_key = r.input->>'secretKey' and h.updated_at > r.updated_at
          and (h.canary is null or h.current_version is distinct from (r.facts->>'currentVersion')::integer
            or h.pending_version is distinct from (r.facts->>'pendingVersion')::integer)))
      returning r.id`);
    for (const { id } of woken) await rotation.enqueue(statements, { id });
    return woken.length;
  });
}

/** Of companies that are served, and at home here. */
const isDue = (
  ownRegion: string,
) => sql`${rotationPolicies.state} = 'active' and ${rotationPolicies.nextDueAt} <= now()
  and exists (select from companies c where c.id = ${rotationPolicies.companyId} and c.status = 'active' and c.secret_store <> 'infisical'
    and c.home_region = ${ownRegion})`;

/** @returns how many policies were counted again, at most `batchSize` */
async function recount(
  statements: Statements,
  audit: Pick<AuditLog, "recordInTransaction">,
): Promise<number> {
  const stale = await statements
    .select()
    .from(rotationPolicies)
    .where(
      sql`${rotationPolicies.state} = 'active' and ${rotationPolicies.schedule} is not null and exists (
        select from company_secrets h where h.company_id = ${rotationPolicies.companyId} and h.secret_key = ${rotationPolicies.secretKey}
          and h.deleted_at is null
          and (h.current_version is distinct from ${rotationPolicies.dueForVersion} or h.expires_at is distinct from ${rotationPolicies.dueForExpiry}))
        and not exists (select from runs r where r.kind = 'rotate-secret' and r.finished_at is null
          and r.subject = ${secretSubjectIn(rotationPolicies)})`,
    )
    .limit(batchSize)
    .for("update", { skipLocked: true });
  for (const policy of stale) {
    const due = await dueOf(statements, policy);
    const changed = { ...due, ...("state" in due && { updatedAt: sql`now()` }) };
    await statements.update(rotationPolicies).set(changed).where(ofPolicy(policy));
    if (!("state" in due)) continue;
    const { companyId, secretKey, lastRunId } = policy;
    const event = stuck({ companyId, secretKey, subject: lastRunId ?? undefined, reason: due.reason });
    await audit.recordInTransaction(statements, scheduler, event);
  }
  return stale.length;
}
