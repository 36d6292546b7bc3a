import { setTimeout as sleep } from "node:timers/promises";
import { bulkhead, type BulkheadPolicy } from "cockatiel";
import type { Catalog } from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Outbound } from "@repo/outbound";
import { checkCredential, type CredentialChecks } from "../providers/credential-check.ts";
import type { DriverCall, RotationDriver, RotationDrivers } from "./drivers/driver.ts";
import { getDriver, parseSettings } from "./drivers/drivers.ts";
import { DriverError } from "./drivers/driver-error.ts";
import { markerOf } from "./drivers/marker.ts";
import type { RotationStep } from "./rotation-state.ts";
import type { SecretInRun } from "./secret-in-run.ts";

/** How providers are spoken to. */
export interface DriverParts {
  readonly catalog: Catalog;
  readonly drivers: RotationDrivers;
  readonly checks: CredentialChecks;
  readonly outbound: Pick<Outbound, "fetch">;
}

/** Milliseconds that one step of a driver may take: less than the lease of a run lasts. */
const stepMs = 20_000;
/** Steps of one driver at the same time in a process. */
const atOnce = 4;

/** Runs one step of a driver. Values that it was given are wiped afterwards. */
export type AskDriver = <T>(
  step: RotationStep,
  secret: SecretInRun,
  work: (driver: RotationDriver, call: DriverCall, currentVersion: number | undefined) => Promise<T>,
) => Promise<T>;

/** @returns a function that runs steps, few of each driver at a time @throws {DriverError} as the step does */
export function createAskDriver(parts: DriverParts): AskDriver {
  const paces = new Map<string, Pace>();
  return async (step, secret, work) => {
    const { driver: name, managerKey } = step.input;
    const driver = driverOf(parts.drivers, name);
    const pace = paces.get(name) ?? newPace(driver);
    paces.set(name, pace);
    const current = await secret.openCurrent();
    let manager: Plaintext | undefined;
    try {
      if (managerKey !== null) manager = await secret.openManager(managerKey);
      const signal = AbortSignal.any([AbortSignal.timeout(stepMs), ...(step.signal ? [step.signal] : [])]);
      const call = driverCall(parts, step, { current: current?.plaintext, manager, signal });
      return await pace.run(async () => {
        // The provider hears nothing of a run that another process has taken over, and the lease outlasts the step.
        await step.commit(() => Promise.resolve());
        return untilAborted(work(driver, call, current?.version), signal);
      });
    } finally {
      current?.plaintext.wipe();
      manager?.wipe();
    }
  };
}

/** What a driver gets that is asked for a run. @throws {DriverError} misconfigured */
export function driverCall(
  { catalog, drivers, checks, outbound }: DriverParts,
  { run, input, facts }: Pick<RotationStep, "run" | "input" | "facts">,
  {
    current,
    manager,
    signal,
  }: Pick<DriverCall, "signal"> & Record<"current" | "manager", Plaintext | undefined>,
): DriverCall {
  const driver = driverOf(drivers, input.driver);
  const { secretKey } = input;
  return {
    settings: settingsOf(driver, input.settings),
    marker: markerOf(run.id, facts.attempt),
    current,
    manager: manager ?? (driver.manager === "none" ? undefined : current),
    check: async (value) => {
      if (catalog.find(secretKey)?.check === undefined) return "unknown";
      return checkCredential(catalog, checks, { secretKey, text: value.reveal(), options: { signal } });
    },
    fetch: (url, request) => outbound.fetch(url, request),
    signal,
  };
}

/** @throws {DriverError} misconfigured where this process has no such driver */
export function driverOf(drivers: RotationDrivers, name: string): RotationDriver {
  try {
    return getDriver(drivers, name);
  } catch {
    throw new DriverError("misconfigured");
  }
}

function settingsOf(driver: RotationDriver, settings: unknown): unknown {
  try {
    return parseSettings(driver, settings);
  } catch {
    throw new DriverError("misconfigured");
  }
}

/** A driver that ignores its signal is abandoned. @throws {DriverError} transient */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener("abort", () => reject(new DriverError("transient")), { once: true });
  return Promise.race([work, promise]);
}

interface Pace {
  run<T>(work: () => Promise<T>): Promise<T>;
}

function newPace({ paceMs = 250 }: Pick<RotationDriver, "paceMs">): Pace {
  const limit: BulkheadPolicy = bulkhead(atOnce, Infinity);
  let last: Promise<unknown> = Promise.resolve();
  return {
    run: (work) =>
      limit.execute(async () => {
        const turn = last;
        last = turn.then(() => sleep(paceMs, undefined, { ref: false }));
        await turn;
        return work();
      }),
  };
}
