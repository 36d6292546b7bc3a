import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";
import type { Company } from "../companies/companies.ts";
import type { RunRow } from "../runs/lease.ts";
import type { RotationRun } from "./rotation-run.ts";
import { type Phase, RotationFacts } from "./rotation-state.ts";
import { allowedOf } from "./run-words.ts";

const { runs } = tables;

/** What a person can ask of a run. */
export type Asked = ReturnType<typeof allowedOf>[number];

/** Where a person moves a run. */
export interface Moved {
  readonly phase: Phase;
  readonly facts?: Partial<RotationFacts>;
}

/**
 * A run of the company that waits for a person, locked.
 *
 * @throws {TenantSecretsError} NOT_FOUND; CONFLICT where it does not wait for this, or a process works on it
 */
export async function lockWaiting(
  statements: Statements,
  rotation: Pick<RotationRun, "kind">,
  { company, subject, what }: { readonly company: Company; readonly subject: string; readonly what: Asked },
): Promise<RunRow> {
  const [row] = await statements
    .select()
    .from(runs)
    .where(and(eq(runs.kind, rotation.kind), eq(runs.companyId, company.id), eq(runs.id, subject)))
    .for("update");
  if (row === undefined) throw notFound();
  if (row.state !== "running" || !allowedOf(row).includes(what)) throw notNow();
  const [{ driven } = { driven: false }] = await statements
    .select({ driven: sql<boolean>`coalesce(${runs.leaseUntil} > now(), false)` })
    .from(runs)
    .where(eq(runs.id, row.id));
  if (driven) throw workedOn();
  return row;
}

/** Moves a run on that waits, in the transaction that locked it. */
export async function moveWaiting(
  statements: Statements,
  rotation: Pick<RotationRun, "enqueue">,
  { row, to }: { readonly row: RunRow; readonly to: Moved },
): Promise<void> {
  const facts = {
    ...RotationFacts.parse(row.facts),
    phaseSince: null,
    accepted: 0,
    rejected: 0,
    unanswered: 0,
  };
  await statements
    .update(runs)
    .set({
      phase: to.phase,
      facts: { ...facts, ...to.facts },
      notBefore: null,
      ...(to.phase !== row.phase && { cursor: null }),
      // What a process that had the run still does is refused.
      fence: sql`${runs.fence} + 1`,
      updatedAt: sql`now()`,
    })
    .where(eq(runs.id, row.id));
  await rotation.enqueue(statements, row);
}

function notNow(): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", "This rotation does not wait for that: look at where it is.");
}

function workedOn(): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", "This rotation is being worked on at the moment: try again.", {
    retryAfterMs: 1000,
  });
}
