import { DatabaseError } from "@repo/db";
import { startJobs } from "@repo/db/jobs";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { codeOf, createFixture, operationsOf, operator, product, type Fixture } from "../testing/fixture.ts";
import { createToys, sevenTimes, type Toys } from "../testing/toy-fixture.ts";
import { defineToyRun, type ToyInput, type ToyOptions } from "../testing/toy-run.ts";
import { holdRun, mostAttempts, RunDriven, RunStopped, type RunRow } from "./lease.ts";
import { createRunControl, type RunControl } from "./run-control.ts";

let fixture: Fixture;
let control: RunControl;
let toys: Toys;

const defineToy = (options?: ToyOptions) => defineToyRun(fixture.database, options);

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
  toys = await createToys(fixture);
  const kinds = [
    defineToy(),
    defineToy({ kind: "toy-for-good", cancellable: false }),
    defineToy({ kind: "toy-by-job" }),
  ];
  control = createRunControl({ ...fixture.secrets, ...fixture, operations: operationsOf(fixture) }, kinds);
});

const start = (input: Partial<ToyInput> = {}, toy = defineToy()) => toys.start(toy, input);
const worked = (run: RunRow) => toys.countsOf(run, "worked");
const endLease = (id: string) => toys.endLease(id);
const runDoomed = (run: string, killAt: number) => toys.runDoomed({ run, killAt });

/** A driver that waits before its second batch until it is released. */
function startHeld(id: string) {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const ended = defineToy().drive(id, {
    caller: operator,
    tools: {
      beforeBatch: async (done) => {
        if (done !== 2) return;
        reached.resolve();
        await released.promise;
      },
    },
  });
  ended.catch(() => {});
  return { reached: reached.promise, release: () => released.resolve(), ended };
}

describe("driving runs", () => {
  test("a run executes its phases in order and each item once, reports progress, and stores its report", async () => {
    const row = await start();
    const said: string[] = [];
    const { row: ended } = await defineToy().drive(row.id, {
      caller: operator,
      tools: {},
      onStep: ([phase, done, progress]) =>
        void said.push(`${phase} ${done} ${progress.done}/${progress.total ?? "-"}`),
    });
    expect(said).toEqual([
      "prepare begins 0/-",
      "prepare is done 0/7",
      "work begins 0/7",
      "work 2 items 2/7",
      "work 4 items 4/7",
      "work 6 items 6/7",
      "work 7 items 7/7",
      "work is done 0/-",
      "finish begins 0/-",
      "finish is done 0/-",
    ]);
    expect(await worked(row)).toEqual(sevenTimes(1));
    expect(ended).toMatchObject({
      state: "done",
      phase: "done",
      report: '{"skipped":[]}',
      leaseHolder: null,
    });
    expect(ended.finishedAt).not.toBeNull();
  });

  test("a run is unique per kind and subject, however many callers start it concurrently", async () => {
    const toy = defineToy();
    const attempts = Array.from({ length: 50 }, () =>
      fixture.database.acrossCompanies((statements) =>
        toy.start(statements, {
          subject: "the same",
          input: { items: 1, poison: null, companyId: null },
          facts: { skipped: [] },
          caller: operator,
        }),
      ),
    );
    const started = (await Promise.all(attempts)).filter((row) => row !== undefined);
    expect(started).toHaveLength(1);
    const rows = await fixture.superuser`select id from runs where subject = 'the same'`;
    expect(rows.map((row) => row["id"])).toEqual([started[0]?.id]);
    const drives = await Promise.all(
      Array.from({ length: 50 }, () =>
        codeOf(toy.drive(started[0]?.id ?? "", { caller: operator, tools: {} })),
      ),
    );
    expect(drives.filter((code) => code === "no error")).toHaveLength(1);
    expect(new Set(drives)).toEqual(new Set(["no error", "CONFLICT"]));
    expect(await fixture.superuser`select worked from toy_items where subject = 'the same'`).toMatchObject([
      { worked: 1 },
    ]);
  });

  test("a run skips and names an item that fails, and continues with the next ones", async () => {
    const row = await start({ poison: 3 });
    const { facts } = await defineToy().drive(row.id, { caller: operator, tools: {} });
    expect(facts).toEqual({ skipped: ["item 3"] });
    expect(await worked(row)).toEqual([1, 1, 0, 1, 1, 1, 1]);
  });

  test(
    "that is killed in any of its transactions is finished by another process, with each item done once",
    { timeout: 240_000 },
    async () => {
      let killed = 0;
      for (; ; killed++) {
        const row = await start({ items: 5, poison: 3 });
        if (!(await runDoomed(row.id, killed))) break;
        await endLease(row.id);
        const { facts } = await defineToy().drive(row.id, { caller: operator, tools: {} });
        expect(facts, `killed at ${killed}`).toEqual({ skipped: ["item 3"] });
        expect(await worked(row), `killed at ${killed}`).toEqual([1, 1, 0, 1, 1]);
      }
      // The lease, the first phase, three batches and the end of the second phase, the last phase.
      expect(killed).toBe(7);
    },
  );
});

