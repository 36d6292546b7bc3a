import { expect, it, onTestFinished, vi } from "vitest";
import { createCalls, type CallOptions, type DatabaseCall } from "./calls.ts";
import { DatabaseError } from "./errors.ts";

function callsWith(options: Partial<CallOptions> = {}) {
  const told: DatabaseCall[] = [];
  const calls = createCalls({
    pool: "application",
    deadlineMs: 5000,
    silenceMs: options.deadlineMs ?? 5000,
    heardAt: () => -Infinity,
    maxPending: 3,
    connections: 3,
    onCall: (call) => told.push(call),
    startsUnavailable: false,
    onSilence: () => {},
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

it("a call is pending for as long as the driver works on it, even after its caller got a timeout", async () => {
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

it.each(["ECONNREFUSED", "CONNECT_TIMEOUT", "57P03", "53300", "TIMEOUT"])(
  "after %s all calls but one per connection fail immediately, until one is answered",
  async (code) => {
    const { calls } = callsWith({ connections: 2 });
    const isUnavailable = new DatabaseError("unavailable", code);
    expect(await reasonOf(calls.run(() => Promise.reject(isUnavailable)))).toBe(isUnavailable);
    const { promise, resolve } = Promise.withResolvers<void>();
    const trying = [1, 2].map(() => calls.run(() => promise));
    expect(await reasonOf(calls.run(async () => {}))).toEqual(
      new DatabaseError("unavailable", "UNAVAILABLE"),
    );
    resolve();
    await Promise.all(trying);
    const after = [1, 2, 3].map(() => calls.run(async () => "served"));
    expect(await Promise.all(after)).toEqual(["served", "served", "served"]);
  },
);

it.each(["57P01", "CONNECTION_CLOSED", "57014", "53100"])(
  "takes as many calls after %s as before: a server is there",
  async (code) => {
    const { calls } = callsWith({ connections: 1 });
    await reasonOf(calls.run(() => Promise.reject(new DatabaseError("unavailable", code))));
    const { promise, resolve } = Promise.withResolvers<string>();
    const waiting = [1, 2, 3].map(() => calls.run(() => promise));
    resolve("served");
    expect(await Promise.all(waiting)).toEqual(["served", "served", "served"]);
  },
);

it("tells of silence when a call is late and no other was heard of since it began", async () => {
  const silences: string[] = [];
  const { calls } = callsWith({ deadlineMs: 30, onSilence: () => silences.push("silence") });
  const never = () => reasonOf(calls.run(() => new Promise(() => {})));
  const late = never();
  await reasonOf(calls.run(() => Promise.reject(new DatabaseError("other", "42P01"))));
  await late;
  expect(silences).toEqual([]);
  await never();
  expect(silences).toEqual(["silence"]);
});

it("a pool that starts with its server unavailable fails calls immediately, and gives a slow answer the whole deadline", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const silences: string[] = [];
  const { calls } = callsWith({
    deadlineMs: 10_000,
    connections: 1,
    startsUnavailable: true,
    onSilence: () => silences.push("silence"),
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = reasonOf(calls.run(() => promise));
  expect(await reasonOf(calls.run(async () => {}))).toEqual(new DatabaseError("unavailable", "UNAVAILABLE"));
  await vi.advanceTimersByTimeAsync(2000);
  expect(await slow).toEqual(new DatabaseError("unavailable", "TIMEOUT"));
  await vi.advanceTimersByTimeAsync(1000);
  resolve();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(silences).toEqual([]);
  void reasonOf(calls.run(() => new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(silences).toEqual(["silence"]);
});

it("waits less long for a server that did not answer before, until one is heard of, however late its answer", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { calls, told } = callsWith({ deadlineMs: 10_000, connections: 10, maxPending: 10 });
  const { promise, resolve } = Promise.withResolvers<void>();
  const waited = async () => {
    const call = reasonOf(calls.run(() => promise));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(await call).toEqual(new DatabaseError("unavailable", "TIMEOUT"));
    return told.at(-1)?.durationMs;
  };
  expect([await waited(), await waited(), await waited()]).toEqual([10_000, 2000, 2000]);
  resolve();
  await vi.advanceTimersByTimeAsync(0);
  const never = reasonOf(calls.run(() => new Promise(() => {})));
  await vi.advanceTimersByTimeAsync(10_000);
  await never;
  expect(told.at(-1)?.durationMs).toBe(10_000);
});

it("takes a server for silent only when nothing came on any connection for that long", async () => {
  const silences: string[] = [];
  const options = { deadlineMs: 20, silenceMs: 1000 };
  const heard = callsWith({
    ...options,
    heardAt: () => performance.now(),
    onSilence: () => silences.push("with a server that speaks"),
  });
  const silent = callsWith({ ...options, onSilence: () => silences.push("with one that does not") });
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = [heard, silent].map(({ calls }) => reasonOf(calls.run(() => promise)));
  expect(await Promise.all(late)).toMatchObject([{ code: "TIMEOUT" }, { code: "TIMEOUT" }]);
  expect(silences).toEqual([]);
  await vi.waitFor(() => expect(silences).toEqual(["with one that does not"]), 60_000);
  resolve();
});
