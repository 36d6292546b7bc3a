import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { connectDatabase, type Database } from "../connect.ts";
import { DatabaseError } from "../errors.ts";
import { migrateDatabase } from "../migrate.ts";
import { createTestDatabase, type TestDatabase } from "../testing/index.ts";
import { enqueueJob } from "./enqueue.ts";
import { startJobs, type JobsOptions } from "./index.ts";

const company = "11111111-1111-4111-8111-111111111111";

let testDatabase: TestDatabase;
let superuser: postgres.Sql;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const { application, maintenance } = testDatabase.urls;
  superuser = postgres(testDatabase.superuserUrl, { max: 2, onnotice: () => {} });
  database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  await superuser`insert into job_tasks values ('forget-processes'), ('reencrypt-company'), ('rotate-master-key')`;
});
afterAll(async () => {
  await Promise.all([database.close(), superuser.end()]);
  await testDatabase.drop();
});
beforeEach(async () => {
  await superuser`delete from graphile_worker._private_jobs`;
  await superuser`delete from graphile_worker._private_known_crontabs`;
});

interface Running {
  readonly isRunning: () => boolean;
  readonly lines: readonly string[];
  readonly stop: () => Promise<void>;
}

async function runJobs(options: Partial<JobsOptions> & Pick<JobsOptions, "tasks">): Promise<Running> {
  const lines: string[] = [];
  const jobs = await startJobs({
    maintenanceUrl: testDatabase.urls.maintenance,
    cron: {},
    drainMs: 1000,
    log: (level, sentence, fields) =>
      void lines.push(`${level}: ${sentence} ${JSON.stringify(fields ?? {})}`),
    ...options,
  });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= jobs.stop());
  onTestFinished(stop);
  return { lines, stop, isRunning: () => jobs.isRunning() };
}

const enqueue = (task: string, payload: Record<string, unknown> = {}) =>
  database.inCompany(company, (statements) => enqueueJob(statements, { task, payload }));
const rows = () =>
  superuser<{ attempts: number; lockedBy: string | null; lastError: string | null; key: string | null }[]>`
    select attempts, locked_by as "lockedBy", last_error as "lastError", key from graphile_worker._private_jobs order by id`;
const until = (what: () => unknown) => vi.waitFor(what, { timeout: 60_000, interval: 20 });
/** The wait before another attempt grows to hours. */
async function makeDue(): Promise<void> {
  await superuser`update graphile_worker._private_jobs set run_at = now()`;
  await superuser`select pg_notify('jobs:insert', '{"count": 1}')`;
}
const untilNoneLeft = () => until(async () => expect(await rows()).toHaveLength(0));

