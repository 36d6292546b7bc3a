import { Plaintext } from "@repo/envelope";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DriverError } from "../rotation/drivers/driver-error.ts";
import type { ProviderDriver } from "../rotation/drivers/driver.ts";
import { type DriverWorld, openTrial, otherMarker, type Trial } from "./driver-trial.ts";

/** More than a step makes. */
const mostRequests = 8;

/**
 * The promises of a rotation driver: each step may fail at each of its requests, run twice, and lose its answer. Afterwards the
 * provider has the credentials that the caller was told of, and no others of the run.
 *
 * @param name for titles
 * @param start starts the provider, once for each way in which something goes wrong
 */
export function driverContract(name: string, start: () => Promise<DriverWorld>): void {
  let printed: string[];
  let trials: Trial[];
  const open = async (): Promise<Trial> => {
    const trial = openTrial(await start());
    trials.push(trial);
    return trial;
  };

  /** Meets each fault at each request of a step, each time at a provider of its own. */
  async function atEachFault<Prepared>(
    prepare: (trial: Trial) => Promise<Prepared>,
    work: (trial: Trial, prepared: Prepared) => Promise<void>,
  ): Promise<void> {
    const [first] = trials;
    for (const fault of Object.keys((first ?? (await open())).world.faults)) {
      for (let nth = 1; nth <= mostRequests; nth += 1) {
        const trial = await open();
        const prepared = await prepare(trial);
        trial.world.faults[fault]?.(nth);
        await work(trial, prepared);
        await trial.world.stop();
        if (!trial.world.disarm()) break;
      }
    }
  }

  describe(`the contract of rotation drivers: ${name}`, () => {
    beforeEach(() => {
      printed = [];
      trials = [];
      const keep = (text: unknown) => {
        printed.push(String(text));
        return true;
      };
      for (const stream of [process.stdout, process.stderr]) {
        vi.spyOn(stream, "write").mockImplementation(keep);
      }
      for (const method of ["log", "info", "warn", "error", "debug"] as const) {
        vi.spyOn(console, method).mockImplementation(keep);
      }
    });
    afterEach(async () => {
      vi.restoreAllMocks();
      await Promise.all(trials.map(({ world }) => world.stop()));
      const output = printed.join("\n");
      for (const value of trials.flatMap((trial) => trial.values())) expect(output).not.toContain(value);
    });

    test("a new credential is accepted, and the old one stays", async () => {
      const trial = await open();
      const told = await trial.make();
      expect(await trial.driver.test(trial.call(), told.value)).toBe("accepted");
      expect(told.value.reveal()).not.toBe(trial.world.current);
      if (trial.driver.overlap === "both-valid") await trial.expectLive([told]);
    });

    test("a retired credential is rejected, and retired again it is gone", async () => {
      const trial = await open();
      const told = await trial.make();
      expect(["retired", "gone"]).toContain(await trial.driver.retire(trial.call(), told));
      if (trial.driver.manager !== "none")
        expect(await trial.driver.test(trial.call(), told.value)).toBe("rejected");
      expect(await trial.driver.confirm?.(trial.call(), told)).not.toBe(false);
      expect(await trial.driver.retire(trial.call(), told)).toBe("gone");
      await trial.expectLive([]);
    });

    test("after a fault in the middle of making one, no credential is left that the caller was not told of", async () => {
      await atEachFault(
        async () => {},
        async (trial) => {
          const told = (await trial.attempt(() => trial.make())) ?? (await again(trial));
          await trial.recover([told]);
          expect(await trial.driver.test(trial.call(), told.value)).toBe("accepted");
          // What was lost can be found nowhere but in a list.
          if (trial.driver.creates === "us" || lists(trial)) await trial.expectLive([told]);
        },
      );
    });

    /** What was told to the provider is told again; what the provider made is ended, and another one is made. */
    async function again(trial: Trial): Promise<Awaited<ReturnType<Trial["make"]>>> {
      if (trial.driver.creates === "us") return trial.makeAgain();
      await trial.recover();
      return trial.make();
    }

    test("a fault never makes a good credential look rejected, nor an ended one accepted", async () => {
      await atEachFault(
        (trial) => trial.make(),
        async (trial, told) => {
          const said = await trial.attempt(() => trial.driver.test(trial.call(), told.value));
          expect(said).not.toBe("rejected");
        },
      );
      await atEachFault(
        async (trial) => {
          const told = await trial.make();
          await trial.driver.retire(trial.call(), told);
          return told;
        },
        async (trial, told) => {
          if (trial.driver.manager === "none") return;
          const said = await trial.attempt(() => trial.driver.test(trial.call(), told.value));
          expect(said).not.toBe("accepted");
        },
      );
    });

    test("after a fault in the middle of retiring one, it is retired by doing so again", async ({ skip }) => {
      if (Object.keys((await open()).world.faults).length === 0) skip("it asks no provider");
      expect.hasAssertions();
      await atEachFault(
        (trial) => trial.make(),
        async (trial, told) => {
          const said = await trial.attempt(() => trial.driver.retire(trial.call(), told));
          if (said !== undefined) await trial.expectLive([]);
          await trial.driver.retire(trial.call(), told);
          await trial.expectLive([]);
        },
      );
    });

    test("a fault never confirms that a credential is forgotten which is accepted", async () => {
      await atEachFault(
        (trial) => trial.make(),
        async (trial, told) => {
          if (trial.driver.manager === "none") return;
          expect(await trial.attempt(async () => trial.driver.confirm?.(trial.call(), told))).not.toBe(true);
        },
      );
    });

    test("a credential of the manager that the provider does not know is an error and no retry", async () => {
      const trial = await open();
      const manager = Plaintext.fromText(trial.world.unknown);
      if (trial.driver.manager === "none") return;
      const told = await trial.make();
      for (const step of [
        () => trial.make({ manager }),
        () => trial.driver.retire(trial.call({ manager }), told),
      ]) {
        const error: unknown = await step().catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ code: "not-allowed" });
        await trial.attempt(() => Promise.reject(error));
      }
      expect(await trial.driver.test(trial.call(), manager)).toBe("rejected");
      await trial.expectLive([told]);
    });

    test("a step that is out of time ends as one that may succeed later", async () => {
      const trial = await open();
      if (trial.driver.manager === "none") return;
      const told = await trial.make();
      const late = { signal: AbortSignal.abort() };
      await expect(trial.driver.retire(trial.call(late), told)).rejects.toMatchObject({ code: "transient" });
      expect(await trial.driver.test(trial.call(late), told.value)).toBe("unknown");
      await trial.expectLive([told]);
    });

    test("answers that are lost leave no credential behind, three times in a row at each request", async ({
      skip,
    }) => {
      expect.hasAssertions();
      if (!lists(await open())) skip("the provider has no list");
      await atEachFault(
        async () => {},
        async (trial) => {
          for (const _ of [1, 2, 3]) await trial.attempt(() => trial.make());
          await trial.recover();
          await trial.expectLive([]);
        },
      );
    });

    test("credentials of this run and of others are found by their markers, and a person's is not", async ({
      skip,
    }) => {
      const trial = await open();
      if (!lists(trial)) skip("the provider has no list");
      const one = await trial.make();
      const two = await trial.make();
      const other = await trial.make({ marker: otherMarker });
      const found = [...(await listOf(trial))].toSorted((a, b) => a.marker.localeCompare(b.marker));
      const expected = [one, two, other].map(({ ref, marker }) => ({ ref, marker }));
      expect(found).toEqual(expected);
      await trial.recover([two]);
      await trial.expectLive([two, other]);
    });

    test("a fault never hides a credential from the list", async ({ skip }) => {
      expect.hasAssertions();
      if (!lists(await open())) skip("the provider has no list");
      await atEachFault(
        (trial) => trial.make(),
        async (trial, told) => {
          const found = await trial.attempt(() => listOf(trial));
          if (found !== undefined) expect(found.map(({ ref }) => ref)).toContain(told.ref);
        },
      );
    });

    test("what is called otherwise than the marker says is not touched, unless the policy has it retired", async ({
      skip,
    }) => {
      const trial = await open();
      if (!lists(trial)) skip("the provider has no list");
      const told = await trial.make();
      const manager = Plaintext.fromText(trial.world.manager ?? told.value.reveal());
      const retire = (ref: string, marker: string | undefined) =>
        trial.driver.retire(trial.call({ manager }), { ref, marker });
      await expect(retire(told.ref, otherMarker)).rejects.toThrow(DriverError);
      await expect(retire(trial.world.currentRef, told.marker)).rejects.toThrow(DriverError);
      await trial.expectLive([told]);
      expect(await retire(trial.world.currentRef, undefined)).toBe("retired");
      expect(await trial.world.live()).toEqual([told.ref]);
    });
  });
}

const lists = ({ driver }: Trial): boolean => driver.creates === "provider" && driver.find !== undefined;

async function listOf(trial: Trial): ReturnType<NonNullable<ProviderDriver["find"]>> {
  const { driver } = trial;
  return (driver.creates === "provider" && (await driver.find?.(trial.call()))) || [];
}
