import { z } from "zod";
import type { Entered } from "../runs/definition.ts";
import { driverOf } from "./driver-call.ts";
import { DriverError } from "./drivers/driver-error.ts";
import { finish } from "./ending.ts";
import { openSecret, type RunParts } from "./make-value.ts";
import { again, enter, giveUp, isOvertaken, nowIn } from "./next.ts";
import { minuteMs, type RotationStep, secondMs } from "./rotation-state.ts";
import type { SecretInRun } from "./secret-in-run.ts";

/** The new value becomes the current one. The old one stays active until the overlap ends. */
export async function promote(parts: RunParts, step: RotationStep): Promise<Entered> {
  const secret = await openSecret(parts, step);
  if (secret === undefined) return giveUp(step, "STORE");
  const { currentVersion, pendingVersion } = step.facts;
  if (currentVersion === null || pendingVersion === null) return giveUp(step, "OVERTAKEN");
  const { urgent, overlapSeconds } = step.input;
  // A promotion whose answer was lost has been made.
  if ((await secret.head())?.currentVersion !== pendingVersion) {
    try {
      await secret.promote({ currentVersion, pendingVersion }, urgent ? 0 : overlapSeconds);
    } catch (error) {
      if (isOvertaken(error)) return giveUp(step, "OVERTAKEN");
      throw error;
    }
  }
  const promotedAt = await parts.database.acrossCompanies(nowIn);
  const phase = urgent ? afterOverlap(parts, step) : "watch";
  return enter(step, phase, { promotedAt, outcome: "rotated" });
}

/** When the provider is asked about the new value, after it became current. */
const looksMs = [minuteMs, 5 * minuteMs, 15 * minuteMs] as const;
const secondLookMs = 30 * secondMs;

const RolledBack = z.strictObject({ rolledBack: z.literal(true) });

/** While the old value is still active, a new one that turns out to be refused is replaced by it. */
export async function watch(parts: RunParts, step: RotationStep): Promise<Entered> {
  const { promotedAt, currentVersion, pendingVersion, fallBack, rejected } = step.facts;
  if (RolledBack.safeParse(step.cursor).success) return fellBack(step);
  // An exchange uses the old value up: there is nothing to go back to.
  if (promotedAt === null || currentVersion === null || pendingVersion === null) return finish(parts, step);
  const secret = await openSecret(parts, step);
  const now = await parts.database.acrossCompanies(nowIn);
  const overlapEnds = promotedAt + step.input.overlapSeconds * secondMs;
  // A person has written another value, or the overlap is over.
  if (secret === undefined || (await secret.head())?.currentVersion !== pendingVersion || now >= overlapEnds)
    return enter(step, afterOverlap(parts, step));
  if (fallBack) return goBack(step, secret);
  if (await isNewRefused(parts, { step, secret, old: currentVersion })) {
    if (rejected > 0) return goBack(step, secret);
    return again(step, Math.min(secondLookMs, overlapEnds - now), { rejected: 1 });
  }
  const next = looksMs.map((look) => promotedAt + look).find((look) => look > now && look < overlapEnds);
  return again(step, (next ?? overlapEnds) - now, { rejected: 0 });
}

/** A credential that a person made is ended by a person. */
function afterOverlap({ drivers }: RunParts, { input }: RotationStep): "ask-retire" | "retire" {
  return driverOf(drivers, input.driver).creates === "person" ? "ask-retire" : "retire";
}

interface Replaced {
  readonly step: RotationStep;
  readonly secret: SecretInRun;
  readonly old: number;
}

/** Whether the provider refuses the new value and accepts the one before. An outage says neither. */
async function isNewRefused(parts: RunParts, { step, secret, old }: Replaced): Promise<boolean> {
  const before = await secret.openOther(old);
  if (before === undefined) return false;
  try {
    return await parts.ask(step, secret, async (driver, call) => {
      if (call.current === undefined || (await driver.test(call, call.current)) !== "rejected") return false;
      return (await driver.test(call, before)) === "accepted";
    });
  } catch (error) {
    if (error instanceof DriverError) return false;
    throw error;
  } finally {
    before.wipe();
  }
}

async function goBack(step: RotationStep, secret: SecretInRun): Promise<Entered> {
  const { currentVersion, pendingVersion } = step.facts;
  if (currentVersion === null || pendingVersion === null)
    throw new Error("a run that watches has replaced a value");
  try {
    await secret.rollback({ from: pendingVersion, to: currentVersion }, { cursor: { rolledBack: true } });
  } catch (error) {
    if (!isOvertaken(error)) throw error;
    // A person has written another value meanwhile, or removed the secret: that stays.
    return enter(step, "retire", { outcome: "fell-back", reason: "OVERTAKEN" });
  }
  return fellBack(step);
}

function fellBack(step: RotationStep): Promise<Entered> {
  return enter(step, "retire", { outcome: "fell-back", reason: "FELL_BACK" });
}
