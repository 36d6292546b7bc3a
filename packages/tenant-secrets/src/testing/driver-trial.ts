import { inspect } from "node:util";
import { Plaintext } from "@repo/envelope";
import { createOutbound } from "@repo/outbound";
import { expect } from "vitest";
import type { DriverCall, MakingDriver, ProviderDriver, Retirement } from "../rotation/drivers/driver.ts";
import { DriverError } from "../rotation/drivers/driver-error.ts";
import { markerOf, markerPrefix } from "../rotation/drivers/marker.ts";

/** A driver that makes credentials and ends them, and a provider with one credential that a person made. */
export interface DriverWorld extends Pick<DriverCall, "fetch"> {
  readonly driver: MakingDriver | ProviderDriver;
  readonly settings?: unknown;
  /** The value of the person's credential. */
  readonly current: string;
  /** Its id at the provider. */
  readonly currentRef: string;
  /** A value in the form of the provider's that it does not know. */
  readonly unknown: string;
  /** The credential that manages others, where that is not the current one. */
  readonly manager?: string | undefined;
  /** The ids of the credentials that the provider accepts. */
  live(): Promise<readonly string[]>;
  /** What can go wrong, by name: each makes the `nth` request from now go wrong. */
  readonly faults: Readonly<Record<string, (nth: number) => void>>;
  /** Ends a fault that is still waited for. @returns whether the last one was met */
  disarm(): boolean;
  /** What the provider says in its answers, and no error of a driver may hold. */
  readonly sayings: readonly string[];
  stop(): Promise<void>;
}

/** A local provider of packages such as tooling/providers. */
interface HttpProvider {
  readonly url: string;
  readonly faults: { add(fault: HttpFault): void };
  liveCredentials(): readonly { readonly id: string }[];
  stop(): Promise<void>;
}
type HttpFault =
  | { readonly fault: "dropBefore" | "dropAfter" | "halfJson" }
  | { readonly fault: "html"; readonly afterEffect: boolean }
  | {
      readonly fault: "status";
      readonly status: number;
      readonly retryAfter?: string;
      readonly afterEffect?: boolean;
    };

const httpFaults: Readonly<Record<string, HttpFault>> = {
  "a connection that ends before the effect": { fault: "dropBefore" },
  "a connection that ends after the effect": { fault: "dropAfter" },
  "a page in place of the effect": { fault: "html", afterEffect: false },
  "a page after the effect": { fault: "html", afterEffect: true },
  "half of the answer": { fault: "halfJson" },
  "the status 429": { fault: "status", status: 429, retryAfter: "7" },
  "the status 500": { fault: "status", status: 500 },
  "the status 502 after the effect": { fault: "status", status: 502, afterEffect: true },
  "the status 503 until a day in 1970": {
    fault: "status",
    status: 503,
    retryAfter: "Thu, 01 Jan 1970 00:00:00 GMT",
  },
};

/** The parts of a world that are the same for every provider that is reached over HTTP. */
export function httpWorld(
  provider: HttpProvider,
): Pick<DriverWorld, "fetch" | "live" | "faults" | "disarm" | "stop" | "sayings"> {
  const outbound = createOutbound({ allow: [new URL(provider.url).host] });
  let requests = 0;
  let isMet = false;
  let armed: { readonly at: number; readonly fault: HttpFault } | undefined;
  return {
    fetch: (url, request) => {
      requests += 1;
      if (armed?.at === requests) {
        provider.faults.add(armed.fault);
        isMet = true;
      }
      return outbound.fetch(url, request);
    },
    live: async () => provider.liveCredentials().map(({ id }) => id),
    faults: Object.fromEntries(
      Object.entries(httpFaults).map(([name, fault]) => [
        name,
        (nth: number) => {
          armed = { at: requests + nth, fault };
          isMet = false;
        },
      ]),
    ),
    disarm: () => {
      armed = undefined;
      return isMet;
    },
    sayings: ["asked for", "Please wait", provider.url, "127.0.0.1"],
    stop: () => provider.stop(),
  };
}

