import { sql } from "drizzle-orm";
import type { Statements } from "@repo/db";
import { type KeyStatus, RotationPhase } from "@repo/catalog";
import { z } from "zod";
import type { FoundRun } from "../../runs/run.ts";
import { RotationInput, type RotationFacts } from "../rotation/report.ts";

type Rotation = NonNullable<KeyStatus["rotation"]>;

const Wrapped = z.object({ wrapped: z.int(), total: z.int() });
const Retry = z.object({ runAt: z.coerce.date() });

/** How far an unfinished rotation is, what stopped its last attempt, and the version that it leaves. */
export async function describeRotation(
  statements: Statements,
  { row, facts, driven }: FoundRun<RotationFacts>,
): Promise<Rotation & OngoingRotation> {
  const { id, kind, subject: region, phase, startedAt, errorCode, errorMessage } = row;
  const { fromVersion } = RotationInput.parse(row.input);
  const { toVersion } = facts;
  const [count] = await statements.execute(sql`
    select count(*)::int as total, (count(*) filter (where under_new))::int as wrapped from (
      select bool_or(master_key_version = ${toVersion}) as under_new from (
        select 'company-key' as kind, company_id::text as owner, key_version, region, master_key_version from company_key_wraps
        union all select 'audit-key', purpose, key_version, region, master_key_version from audit_key_wraps) w
      where region = ${region} and master_key_version in (${fromVersion}, ${toVersion})
      group by kind, owner, key_version) k`);
  const [retry] = await statements.execute(sql`
    select run_at as "runAt" from graphile_worker._private_jobs
    where key = ${`${kind}:${id}`} and locked_at is null and attempts between 1 and max_attempts - 1`);
  return {
    id,
    phase: RotationPhase.parse(phase),
    fromVersion,
    toVersion,
    startedAt,
    driven,
    ...Wrapped.parse(count),
    lastError: errorCode === null ? undefined : { code: errorCode, message: errorMessage ?? "" },
    retryAt: retry && Retry.parse(retry).runAt,
  };
}

/** The phases after the one that wraps each key again, and passes over what does not open. */
const afterRewrap: ReadonlySet<RotationPhase> = new Set(["verify", "retire", "report"]);

interface OngoingRotation extends Pick<Rotation, "phase" | "wrapped" | "total"> {
  readonly fromVersion: number;
}

/**
 * The number of a version's wraps that a rotation left, because their key did not open. A version stays `retiring` for their
 * sake.
 */
export function damagedUnder(
  { version, status }: Pick<KeyStatus["versions"][number], "version" | "status">,
  wraps: number,
  rotation: OngoingRotation | undefined,
): number {
  if (status !== "retiring") return 0;
  if (rotation === undefined || version !== rotation.fromVersion) return wraps;
  return afterRewrap.has(rotation.phase) ? rotation.total - rotation.wrapped : 0;
}

const CompanyRotations = z.object({ unfinished: z.int(), retrying: z.int(), failed: z.int() });

export async function countCompanyRotations(
  statements: Statements,
): Promise<z.infer<typeof CompanyRotations>> {
  const [row] = await statements.execute(sql`
    select count(*)::int as unfinished,
      (count(*) filter (where state = 'running' and attempts > 0))::int as retrying,
      (count(*) filter (where state = 'failed'))::int as failed
    from runs where kind = 'rotate-company-key' and finished_at is null`);
  return CompanyRotations.parse(row);
}
