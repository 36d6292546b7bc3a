import { and, eq, gte, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import type { CheckResult } from "@repo/catalog";
import { z } from "zod";
import type { Entered } from "../runs/definition.ts";
import { DriverError } from "./drivers/driver-error.ts";
import { openSecret, type RunParts } from "./make-value.ts";
import { again, enter, giveUp, isOvertaken, nowIn } from "./next.ts";
import { type RotationStep, secondMs } from "./rotation-state.ts";
import type { SecretInRun } from "./secret-in-run.ts";
import { testUntil } from "./test-value.ts";

const { companySecretVersions } = tables;

const Begun = z.strictObject({ begun: z.literal(true) });

/**
 * A share of the uses begins with the new value for some time. One refusal ends that: the run fails, unless the current value is
 * refused as well. Where there was none, the provider is asked once more.
 */
export async function canary(parts: RunParts, step: RotationStep): Promise<Entered> {
  const { canary: asked } = step.input;
  const { currentVersion, pendingVersion } = step.facts;
  if (asked === null || currentVersion === null || pendingVersion === null) return enter(step, "promote");
  const secret = await openSecret(parts, step);
  if (secret === undefined) return giveUp(step, "STORE");
  const head = await secret.head();
  if (head?.currentVersion !== currentVersion || head.pendingVersion !== pendingVersion)
    return giveUp(step, "OVERTAKEN");
  if (!Begun.safeParse(step.cursor).success) {
    try {
      await secret.beginCanary({ currentVersion, pendingVersion }, asked, { cursor: { begun: true } });
    } catch (error) {
      if (isOvertaken(error)) return giveUp(step, "OVERTAKEN");
      throw error;
    }
    return again(step, asked.seconds * secondMs);
  }
  if (head.canary === null) {
    if (!(await isCurrentRefused(parts, step, secret))) return giveUp(step, "CANARY");
  } else {
    const left = Date.parse(head.canary.until) - (await parts.database.acrossCompanies(nowIn));
    if (left > 0) return again(step, left);
  }
  return testUntil(parts, step, { enough: 1, next: "promote" });
}

/** By the provider, or where it cannot be asked, by those who used the value since the canary began. */
async function isCurrentRefused(parts: RunParts, step: RotationStep, secret: SecretInRun): Promise<boolean> {
  const asked = await parts
    .ask(step, secret, async (driver, call): Promise<CheckResult> =>
      call.current === undefined ? "unknown" : driver.test(call, call.current),
    )
    .catch((error: unknown): CheckResult => {
      if (error instanceof DriverError) return "unknown";
      throw error;
    });
  if (asked !== "unknown") return asked === "rejected";
  const { companyId, secretKey } = step.input;
  const { currentVersion, phaseSince } = step.facts;
  if (currentVersion === null || phaseSince === null) return false;
  const reports = await parts.database.acrossCompanies((statements) =>
    statements
      .select({ version: companySecretVersions.version })
      .from(companySecretVersions)
      .where(
        and(
          eq(companySecretVersions.companyId, companyId),
          eq(companySecretVersions.secretKey, secretKey),
          eq(companySecretVersions.version, currentVersion),
          eq(companySecretVersions.checkResult, "rejected"),
          gte(companySecretVersions.checkedAt, sql`to_timestamp(${phaseSince}::float8 / 1000)`),
        ),
      ),
  );
  return reports.length > 0;
}
