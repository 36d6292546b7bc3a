import type { Entered } from "../runs/definition.ts";
import {
  changeCredential,
  type CredentialRow,
  findCredential,
  findEnded,
  findMade,
  orphanMade,
  retireLeft,
  wasJustAsked,
} from "./credentials.ts";
import { driverOf } from "./driver-call.ts";
import type { Retirement, RotationDriver } from "./drivers/driver.ts";
import { markerPrefix } from "./drivers/marker.ts";
import { finish } from "./ending.ts";
import { openSecret, type RunParts } from "./make-value.ts";
import { again, attempt, enter } from "./next.ts";
import { hourMs, minuteMs, type RotationStep } from "./rotation-state.ts";

/** Drivers whose credentials can be ended by a call. */
type Retiring = Extract<RotationDriver, { readonly retire: unknown }>;

/**
 * Ends what was made here and is active no more, one credential after the other: the value before, that of a run that gave up,
 * and whatever a person has replaced since.
 */
export async function retire(parts: RunParts, step: RotationStep): Promise<Entered> {
  const driver = driverOf(parts.drivers, step.input.driver);
  const [ended] = await parts.database.acrossCompanies((statements) => findEnded(statements, step.input));
  if (!("retire" in driver)) return finish(parts, step);
  if (ended === undefined)
    return attempt(
      step,
      () => sweep(parts, step, driver),
      () => finishUnswept(parts, step),
    );
  return attempt(
    step,
    async () => {
      await withRetirement(parts, { step, ended }, (call, old) => driver.retire(call, old));
      if (driver.confirm !== undefined) return enter(step, "confirm", { retiring: ended.marker });
      return settle(parts, { step, ended }, "retired");
    },
    // It may be left at the provider, and is listed with the policy.
    () => settle(parts, { step, ended }, "orphan"),
  );
}

/** When the provider is asked whether it has forgotten a credential, after it was ended: it may accept it for some minutes. */
const confirmationsMs = [0, minuteMs, 5 * minuteMs, 15 * minuteMs, hourMs] as const;

export async function confirm(parts: RunParts, step: RotationStep): Promise<Entered> {
  const driver = driverOf(parts.drivers, step.input.driver);
  const { retiring, accepted: looks } = step.facts;
  const ended = await parts.database.acrossCompanies((statements) =>
    findCredential(statements, step.input, retiring ?? ""),
  );
  if (ended === undefined || !("retire" in driver)) return enter(step, "retire");
  return attempt(
    step,
    async () => {
      const forgotten = await withRetirement(parts, { step, ended }, async (call, old) =>
        driver.confirm === undefined ? true : driver.confirm(call, old),
      );
      if (forgotten) return settle(parts, { step, ended }, "retired");
      const [now = 0, next] = confirmationsMs.slice(looks);
      return next === undefined
        ? settle(parts, { step, ended }, "unconfirmed")
        : again(step, next - now, { accepted: looks + 1 });
    },
    () => settle(parts, { step, ended }, "unconfirmed"),
  );
}

interface Ended {
  readonly step: RotationStep;
  readonly ended: CredentialRow;
}

async function withRetirement<T>(
  parts: RunParts,
  { step, ended }: Ended,
  work: (call: Parameters<Retiring["retire"]>[0], old: Retirement) => Promise<T>,
): Promise<T> {
  const secret = await openSecret(parts, step);
  if (secret === undefined) throw new Error("a credential is ended with the rights of its company");
  const value = ended.version === null ? undefined : await secret.openOther(ended.version);
  try {
    const old = { ref: ended.ref ?? "", marker: ended.marker, value };
    return await parts.ask(step, secret, (_, call) => work(call, old));
  } finally {
    value?.wipe();
  }
}

/** Notes what became of a credential, and looks for the next one. */
async function settle(
  { audit }: RunParts,
  { step, ended }: Ended,
  as: "retired" | "unconfirmed" | "orphan",
): Promise<Entered> {
  const { companyId, secretKey } = step.input;
  await audit.ready();
  return step.enter(async (statements) => {
    await changeCredential(statements, ended, as === "orphan" ? "orphan" : "retired");
    await audit.recordInTransaction(statements, step.caller, {
      action: "rotation.retire",
      outcome: as === "retired" ? "success" : "failed",
      companyId,
      secretKey,
      version: ended.version ?? undefined,
      subject: step.run.id,
    });
    const unconfirmed = step.facts.unconfirmed || as !== "retired";
    return {
      phase: "retire",
      facts: { retiring: null, unconfirmed, phaseSince: null, accepted: 0, unanswered: 0 },
    };
  });
}

/** A run that does not rotate: its value is discarded, and what it made at the provider is ended. */
export async function giveUpRun(parts: RunParts, step: RotationStep): Promise<Entered> {
  const { pendingVersion } = step.facts;
  const secret = await openSecret(parts, step);
  if (secret === undefined) {
    await step.commit((statements) => orphanMade(statements, step));
    return finish(parts, step);
  }
  if (pendingVersion !== null && (await secret.head())?.pendingVersion === pendingVersion)
    await secret.discard(pendingVersion);
  await step.commit((statements) => orphanMade(statements, step, "wanted"));
  return enter(step, "retire");
}

/**
 * The last look at the provider: a credential of this run that is not the one in use was made by a process that had lost the run, or
 * its answer was lost. Where the provider has no list, what may be left there is listed with the policy.
 */
async function sweep(parts: RunParts, step: RotationStep, driver: Retiring): Promise<Entered> {
  if (driver.creates !== "provider" || driver.find === undefined) return finish(parts, step);
  const secret = await openSecret(parts, step);
  if (secret === undefined) return finishUnswept(parts, step);
  if (await mayStillCarryOut(parts, step)) return again(step, settleMs);
  const inUse = await parts.database.acrossCompanies((statements) => findMade(statements, step));
  await parts.ask(step, secret, async (_, call) => {
    for (const left of (await driver.find?.(call)) ?? []) {
      const isLeft = left.marker.startsWith(markerPrefix(step.run.id)) && !inUse.includes(left.ref);
      if (isLeft) await driver.retire(call, left);
    }
  });
  await step.commit((statements) => retireLeft(statements, step));
  return finish(parts, step);
}

/** Milliseconds for which a provider may still carry out a request whose answer was given up. */
const settleMs = minuteMs;

/** Whether what a request has made may be at the provider only after this look. A look that follows a wait is the last one. */
async function mayStillCarryOut({ database }: RunParts, step: RotationStep): Promise<boolean> {
  const { attempt: count, reason, phaseSince } = step.facts;
  const isAnswered = count === 1 && reason !== null && reason !== "UNAVAILABLE";
  if (isAnswered || phaseSince !== null) return false;
  return database.acrossCompanies((statements) => wasJustAsked(statements, step, settleMs));
}

/** What was asked for, and is not known to have ended, is listed with the policy. */
async function finishUnswept(parts: RunParts, step: RotationStep): Promise<Entered> {
  await step.commit((statements) => orphanMade(statements, step, "wanted"));
  return finish(parts, step);
}
