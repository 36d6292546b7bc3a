import { expect, it } from "vitest";
import { createCalls, type CallOptions, type DatabaseCall } from "./calls.ts";
import { DatabaseError } from "./errors.ts";

function callsWith(options: Partial<CallOptions> = {}) {
  const told: DatabaseCall[] = [];
  const calls = createCalls({
    pool: "application",
    deadlineMs: 5000,
    maxPending: 3,
    onCall: (call) => told.push(call),
    ...options,
  });
  return { calls, told };
}

const reasonOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "succeeded",
    (reason: unknown) => reason,
  );

it("refuses one call more than may be pending at once and without beginning it, and takes calls again afterwards", async () => {
  const { calls, told } = callsWith();
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = [1, 2, 3].map(() => calls.run(() => promise));
  let begun = false;
  const refused = await reasonOf(calls.run(async () => void (begun = true)));
  expect(refused).toEqual(new DatabaseError("unavailable", "TOO_MANY_PENDING"));
  expect([begun, calls.pending()]).toEqual([false, 3]);
  resolve();
  await Promise.all(waiting);
  expect(calls.pending()).toBe(0);
  expect(await calls.run(async () => "served")).toBe("served");
  expect(told.map(({ outcome }) => outcome)).toEqual(["unavailable", "ok", "ok", "ok", "ok"]);
});

it("counts a call as pending for as long as the driver works on it, also when its caller was told that it is late", async () => {
  const { calls } = callsWith({ deadlineMs: 20, maxPending: 1 });
  const { promise, resolve } = Promise.withResolvers<void>();
  let wasLate: boolean | undefined;
  const late = calls.run(async (isLate) => {
    await promise;
    wasLate = isLate();
  });
  expect(await reasonOf(late)).toEqual(new DatabaseError("unavailable", "TIMEOUT"));
  expect(calls.pending()).toBe(1);
  expect(await reasonOf(calls.run(async () => {}))).toEqual(
    new DatabaseError("unavailable", "TOO_MANY_PENDING"),
  );
  resolve();
  await expect.poll(() => calls.pending()).toBe(0);
  expect(wasLate).toBe(true);
});

it("tells what became of each call: what the caller's own function throws is no failure of the database", async () => {
  const { calls, told } = callsWith({ pool: "maintenance" });
  const itsOwn = new RangeError("of the caller");
  for (const thrown of [
    itsOwn,
    new DatabaseError("constraint", "23505"),
    new DatabaseError("unavailable", "53300"),
  ]) {
    expect(await reasonOf(calls.run(() => Promise.reject(thrown)))).toBe(thrown);
  }
  const atOnce = (): Promise<void> => {
    throw itsOwn;
  };
  expect(await reasonOf(calls.run(atOnce))).toBe(itsOwn);
  expect(told.map(({ pool, outcome }) => `${pool} ${outcome}`)).toEqual([
    "maintenance ok",
    "maintenance failed",
    "maintenance unavailable",
    "maintenance ok",
  ]);
  expect(told.every(({ durationMs }) => durationMs >= 0)).toBe(true);
  expect(calls.pending()).toBe(0);
});
