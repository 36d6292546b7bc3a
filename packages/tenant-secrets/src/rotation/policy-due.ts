import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { RotationSchedule, TenantSecretsError } from "@repo/catalog";
import { nowIn } from "./next.ts";
import type { PolicyRow, PolicySecret } from "./policy-row.ts";
import { jitterSeed, nextDue } from "./schedule.ts";

const { companySecrets, companySecretVersions } = tables;

/** What a count changes of a policy. */
type Counted = Pick<PolicyRow, "dueForVersion" | "dueForExpiry"> &
  (Pick<PolicyRow, "nextDueAt"> | { readonly state: "stuck"; readonly reason: "ZONE" });

/** The current version of a secret, as schedules need it. */
export interface CurrentVersion {
  readonly version: number;
  readonly since: Date;
  readonly expiresAt: Date | null;
}

/** @returns undefined where the secret has no current value */
export async function findCurrentVersion(
  statements: Statements,
  { companyId, secretKey }: PolicySecret,
): Promise<CurrentVersion | undefined> {
  const [row] = await statements
    .select({
      version: companySecrets.currentVersion,
      since: companySecretVersions.createdAt,
      expiresAt: companySecrets.expiresAt,
    })
    .from(companySecrets)
    .innerJoin(
      companySecretVersions,
      and(
        eq(companySecretVersions.companyId, companySecrets.companyId),
        eq(companySecretVersions.secretKey, companySecrets.secretKey),
        eq(companySecretVersions.version, companySecrets.currentVersion),
      ),
    )
    .where(
      and(
        eq(companySecrets.companyId, companyId),
        eq(companySecrets.secretKey, secretKey),
        sql`${companySecrets.deletedAt} is null`,
      ),
    );
  return row?.version == null ? undefined : { ...row, version: row.version };
}

const minuteMs = 60_000;

/** Tokens that are exchanged live for a known time: they are exchanged a tenth of it before its end, and 5 minutes at least. */
export function beforeTokensEnd({ since, expiresAt }: CurrentVersion): RotationSchedule {
  const livesMs = expiresAt === null ? 0 : expiresAt.getTime() - since.getTime();
  return { beforeExpiry: `PT${Math.max(5, Math.ceil(livesMs / 10 / minuteMs))}M` };
}

/**
 * When a policy is due next, counted from now, for the version that is current. One whose schedule this process cannot count is
 * stuck, and the time that was counted last stands.
 */
export async function dueOf(
  statements: Statements,
  policy: PolicySecret & Pick<PolicyRow, "schedule">,
): Promise<Counted> {
  const after = new Date(await nowIn(statements));
  const current = await findCurrentVersion(statements, policy);
  const nextDueAt = nextOf(policy, { after, version: current });
  return {
    ...(nextDueAt === undefined ? { state: "stuck", reason: "ZONE" } : { nextDueAt }),
    dueForVersion: current?.version ?? 0,
    dueForExpiry: current?.expiresAt ?? null,
  };
}

/** @returns null for one that is not due by time; undefined where that cannot be said */
function nextOf(
  { companyId, secretKey, schedule }: PolicySecret & Pick<PolicyRow, "schedule">,
  origin: Parameters<typeof nextDue>[1],
): Date | null | undefined {
  if (schedule === null) return null;
  const parsed = RotationSchedule.safeParse(schedule);
  if (!parsed.success) return undefined;
  try {
    return nextDue(parsed.data, origin, jitterSeed(companyId, secretKey)) ?? null;
  } catch (error) {
    // A zone that this process does not know, or a pattern that its library takes no more.
    const isSchedule =
      error instanceof TenantSecretsError || error instanceof TypeError || error instanceof RangeError;
    if (isSchedule) return undefined;
    throw error;
  }
}
