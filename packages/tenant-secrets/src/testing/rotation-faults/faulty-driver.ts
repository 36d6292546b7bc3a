import type { DriverCall, RotationDriver } from "../../rotation/drivers/driver.ts";
import type { FaultWorld, StepFault } from "./worlds.ts";

/** Where a fault happens. */
export interface Fault {
  readonly step: string;
  readonly fault: StepFault;
  /** Which request of the step meets it, counted from 1. */
  readonly nth: number;
  /** `once`: the first time that the step is done. `each`: every time. */
  readonly times: "once" | "each";
}

export interface FaultyDriver {
  readonly driver: RotationDriver;
  /** How often the fault was met. */
  readonly met: () => number;
}

/**
 * The driver of a world under another name, one of whose steps meets a fault. The names of steps are those of its functions, `create`
 * also for what makes a value in another way; `watch` is a test of the current value, and `sweep` the list at the end of a run.
 */
export function withFault(
  { driver, fetch }: Pick<FaultWorld, "driver" | "fetch">,
  name: string,
  planned: Fault | undefined,
): FaultyDriver {
  let met = 0;
  let isMade = false;

  /** What a step is called with. Connections that are no requests are counted as one at its beginning. */
  const begin = (step: string, call: DriverCall): DriverCall => {
    if (planned?.step !== step || (planned.times === "once" && met > 0)) return { ...call, fetch };
    const { fault, nth } = planned;
    let requests = 0;
    const meet = (): boolean => {
      requests += 1;
      if (requests !== nth) return false;
      met += 1;
      fault.arm();
      return true;
    };
    if (driver.name === "postgres-role") meet();
    return {
      ...call,
      fetch: (url, request) =>
        meet() && fault.timeoutMs !== undefined
          ? fetch(url, { ...request, timeoutMs: fault.timeoutMs })
          : fetch(url, request),
    };
  };

  const common = {
    name,
    paceMs: 0,
    test: (call: DriverCall, value: Parameters<RotationDriver["test"]>[1]) => {
      const isCurrent = call.current !== undefined && call.current.bytes.equals(value.bytes);
      return driver.test(begin(isCurrent ? "watch" : "test", call), value);
    },
  } as const;
  if (driver.creates === "exchange") {
    const exchange: typeof driver.exchange = (call) => driver.exchange(begin("create", call));
    return { driver: { ...driver, ...common, exchange }, met: () => met };
  }
  if (driver.creates === "person") throw new TypeError("A person meets no fault.");
  const confirm = driver.confirm?.bind(driver);
  const ending = {
    retire: (call: DriverCall, old: Parameters<typeof driver.retire>[1]) =>
      driver.retire(begin("retire", call), old),
    ...(confirm && {
      confirm: (call: DriverCall, old: Parameters<typeof confirm>[1]) => confirm(begin("confirm", call), old),
    }),
  };
  if (driver.creates === "us") {
    const apply: typeof driver.apply = (call, value) => driver.apply(begin("create", call), value);
    return { driver: { ...driver, ...common, ...ending, apply }, met: () => met };
  }
  const find = driver.find?.bind(driver);
  return {
    driver: {
      ...driver,
      ...common,
      ...ending,
      create: async (call) => {
        const made = await driver.create(begin("create", call));
        isMade = true;
        return made;
      },
      ...(find && { find: (call: DriverCall) => find(begin(isMade ? "sweep" : "find", call)) }),
    },
    met: () => met,
  };
}
