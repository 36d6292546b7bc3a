import type { Entered } from "../runs/definition.ts";
import { driverOf } from "./driver-call.ts";
import { openSecret, type RunParts } from "./make-value.ts";
import { again, attempt, backOff, enter, giveUp, lasted } from "./next.ts";
import { hasCanary, type Phase, type RotationStep, secondMs } from "./rotation-state.ts";

/** A new credential is accepted so often, so far apart, before it counts as good. */
const acceptedTwice = 2;
const betweenTestsMs = 5 * secondMs;

/** The provider accepts the new value, twice, before it is used anywhere. */
export function testValue(parts: RunParts, step: RotationStep): Promise<Entered> {
  const driver = driverOf(parts.drivers, step.input.driver);
  // Where no provider is asked, once is as good as twice.
  const enough = driver.manager === "none" && driver.creates !== "person" ? 1 : acceptedTwice;
  return testUntil(parts, step, { enough, next: hasCanary(step.input) ? "canary" : "promote" });
}

/** Asks the provider about the pending value until it has accepted it often enough in this phase, or the run gives up. */
export function testUntil(
  parts: RunParts,
  step: RotationStep,
  { enough, next }: { readonly enough: number; readonly next: Phase },
): Promise<Entered> {
  return attempt(step, async () => {
    const secret = await openSecret(parts, step);
    if (secret === undefined) return giveUp(step, "STORE");
    const driver = driverOf(parts.drivers, step.input.driver);
    const { pendingVersion, accepted, unanswered } = step.facts;
    const value = pendingVersion === null ? undefined : await secret.openOther(pendingVersion);
    if (value === undefined) return giveUp(step, "OVERTAKEN");
    let result;
    try {
      result = await parts.ask(step, secret, (_, call) => driver.test(call, value));
    } finally {
      value.wipe();
    }
    if (result === "accepted") {
      if (accepted + 1 >= enough) return enter(step, next);
      return again(step, betweenTestsMs, { accepted: accepted + 1 });
    }
    if (result === "unknown") {
      // A person's credential of a provider that cannot be asked is taken as it is.
      if (driver.creates === "person" && !isChecked(parts, step)) return enter(step, next);
      const afterMs = backOff(unanswered);
      if (afterMs === undefined) return giveUp(step, "UNAVAILABLE");
      return again(step, afterMs, { unanswered: unanswered + 1 });
    }
    const settled = (await lasted(parts.database, step)) >= driver.settleSeconds * secondMs;
    if (settled) return giveUp(step, "NOT_ACCEPTED");
    return again(step, Math.min(betweenTestsMs, driver.settleSeconds * secondMs), { accepted: 0 });
  });
}

function isChecked({ catalog }: Pick<RunParts, "catalog">, { input }: RotationStep): boolean {
  return catalog.find(input.secretKey)?.check !== undefined;
}
