import { expect, test } from "vitest";
import { createSlots, createTurns } from "./concurrency.ts";
import { startDeadline } from "./deadline.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { failureOf } from "./testing/fixture.ts";

const pause = (durationMs: number) => new Promise<void>((resolve) => setTimeout(resolve, durationMs));

test("runs work of one key in order and one at a time, after failures too, and other keys meanwhile", async () => {
  const turns = createTurns();
  const log: string[] = [];
  const work = (key: string, index: number) =>
    turns(key, startDeadline(1_000), async () => {
      log.push(`+${key}${index}`);
      await pause(5);
      log.push(`-${key}${index}`);
      if (index === 1) throw new Error("broken");
    });
  const results = await Promise.allSettled([work("a", 1), work("a", 2), work("b", 1), work("a", 3)]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "fulfilled"]);
  expect(log.filter((entry) => entry.includes("a"))).toEqual(["+a1", "-a1", "+a2", "-a2", "+a3", "-a3"]);
  expect(log.indexOf("+b1")).toBeLessThan(log.indexOf("-a1"));
});

test("lets a turn that came too late pass to the next without running it", async () => {
  const turns = createTurns();
  const log: string[] = [];
  const slow = turns("a", startDeadline(1_000), () => pause(40));
  const late = failureOf(turns("a", startDeadline(10), async () => void log.push("late")));
  const patient = turns("a", startDeadline(1_000), async () => void log.push("patient"));
  expect((await late).code).toBe("TIMEOUT");
  await Promise.all([slow, patient]);
  expect(log).toEqual(["patient"]);
});

test("gives a slot to those that still wait for it, and loses none to those that gave up", async () => {
  const slots = createSlots(1, 1_000);
  const first = slots.run(startDeadline(1_000), () => pause(30));
  const gaveUp = failureOf(slots.run(startDeadline(10), () => pause(0)));
  const waited = slots.run(startDeadline(1_000), async () => "done");
  expect((await gaveUp).code).toBe("TIMEOUT");
  await first;
  expect(await waited).toBe("done");
  expect(await slots.run(startDeadline(1_000), async () => "again")).toBe("again");
});

test("gives back a slot that was handed over just as the deadline passed", async () => {
  const slots = createSlots(1, 1_000);
  const first = slots.run(startDeadline(1_000), () => pause(5));
  const passed = new InfisicalError("TIMEOUT");
  const tooLate: Deadline = {
    ...startDeadline(1_000),
    race: async (work) => {
      await work;
      throw passed;
    },
  };
  await expect(slots.run(tooLate, () => pause(0))).rejects.toBe(passed);
  await first;
  expect(await slots.run(startDeadline(100), async () => "free")).toBe("free");
});

test("keeps the slot of work that was given up on until that work has ended, or its grace", async () => {
  const slots = createSlots(1, 1_000);
  const { promise: abandoned, resolve: end } = Promise.withResolvers<void>();
  expect((await failureOf(slots.run(startDeadline(5), () => abandoned))).code).toBe("TIMEOUT");
  let isStarted = false;
  const second = slots.run(startDeadline(5), async () => void (isStarted = true));
  expect((await failureOf(second)).code).toBe("TIMEOUT");
  expect(isStarted).toBe(false);
  end();
  expect(await slots.run(startDeadline(1_000), async () => "free")).toBe("free");

  const impatient = createSlots(1, 20);
  const never = new Promise(() => undefined);
  expect((await failureOf(impatient.run(startDeadline(5), () => never))).code).toBe("TIMEOUT");
  expect((await failureOf(impatient.run(startDeadline(5), async () => "early"))).code).toBe("TIMEOUT");
  expect(await impatient.run(startDeadline(1_000), async () => "free")).toBe("free");
  const hopeless = Promise.reject(new InfisicalError("RATE_LIMITED"));
  const patience = startDeadline(60_000);
  expect((await failureOf(impatient.run(patience, () => never, { hopeless }))).code).toBe("RATE_LIMITED");
  expect(await impatient.run(startDeadline(1_000), async () => "free")).toBe("free");
});

test("urgent requests have one reserved slot, and precede all waiting ones", async () => {
  const slots = createSlots(3, 1_000);
  const { promise: hung, resolve: end } = Promise.withResolvers<void>();
  const order: string[] = [];
  const ordinary = Array.from({ length: 10 }, (_, i) =>
    slots.run(startDeadline(5_000), async () => {
      order.push(`ordinary ${i}`);
      await hung;
    }),
  );
  await slots.run(startDeadline(1_000), async () => void order.push("urgent"), { isUrgent: true });
  expect(order).toEqual(["ordinary 0", "ordinary 1", "urgent"]);
  end();
  await Promise.all(ordinary);
  expect(order).toHaveLength(11);
});
