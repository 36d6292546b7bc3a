import { startJobs } from "@repo/db/jobs";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { codeOf, createFixture, operationsOf, operator, type Fixture } from "../testing/fixture.ts";
import { createToys, sevenTimes, type Toys } from "../testing/toy-fixture.ts";
import { defineToyRun } from "../testing/toy-run.ts";
import { RunWaiting } from "./lease.ts";
import { createRunControl, type RunControl } from "./run-control.ts";

let fixture: Fixture;
let control: RunControl;
let toys: Toys;

const defineToy = () => defineToyRun(fixture.database);
const driving = { caller: operator, tools: {} };

beforeAll(async () => {
  fixture = await createFixture();
  toys = await createToys(fixture);
  control = createRunControl({ ...fixture.secrets, ...fixture, operations: operationsOf(fixture) }, [
    defineToy(),
  ]);
});

/** A time of the database, that many seconds from now. */
async function inSeconds(seconds: number): Promise<string> {
  const [row] = await fixture.superuser`select now() + make_interval(secs => ${seconds}) as time`;
  return new Date(String(row?.["time"])).toISOString();
}

const endWait = (id: string) =>
  fixture.superuser`update runs set not_before = now() - interval '1 ms' where id = ${id}`;

/** When the run's job is due. */
async function jobsOf(id: string): Promise<string[]> {
  const rows = await fixture.superuser`
    select run_at from graphile_worker._private_jobs where key = ${`toy:${id}`}`;
  return rows.map((row) => new Date(String(row["run_at"])).toISOString());
}

test("a run that waits has no lease, shows its wait, and is driven by no process before, and by any one after", async () => {
  const waitUntil = await inSeconds(3600);
  const toy = defineToy();
  const { id, ...rest } = await toys.start(toy, { waitUntil });
  const { row } = await toy.drive(id, driving);
  expect(row).toMatchObject({ state: "running", phase: "work", leaseHolder: null, leaseUntil: null });
  expect(await control.get(operator, id)).toMatchObject({
    state: "running",
    driven: false,
    notBefore: new Date(waitUntil),
    total: 7,
  });
  expect(await jobsOf(id)).toEqual([waitUntil]);
  await expect(toy.drive(id, driving)).rejects.toBeInstanceOf(RunWaiting);
  // A job that comes early leaves the run to one that comes in time, also where there was none.
  await fixture.superuser`delete from graphile_worker._private_jobs where key = ${`toy:${id}`}`;
  await toy.work?.(id, new AbortController().signal);
  expect(await jobsOf(id)).toEqual([waitUntil]);
  expect(await toys.countsOf({ id, ...rest }, "worked")).toEqual(sevenTimes(0));
  await endWait(id);
  expect((await toy.drive(id, driving)).row).toMatchObject({ state: "done", notBefore: null });
  expect(await toys.countsOf({ id, ...rest }, "worked")).toEqual(sevenTimes(1));
});

test("a run that waits keeps its wait when it is paused and resumed, and ends at once when it is cancelled", async () => {
  const waitUntil = await inSeconds(3600);
  const toy = defineToy();
  const { id } = await toys.start(toy, { waitUntil });
  await toy.drive(id, driving);
  await control.pause(operator, id);
  await fixture.superuser`delete from graphile_worker._private_jobs where key = ${`toy:${id}`}`;
  expect(await control.resume(operator, id)).toMatchObject({ notBefore: new Date(waitUntil) });
  expect(await jobsOf(id)).toEqual([waitUntil]);
  expect(await control.cancel(operator, id)).toMatchObject({ state: "cancelled", notBefore: undefined });
  expect(await codeOf(toy.drive(id, driving))).toBe("CONFLICT");
});

test("a run that waits is continued by a worker when its time has come", { timeout: 180_000 }, async () => {
  const waitUntil = await inSeconds(3);
  const toy = defineToy();
  const run = await toys.start(toy, { waitUntil });
  await fixture.database.acrossCompanies((statements) => toy.enqueue(statements, run));
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks: { [toy.kind]: async (_, { signal }) => toy.work?.(run.id, signal) },
    cron: {},
    log: () => {},
  });
  onTestFinished(() => jobs.stop());
  await vi.waitFor(async () => expect((await toy.get(run.id)).row.phase).toBe("work"), { timeout: 2500 });
  await vi.waitFor(async () => expect((await toy.get(run.id)).row.state).toBe("done"), { timeout: 60_000 });
  const { finishedAt } = (await toy.get(run.id)).row;
  expect(finishedAt?.getTime()).toBeGreaterThanOrEqual(Date.parse(waitUntil));
  expect(await toys.countsOf(run, "worked")).toEqual(sevenTimes(1));
});

test(
  "a run whose process is killed before, during or after the start of its wait waits, and does each item once",
  { timeout: 180_000 },
  async () => {
    const toy = defineToy();
    let killed = 0;
    for (; ; killed++) {
      const run = await toys.start(toy, { waitUntil: await inSeconds(3600) });
      const wasKilled = await toys.runDoomed({ run: run.id, killAt: killed });
      await toys.endLease(run.id);
      if (wasKilled) await toy.drive(run.id, driving);
      expect(await jobsOf(run.id), `killed at ${killed}`).toHaveLength(1);
      expect(await codeOf(toy.drive(run.id, driving)), `killed at ${killed}`).toBe("CONFLICT");
      await endWait(run.id);
      await toy.drive(run.id, driving);
      expect(await toys.countsOf(run, "worked"), `killed at ${killed}`).toEqual(sevenTimes(1));
      if (!wasKilled) break;
    }
    // The lease, and the end of the first phase with the wait.
    expect(killed).toBe(2);
  },
);