/** A process of its own whose task never ends, and tells when it begins. */
async function startHangingProcess(): Promise<{
  readonly kill: () => Promise<void>;
  readonly output: () => string;
}> {
  const program = `
    const { startJobs } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    process.stdin.once("data", (url) => void startJobs({
      maintenanceUrl: url.toString(), cron: {}, log: console.log,
      tasks: { "rotate-master-key": () => { console.log("begun"); return new Promise(() => {}); } },
    }));
    console.log("ready");`;
  const child = spawn(process.execPath, ["--eval", program], { stdio: "pipe" });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  const ended = once(child, "close");
  onTestFinished(() => void child.kill("SIGKILL"));
  await until(() => expect(output).toContain("ready"));
  child.stdin.write(testDatabase.urls.maintenance);
  return {
    output: () => output,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

describe("who may do what with jobs", () => {
  const names = async (query: postgres.PendingQuery<postgres.Row[]>) =>
    (await query).map((row) => String(row["name"])).toSorted();

  test("only the maintenance role has access to the job queue, and enough to run jobs", async () => {
    const privileges = await names(superuser`
      select c.relname || ' ' || a.grantee::regrole || ' ' || string_agg(a.privilege_type, ' ' order by a.privilege_type) as name
      from pg_class c, aclexplode(c.relacl) a
      where c.relnamespace = 'graphile_worker'::regnamespace and a.grantee <> c.relowner group by c.relname, a.grantee`);
    const role = "tenant_secrets_maintenance";
    expect(privileges).toEqual([
      `_private_job_queues ${role} INSERT SELECT UPDATE`,
      `_private_jobs ${role} DELETE INSERT SELECT UPDATE`,
      `_private_known_crontabs ${role} INSERT SELECT UPDATE`,
      `_private_tasks ${role} INSERT SELECT`,
      `migrations ${role} SELECT`,
    ]);
    const functions = await names(superuser`
      select distinct proname || ' ' || a.grantee::regrole as name
      from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      where p.pronamespace = 'graphile_worker'::regnamespace and a.grantee <> p.proowner`);
    expect(functions).toEqual([`add_job ${role}`, `add_jobs ${role}`, `force_unlock_workers ${role}`]);
    const schema = await names(superuser`
      select a.grantee::regrole || ' ' || a.privilege_type as name
      from pg_namespace n, aclexplode(n.nspacl) a where nspname = 'graphile_worker' and a.grantee <> n.nspowner`);
    expect(schema).toEqual([`${role} USAGE`]);
  });

  test("the application's role can neither read jobs, nor add one past the list", async () => {
    const codeOf = (text: string) =>
      database
        .outsideCompanies((sql) => sql.unsafe(text))
        .then(
          () => "done",
          (error: unknown) => (error instanceof DatabaseError ? error.code : String(error)),
        );
    expect(await codeOf("select * from graphile_worker._private_jobs")).toBe("42501");
    expect(await codeOf("select graphile_worker.add_job('rotate-master-key')")).toBe("42501");
    expect(await codeOf("select enqueue_jobs('drop-everything', '[]')")).toBe("22023");
    expect(await codeOf("select enqueue_jobs(null, '[]')")).toBe("22023");
    for (const payload of [undefined, null, [], 1, { a: "x".repeat(9000) }]) {
      const jobs = JSON.stringify([{ payload: {} }, { payload }]);
      expect(await codeOf(`select enqueue_jobs('rotate-master-key', '${jobs}')`), jobs).toBe("22023");
    }
    expect(await codeOf(`select enqueue_jobs('rotate-master-key', '[{"payload":{}}]')`)).toBe("done");
  });

  test("a task is one that the application may add a job of once a process has run jobs with it", async () => {
    const codeOf = (call: Promise<unknown>) =>
      call.then(
        () => "done",
        (error: unknown) => (error instanceof DatabaseError ? error.code : String(error)),
      );
    expect(await codeOf(enqueue("count-stars"))).toBe("22023");
    // The maintenance role runs jobs, and may add one before any process knows its task.
    const early = database.acrossCompanies((statements) =>
      enqueueJob(statements, { task: "count-stars", payload: {} }),
    );
    expect(await codeOf(early)).toBe("done");
    const malformed = database.acrossCompanies((statements) =>
      enqueueJob(statements, { task: "Count stars", payload: {} }),
    );
    expect(await codeOf(malformed)).toBe("22023");
    let counted = 0;
    await runJobs({ tasks: { "count-stars": async () => void (counted += 1) } });
    await untilNoneLeft();
    expect(await codeOf(enqueue("count-stars"))).toBe("done");
    await untilNoneLeft();
    expect(counted).toBe(2);
    const write = database.inCompany(company, (statements) =>
      statements.execute("insert into job_tasks values ('drop-everything')"),
    );
    expect(await codeOf(write)).toBe("42501");
  });

  test("a key replaces a job of the same task that waits, and of no other", async () => {
    const add = (task: string) =>
      database.inCompany(company, (statements) =>
        enqueueJob(statements, { task, payload: {}, jobKey: "one" }),
      );
    await add("rotate-master-key");
    await add("rotate-master-key");
    await add("reencrypt-company");
    expect(new Set((await rows()).map(({ key }) => key))).toEqual(
      new Set(["reencrypt-company:one", "rotate-master-key:one"]),
    );
  });
});

test("a migration that the runner's tables refuse ends with a code, and with nothing of the driver's text", async () => {
  const other = await createTestDatabase();
  onTestFinished(() => other.drop());
  const owner = postgres(other.superuserUrl, { max: 1, onnotice: () => {} });
  await owner`alter table graphile_worker.migrations owner to current_user`;
  await owner`revoke all on graphile_worker.migrations from tenant_secrets_maintenance`;
  await owner.end();
  const failed = migrateDatabase(other.urls.migration);
  await expect(failed).rejects.toMatchObject({ name: "DatabaseError", code: "42501", kind: "other" });
  await expect(failed).rejects.not.toThrow("denied");
});

describe("a job", () => {
  test("is there once its transaction commits, and not at all when that is rolled back", async () => {
    const seen: unknown[] = [];
    await runJobs({
      tasks: { "reencrypt-company": async (payload) => void seen.push(payload) },
    });
    const rolledBack = database.inCompany(company, async (statements) => {
      await enqueueJob(statements, { task: "reencrypt-company", payload: { companyId: "rolled back" } });
      throw new RangeError("undone");
    });
    await expect(rolledBack).rejects.toThrow("undone");
    await enqueue("reencrypt-company", { companyId: company });
    await until(() => expect(seen).not.toEqual([]));
    await untilNoneLeft();
    expect(seen).toEqual([{ companyId: company }]);
  });

  test("does not run before its time", async () => {
    let runs = 0;
    await runJobs({ tasks: { "reencrypt-company": async () => void (runs += 1) } });
    await database.inCompany(company, (statements) =>
      enqueueJob(statements, {
        task: "reencrypt-company",
        payload: {},
        runAt: new Date(Date.now() + 3_600_000),
      }),
    );
    await enqueue("reencrypt-company");
    await until(async () => expect(await rows()).toHaveLength(1));
    expect(runs).toBe(1);
  });

  test("waits for a process that knows its task", async () => {
    const first = await runJobs({ tasks: { "forget-processes": async () => {} } });
    await enqueue("reencrypt-company");
    await enqueue("forget-processes");
    await until(() => expect(first.lines.join()).toContain("job forget-processes done"));
    await until(async () => expect(await rows()).toMatchObject([{ attempts: 0, lockedBy: null }]));
    await runJobs({ tasks: { "reencrypt-company": async () => {} } });
    await untilNoneLeft();
  });

  test("that fails runs again, and leaves the class and code of its error and nothing of its text or payload", async () => {
    const errors = [
      Object.assign(new TypeError("a-canary"), { code: "ERR_FAKE", cause: "a-canary", detail: "a-canary" }),
      Object.assign(new RangeError("a-canary"), { code: "a-canary", name: "a-canary" }),
      "a-canary",
      new AggregateError([new Error("a-canary")], "a-canary"),
    ];
    let calls = 0;
    const runs: string[] = [];
    const { lines } = await runJobs({
      onRun: ({ task, outcome, durationMs }) => runs.push(`${task} ${outcome} ${durationMs < 15_000}`),
      tasks: {
        "rotate-master-key": async () => {
          const error = errors[calls++];
          if (error !== undefined) throw error;
        },
      },
    });
    await enqueue("rotate-master-key", { value: "a-canary" });
    const diagnoses: unknown[] = [];
    for (const attempts of [1, 2, 3, 4]) {
      await until(async () => expect(await rows()).toMatchObject([{ attempts, lockedBy: null }]));
      diagnoses.push((await rows())[0]?.lastError);
      await makeDue();
    }
    expect(diagnoses).toEqual(["TypeError ERR_FAKE", "RangeError", "string", "AggregateError"]);
    await untilNoneLeft();
    expect(calls).toBe(5);
    const failed = Array.from({ length: 4 }, () => "rotate-master-key failed true");
    expect(runs).toEqual([...failed, "rotate-master-key done true"]);
    expect(
      lines.filter((line) => line.startsWith("warn: job rotate-master-key failed, and will run again")),
    ).toHaveLength(4);
    expect(lines.join()).toContain('"diagnosis":"TypeError ERR_FAKE"');
    expect(lines.join()).not.toContain("canary");
  });

  test("that fails for the last time is an error in the log, and stays in the table", async () => {
    await superuser`select graphile_worker.add_job('rotate-master-key', max_attempts => 1)`;
    const { lines } = await runJobs({
      tasks: { "rotate-master-key": () => Promise.reject(new Error("a-canary")) },
    });
    await until(() =>
      expect(lines.join()).toContain("error: job rotate-master-key failed, for the last time"),
    );
    await until(async () => expect(await rows()).toMatchObject([{ attempts: 1, lastError: "Error" }]));
  });
});

describe("stopping", () => {
  test("lets a job finish that runs, and takes no other", async () => {
    const steps: string[] = [];
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { stop, isRunning } = await runJobs({
      concurrency: 1,
      drainMs: 10_000,
      tasks: {
        "rotate-master-key": async () => {
          steps.push("begun");
          begin();
          await sleep(500);
          steps.push("done");
        },
      },
    });
    await enqueue("rotate-master-key");
    await begun;
    await enqueue("rotate-master-key");
    expect(isRunning()).toBe(true);
    const stopped = stop();
    expect(isRunning()).toBe(false);
    await stopped;
    expect(steps).toEqual(["begun", "done"]);
    expect(await rows()).toMatchObject([{ attempts: 0, lockedBy: null }]);
  });

  test("tells a job that takes long, releases one that will not end, and another process runs it", async () => {
    const told: boolean[] = [];
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { stop } = await runJobs({
      tasks: {
        "rotate-master-key": (_, { signal }) => {
          signal.addEventListener("abort", () => told.push(signal.aborted));
          begin();
          return new Promise(() => {});
        },
      },
    });
    await enqueue("rotate-master-key");
    await begun;
    await stop();
    expect(told).toEqual([true]);
    expect(await rows()).toMatchObject([{ attempts: 1, lockedBy: null }]);
    await makeDue();
    await runJobs({ tasks: { "rotate-master-key": async () => {} } });
    await untilNoneLeft();
  });

  test("starting the jobs succeeds while the database is unavailable, which is logged", async () => {
    const { lines, stop, isRunning } = await runJobs({
      maintenanceUrl: "postgres://nobody:a-canary@127.0.0.1:1/nowhere",
      tasks: { "rotate-master-key": async () => {} },
    });
    expect(lines).toEqual([
      'warn: jobs do not run at the moment, and are started again {"diagnosis":"Error ECONNREFUSED"}',
    ]);
    expect(isRunning()).toBe(false);
    await stop();
  });
});

describe("when something is lost", () => {
  test("the job of a process that was killed runs again elsewhere", async () => {
    const child = await startHangingProcess();
    await enqueue("rotate-master-key");
    await until(() => expect(child.output()).toContain("begun"));
    let runs = 0;
    const { lines } = await runJobs({
      lookForDeadMs: 200,
      tasks: { "rotate-master-key": async () => void (runs += 1) },
    });
    // Long enough for several looks: a worker that lives keeps its job.
    await sleep(1500);
    expect(runs).toBe(0);
    expect(await rows()).toMatchObject([{ attempts: 1, lockedBy: expect.any(String) }]);
    await child.kill();
    await untilNoneLeft();
    expect(runs).toBe(1);
    expect(lines.join()).toContain("jobs: 1 workers are gone, and their jobs run again");
  });

  test("connections that the server ends, again and again, cost no job", async () => {
    const seen = new Set<unknown>();
    const { lines } = await runJobs({
      lookForDeadMs: 200,
      tasks: {
        "reencrypt-company": async (payload) => {
          await sleep(20);
          seen.add(JSON.stringify(payload));
        },
      },
    });
    const count = 60;
    for (let no = 0; no < count; no++) {
      await enqueue("reencrypt-company", { keyVersion: no });
      if (no % 10 === 5) {
        await superuser`select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'tenant-secrets jobs' and datname = current_database()`;
      }
      await sleep(20);
    }
    await untilNoneLeft();
    expect(seen.size).toBe(count);
    expect(lines.join()).toMatch(/warn: jobs/);
  });
});

test("jobs that were due while no process ran them run once, however many processes start", async () => {
  const due = new Date(Date.now() - 600_000);
  for (const task of ["forget-processes", "forget-write-requests"]) {
    await superuser`insert into graphile_worker._private_known_crontabs (identifier, known_since, last_execution)
      values (${task}, now() - interval '3 hours', now() - interval '20 minutes')`;
  }
  const payloads: unknown[] = [];
  const options: Pick<JobsOptions, "tasks" | "cron"> = {
    tasks: { "forget-processes": async (payload) => void payloads.push(payload) },
    cron: { "forget-processes": `${due.getUTCMinutes()} * * * *` },
  };
  const all = await Promise.all([runJobs(options), runJobs(options), runJobs(options)]);
  await until(() => expect(payloads).not.toEqual([]));
  await untilNoneLeft();
  await Promise.all(all.map(({ stop }) => stop()));
  expect(payloads).toEqual([{}]);
});