describe("a driver whose run was taken over", () => {
  test.each(["maintenance", "application"])(
    "is refused in the transaction of its next step, in the %s role",
    async (role) => {
      const subdomain = await fixture.company("database");
      const [company] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
      const row = await start({ companyId: role === "application" ? String(company?.["id"]) : null });
      const stale = startHeld(row.id);
      await stale.reached;
      await endLease(row.id);
      await defineToy().drive(row.id, { caller: operator, tools: {} });
      stale.release();
      await expect(stale.ended).rejects.toBeInstanceOf(RunDriven);
      expect(await worked(row)).toEqual(sevenTimes(1));
    },
  );

  test("a driver whose run was taken over does not change the new holder's lease", async () => {
    const row = await start();
    const stale = startHeld(row.id);
    await stale.reached;
    await endLease(row.id);
    const holder = startHeld(row.id);
    await holder.reached;
    stale.release();
    await expect(stale.ended).rejects.toBeInstanceOf(RunDriven);
    const taken = defineToy().drive(row.id, { caller: operator, tools: {} });
    await expect(taken).rejects.toBeInstanceOf(RunDriven);
    holder.release();
    await holder.ended;
    expect(await worked(row)).toEqual(sevenTimes(1));
    expect((await defineToy().get(row.id)).row).toMatchObject({
      state: "done",
      attempts: 0,
      errorCode: null,
    });
  });

  test("a driver keeps its lease while it commits steps, and a guessed token is refused", async () => {
    const row = await start();
    const driver = startHeld(row.id);
    await driver.reached;
    for (const [holder, token] of [
      [crypto.randomUUID(), 1],
      [crypto.randomUUID(), 2],
    ] as const) {
      const guess = fixture.database.inCompany(crypto.randomUUID(), (statements) =>
        holdRun(statements, row.id, { holder, token }),
      );
      await expect(guess).rejects.toBeInstanceOf(RunDriven);
    }
    const look = fixture.database.outsideCompanies((client) => client`select * from runs`);
    await expect(look).rejects.toBeInstanceOf(DatabaseError);
    driver.release();
    await driver.ended;
  });
});

describe("operators and runs", () => {
  test("an operator pauses a run between two steps, sees its progress, and resumes it at its position", async () => {
    const row = await start();
    const driver = startHeld(row.id);
    await driver.reached;
    expect(await control.get(operator, row.id)).toMatchObject({
      kind: "toy",
      state: "running",
      phase: "work",
      done: 2,
      total: 7,
      perSecond: expect.any(Number),
      secondsLeft: expect.any(Number),
      driven: true,
      requestedBy: { kind: "operator", id: "test-operator" },
    });
    expect(await control.pause(operator, row.id)).toMatchObject({ state: "paused" });
    driver.release();
    await expect(driver.ended).rejects.toMatchObject({ code: "CONFLICT", because: "paused" });
    expect(await worked(row)).toEqual([1, 1, 0, 0, 0, 0, 0]);
    const held = defineToy().drive(row.id, { caller: operator, tools: {} });
    await expect(held).rejects.toBeInstanceOf(RunStopped);
    // As a retry, whose first answer was lost.
    expect(await control.pause(operator, row.id)).toMatchObject({ state: "paused" });
    expect(await control.resume(operator, row.id)).toMatchObject({
      state: "running",
      driven: false,
      attempts: 0,
    });
    await defineToy().drive(row.id, { caller: operator, tools: {} });
    expect(await worked(row)).toEqual(sevenTimes(1));
    expect(await codeOf(control.resume(operator, row.id))).toBe("CONFLICT");
  });

  test("an operator cancels a run between two steps permanently, and another run of its subject can start", async () => {
    const row = await start();
    const driver = startHeld(row.id);
    await driver.reached;
    expect(await control.cancel(operator, row.id)).toMatchObject({
      state: "cancelled",
      finishedAt: expect.any(Date),
    });
    const [first, second] = [await control.get(operator, row.id), await control.cancel(operator, row.id)];
    expect(second).toEqual(first);
    driver.release();
    await expect(driver.ended).rejects.toMatchObject({ because: "cancelled" });
    expect(await worked(row)).toEqual([1, 1, 0, 0, 0, 0, 0]);
    expect(await defineToy().findUnfinished(row.subject)).toBeUndefined();
    expect(await codeOf(control.resume(operator, row.id))).toBe("CONFLICT");
  });

  test("an operator cannot cancel a run that may not end half done", async () => {
    const toy = defineToy({ kind: "toy-for-good", cancellable: false });
    const row = await start({}, toy);
    expect(await codeOf(control.cancel(operator, row.id))).toBe("NOT_SUPPORTED");
    expect(await control.get(operator, row.id)).toMatchObject({ state: "running" });
  });

  test("an operator lists the newest runs first, page by page, or only unfinished ones", async () => {
    const rows = [await start(), await start(), await start()];
    const ids = rows.map(({ id }) => id).toReversed();
    const page = await control.list(operator, { limit: 2 });
    expect(page.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const next = await control.list(operator, { limit: 1, before: page.at(-1)?.id });
    expect(next.map(({ id }) => id)).toEqual(ids.slice(2));
    await defineToy().drive(rows[2]?.id ?? "", { caller: operator, tools: {} });
    const unfinished = await control.list(operator, { limit: 2, unfinished: true });
    expect(unfinished.map(({ id }) => id)).toEqual(ids.slice(1));
  });

  test("only operators control runs, and each request is audited", async () => {
    const row = await start();
    const calls = [
      control.list(product, { limit: 1 }),
      control.get(product, row.id),
      control.pause(product, row.id),
      control.resume(product, row.id),
      control.cancel(product, row.id),
    ];
    expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => "FORBIDDEN"));
    expect(await codeOf(control.get(operator, crypto.randomUUID()))).toBe("NOT_FOUND");
    await control.pause(operator, row.id);
    await control.resume(operator, row.id);
    await control.cancel(operator, row.id);
    const events = await fixture.superuser`select actor_kind || ' ' || action as text from audit_events
      where subject = ${row.id} and action <> 'run.get' order by position`;
    const texts = events.map((event) => String(event["text"]));
    expect([...texts.slice(0, 3).toSorted(), ...texts.slice(3)]).toEqual([
      ...["cancel", "pause", "resume"].map((action) => `job run.${action}`),
      ...["pause", "resume", "cancel"].map((action) => `operator run.${action}`),
    ]);
  });
});

