import { startJobs } from "@repo/db/jobs";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { codeOf, createFixture, operationsOf, operator, type Fixture } from "../testing/fixture.ts";
import { createToys, sevenTimes, type Toys } from "../testing/toy-fixture.ts";
import { defineToyRun, type ToyTools } from "../testing/toy-run.ts";
import { RunDriven, type RunRow } from "./lease.ts";
import { createRunControl, type RunControl } from "./run-control.ts";

let fixture: Fixture;
let control: RunControl;
let toys: Toys;

const defineToy = (tools: ToyTools = {}) => defineToyRun(fixture.database, { cleansUp: true, tools });
const drive = (id: string, tools: ToyTools = {}) => defineToy().drive(id, { caller: operator, tools });
const undone = (run: RunRow) => toys.countsOf(run, "undone");

beforeAll(async () => {
  fixture = await createFixture();
  toys = await createToys(fixture);
  control = createRunControl({ ...fixture.secrets, ...fixture, operations: operationsOf(fixture) }, [
    defineToy(),
  ]);
});

/** A driver that stops before its second batch until it is released. */
function driveHeld(id: string) {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const ended = drive(id, {
    beforeBatch: async (done) => {
      if (done !== 2) return;
      reached.resolve();
      await released.promise;
    },
  });
  ended.catch(() => {});
  return { reached: reached.promise, release: () => released.resolve(), ended };
}

/** A run that was cancelled after its first batch. */
async function cancelled(items = 7): Promise<RunRow> {
  const run = await toys.start(defineToy(), { items });
  const driver = driveHeld(run.id);
  await driver.reached;
  await control.cancel(operator, run.id);
  driver.release();
  await expect(driver.ended).rejects.toMatchObject({ because: "cancelling" });
  return run;
}

test("a cancelled run is cleaned up before it ends, and keeps its subject until then", async () => {
  const run = await cancelled();
  expect(await control.get(operator, run.id)).toMatchObject({
    state: "cancelling",
    phase: "work",
    done: 0,
    driven: false,
    finishedAt: undefined,
  });
  expect(await defineToy().findUnfinished(run.subject)).toBeDefined();
  expect(await codeOf(control.pause(operator, run.id))).toBe("CONFLICT");
  expect(await control.cancel(operator, run.id)).toMatchObject({ state: "cancelling" });
  const said: string[] = [];
  const { row } = await defineToy().drive(run.id, {
    caller: operator,
    tools: {},
    onStep: ([phase, done]) => void said.push(`${phase} ${done}`),
  });
  expect(said).toEqual([
    "clean-up begins",
    ...[2, 4, 6, 7].map((done) => `clean-up ${done} items undone`),
    "clean-up is done",
  ]);
  expect(row).toMatchObject({ state: "cancelled", phase: "work", leaseHolder: null });
  expect(row.finishedAt).not.toBeNull();
  expect(await toys.countsOf(run, "worked")).toEqual([1, 1, 0, 0, 0, 0, 0]);
  expect(await undone(run)).toEqual(sevenTimes(1));
  expect(await defineToy().findUnfinished(run.subject)).toBeUndefined();
});

test(
  "a clean-up that is killed in any of its transactions is finished by another process, with each item undone once",
  { timeout: 180_000 },
  async () => {
    let killed = 0;
    for (; ; killed++) {
      const run = await cancelled(5);
      if (!(await toys.runDoomed({ run: run.id, killAt: killed, cleansUp: true }))) break;
      await toys.endLease(run.id);
      const { row } = await drive(run.id);
      expect(row.state, `killed at ${killed}`).toBe("cancelled");
      expect(await undone(run), `killed at ${killed}`).toEqual([1, 1, 1, 1, 1]);
    }
    // The lease, three batches, the end.
    expect(killed).toBe(5);
  },
);

test("a clean-up that was taken over is refused in its next step", async () => {
  const run = await cancelled();
  const stale = driveHeld(run.id);
  await stale.reached;
  await toys.endLease(run.id);
  const holder = driveHeld(run.id);
  await holder.reached;
  stale.release();
  await expect(stale.ended).rejects.toMatchObject({ code: "CONFLICT" });
  await expect(drive(run.id)).rejects.toBeInstanceOf(RunDriven);
  holder.release();
  await holder.ended;
  expect(await undone(run)).toEqual(sevenTimes(1));
});

test("a job does the clean-up, and is retried if it fails", { timeout: 180_000 }, async () => {
  const run = await cancelled();
  let failures = 0;
  const toy = defineToy({
    beforeBatch: (done) => {
      if (done === 4 && failures++ === 0) throw new Error("a-canary");
    },
  });
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks: { [toy.kind]: async (payload, { signal }) => toy.work?.(idIn(payload), signal) },
    cron: {},
    log: () => {},
  });
  onTestFinished(() => jobs.stop());
  await vi.waitFor(async () => expect((await toy.get(run.id)).row.state).toBe("cancelled"), {
    timeout: 60_000,
  });
  expect(failures).toBe(2);
  expect(await undone(run)).toEqual(sevenTimes(1));
});

const idIn = (payload: unknown): string => (payload as { run: string }).run;

test("a run whose error is final is cleaned up, and keeps that error", async () => {
  const run = await toys.start(defineToy());
  const failing = drive(run.id, {
    beforeBatch: () => {
      throw new TenantSecretsError("KEY_DESTROYED", "a fake error that is final");
    },
  });
  await expect(failing).rejects.toMatchObject({ code: "KEY_DESTROYED" });
  const [job] = await fixture.superuser`
    select from graphile_worker._private_jobs where key = ${`toy-that-cleans-up:${run.id}`}`;
  expect(job).toBeDefined();
  const error = { code: "KEY_DESTROYED", message: "a fake error that is final" };
  expect(await control.get(operator, run.id)).toMatchObject({ state: "cancelling", error });
  await drive(run.id);
  expect(await control.get(operator, run.id)).toMatchObject({ state: "cancelled", error });
  expect(await undone(run)).toEqual(sevenTimes(1));
});

test("a clean-up that fails keeps the run unfinished, and an operator has it tried again", async () => {
  const run = await cancelled();
  const broken = drive(run.id, {
    beforeBatch: () => {
      throw new TenantSecretsError("KEY_DESTROYED", "a fake error");
    },
  });
  await expect(broken).rejects.toMatchObject({ code: "KEY_DESTROYED" });
  expect(await control.get(operator, run.id)).toMatchObject({ state: "cancelling", attempts: 1 });
  expect(await control.resume(operator, run.id)).toMatchObject({ state: "cancelling", attempts: 0 });
  expect((await drive(run.id)).row.state).toBe("cancelled");
});