const run = "0192f0a1-7b3c-7def-8123-456789abcdef";
/** Of another run, whose credentials are none of this one's business. */
export const otherMarker = markerOf("0192f0a1-7b3c-7def-8123-ba9876543210", 1);

/** A credential as the caller was told of it. */
export interface Told extends Retirement {
  readonly value: Plaintext;
}

/** One driver with one provider: the steps of a run, and what is expected of them. */
export interface Trial {
  readonly world: DriverWorld;
  readonly driver: DriverWorld["driver"];
  call(changes?: Partial<DriverCall>): DriverCall;
  /** Makes a credential, as another attempt of the run. */
  make(changes?: Partial<DriverCall>): Promise<Told>;
  /** Does again what the last `make` did, as after an answer that was lost. */
  makeAgain(): Promise<Told>;
  /** What an attempt does first: it ends what earlier ones left, but for what the caller was told of. */
  recover(told?: readonly Told[]): Promise<void>;
  /** After the step nothing more goes wrong. @returns what it answered; undefined where it failed as a driver may */
  attempt<Answer>(step: () => Promise<Answer>): Promise<Answer | undefined>;
  /** Expects the provider to accept the person's credential, these, and no others. */
  expectLive(told: readonly Pick<Retirement, "ref">[]): Promise<void>;
  /** Every value that was there. */
  values(): readonly string[];
}

export function openTrial(world: DriverWorld): Trial {
  const { driver } = world;
  const settings = driver.settings.parse(world.settings ?? {});
  const values = [world.current, world.unknown, ...(world.manager === undefined ? [] : [world.manager])];
  let attempts = 0;
  let made: Plaintext | undefined;

  const call: Trial["call"] = (changes) => ({
    settings,
    marker: markerOf(run, attempts),
    current: Plaintext.fromText(world.current),
    manager: driver.manager === "none" ? undefined : Plaintext.fromText(world.manager ?? world.current),
    check: async () => "unknown",
    fetch: world.fetch,
    signal: AbortSignal.timeout(30_000),
    ...changes,
  });

  async function makeAgain(changes?: Partial<DriverCall>): Promise<Told> {
    const asked = call(changes);
    if (driver.creates === "provider") {
      const { value, ref } = await driver.create(asked);
      values.push(value.reveal());
      return { value, ref, marker: asked.marker };
    }
    const value = made ?? driver.make(settings, asked.current);
    made = value;
    values.push(value.reveal());
    const { ref = "" } = await driver.apply(asked, value);
    return { value, ref, marker: asked.marker };
  }

  const trial: Trial = {
    world,
    driver,
    call,
    make: (changes) => {
      attempts += 1;
      made = undefined;
      return makeAgain(changes);
    },
    makeAgain,
    recover: async (told = []) => {
      if (driver.creates !== "provider" || driver.find === undefined) return;
      for (const { ref, marker } of await driver.find(call())) {
        if (!marker.startsWith(markerPrefix(run)) || told.some((one) => one.ref === ref)) continue;
        await driver.retire(call(), { ref, marker });
      }
    },
    attempt: async (step) => {
      try {
        return await step();
      } catch (error) {
        expect(error).toBeInstanceOf(DriverError);
        const shown = `${inspect(error, { depth: 9, showHidden: true })} ${JSON.stringify(error)}`;
        for (const text of [...values, ...world.sayings]) expect(shown).not.toContain(text);
        return undefined;
      } finally {
        world.disarm();
      }
    },
    expectLive: async (told) => {
      const isReplaced = driver.overlap === "replaces" && told.length > 0;
      const refs = [...(isReplaced ? [] : [world.currentRef]), ...told.map(({ ref }) => ref)].filter(
        (ref) => ref !== "",
      );
      expect((await world.live()).toSorted()).toEqual(refs.toSorted());
    },
    values: () => values,
  };
  return trial;
}