describe("a run whose step throws", () => {
  const broken = () => {
    throw new Error("a-canary");
  };

  test("a failing run stores the error's code without its text, fails permanently after enough attempts, and can be resumed", async () => {
    const toy = defineToy({ tools: { beforeBatch: broken } });
    const row = await start({}, toy);
    for (let attempt = 1; attempt <= mostAttempts; attempt++) {
      await expect(toy.work?.(row.id, new AbortController().signal)).rejects.toThrow("a-canary");
      expect(await control.get(operator, row.id)).toMatchObject({
        attempts: attempt,
        state: attempt < mostAttempts ? "running" : "failed",
        error: { code: "INTERNAL" },
        driven: false,
      });
    }
    expect(JSON.stringify(await control.get(operator, row.id))).not.toContain("canary");
    // A late job finds nothing to do.
    await toy.work?.(row.id, new AbortController().signal);
    expect((await control.get(operator, row.id)).attempts).toBe(mostAttempts);
    await control.resume(operator, row.id);
    const { row: ended } = await defineToy().drive(row.id, { caller: operator, tools: {} });
    expect(ended).toMatchObject({ state: "done", attempts: 0, errorCode: null, errorMessage: null });
    expect(await worked(row)).toEqual(sevenTimes(1));
  });

  test("a failing run is retried by the job queue, from its position", { timeout: 180_000 }, async () => {
    let failures = 0;
    const toy = defineToy({
      kind: "toy-by-job",
      tools: {
        beforeBatch: (done) => {
          if (done === 4 && failures++ === 0) broken();
        },
      },
    });
    const row = await start({}, toy);
    await fixture.database.acrossCompanies((statements) => toy.enqueue(statements, row));
    const jobs = await startJobs({
      maintenanceUrl: fixture.urls.maintenance,
      tasks: { [toy.kind]: async (_, { signal }) => toy.work?.(row.id, signal) },
      cron: {},
      log: () => {},
    });
    onTestFinished(() => jobs.stop());
    await vi.waitFor(async () => expect((await toy.get(row.id)).row.state).toBe("done"), { timeout: 60_000 });
    expect(failures).toBe(2);
    expect(await worked(row)).toEqual(sevenTimes(1));
  });
});

test("a stopped driver stops between two steps, and another one continues at once", async () => {
  const row = await start();
  const stopping = new AbortController();
  const stopped = defineToy().drive(row.id, {
    caller: operator,
    tools: { beforeBatch: (done) => (done === 4 ? stopping.abort() : undefined) },
    signal: stopping.signal,
  });
  await expect(stopped).rejects.toMatchObject({ because: "aborted" });
  expect(await worked(row)).toEqual([1, 1, 1, 1, 0, 0, 0]);
  expect((await defineToy().get(row.id)).row).toMatchObject({ attempts: 0, leaseHolder: null });
  await defineToy().drive(row.id, { caller: operator, tools: {} });
  expect(await worked(row)).toEqual(sevenTimes(1));
});

test("committed facts of a phase are available to the process that takes over", async () => {
  const row = await start({ poison: 1 });
  const held = startHeld(row.id);
  await held.reached;
  const { facts } = await defineToy().get(row.id);
  expect(facts).toEqual({ skipped: ["item 1"] });
  held.release();
  await held.ended;
});
