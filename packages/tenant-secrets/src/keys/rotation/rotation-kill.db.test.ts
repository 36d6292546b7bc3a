import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { startJobs } from "@repo/db/jobs";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { z } from "zod";
import type { Orders } from "../../testing/doomed-process.ts";
import { createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";
import { createTasks } from "../../jobs/jobs.ts";

const script = fileURLToPath(new URL("../../testing/doomed-process.ts", import.meta.url));

let fixture: Fixture;
let directory: string;
let waiting: ReturnType<typeof start> | undefined;
const values = new Map<string, Readonly<Record<string, string>>>();

beforeAll(async () => {
  [fixture, directory] = await Promise.all([createFixture(), mkdtemp(path.join(tmpdir(), "kills-"))]);
  for (let i = 0; i < 3; i++) {
    const subdomain = await fixture.company("database");
    const company = fixture.secrets.company(subdomain, product);
    for (const value of ["one", "two", `of ${subdomain}`]) await company.set("CUSTOM_A", value);
    await company.set("CUSTOM_B", "b");
    values.set(subdomain, { CUSTOM_A: `of ${subdomain}`, CUSTOM_B: "b" });
  }
});
afterAll(async () => {
  if (waiting?.kill("SIGKILL") === true) await once(waiting, "exit");
  await rm(directory, { recursive: true });
});

const start = () =>
  spawn(process.execPath, [script], {
    stdio: ["pipe", "pipe", "inherit"],
    // The later processes reuse the compile cache of the first.
    env: { NODE_COMPILE_CACHE: directory },
  });

/** Runs a process until it has killed itself, or is done. The next one starts meanwhile, and waits for its orders. */
async function run(orders: z.input<typeof Orders>): Promise<{ killed: boolean; printed: string[] }> {
  const child = waiting ?? start();
  waiting = start();
  onTestFinished(() => void child.kill("SIGKILL"));
  const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
  child.stdin.end(
    JSON.stringify({
      ...orders,
      applicationUrl: fixture.urls.application,
      maintenanceUrl: fixture.urls.maintenance,
      infisical: { siteUrl, clientId, clientSecret, projectId },
    }),
  );
  const ended = once(child, "exit");
  const printed = (await text(child.stdout)).trim().split("\n");
  const [code, signal]: unknown[] = await ended;
  expect(signal ?? code).toBe(signal === null ? 0 : "SIGKILL");
  return { killed: signal === "SIGKILL", printed };
}

async function readAll(): Promise<void> {
  const fresh = fixture.another();
  for (const [subdomain, secrets] of values) {
    const scope = await fresh.companies.resolve({ caller: product, action: "secret.read" }, subdomain);
    for (const [secretKey, value] of Object.entries(secrets)) {
      expect((await fresh.vault.read(scope, { secretKey })).value).toBe(value);
    }
  }
}

/** Ends the killed process's lease, so that the test need not wait for it. */
const endLease = () => fixture.superuser`update runs set lease_until = now() where finished_at is null`;

/** The steps of a rotation in order. A process killed at one has done all before it and nothing after. */
const steps = [
  "stage begins",
  "stage the new key is in Infisical",
  "stage is done",
  "backup begins",
  "backup is done",
  "distribute begins",
  "distribute is done",
  "activate begins",
  "activate is done",
  "rewrap begins",
  "rewrap 3 keys rewrapped",
  "rewrap 5 keys rewrapped",
  "rewrap is done",
  "verify begins",
  "verify 3 companies opened with the new key alone",
  "verify is done",
  "retire begins",
  "retire is done",
  "report begins",
  "report is done",
];
/** Nothing happens between the end of a phase and the start of the next: testing one of the two is enough. */
const kills = steps.flatMap((_, i) => (steps[i + 1]?.endsWith("begins") === true ? [] : [i]));

test(
  "a rotation that is killed at any step leaves every value readable, and the next process finishes it",
  { timeout: 240_000 },
  async () => {
    for (const killAt of kills) {
      expect(await run({ work: "rotate", killAt })).toEqual({
        killed: true,
        printed: steps.slice(0, killAt + 1),
      });
      await readAll();
      await endLease();
      const next: string[] = [];
      await fixture.another().keyRotation.rotate(operator, {
        backup: () => Promise.resolve("sha256:fake"),
        onStep: ([phase, done]) => void next.push(`${phase} ${done}`),
      });
      expect(next.at(-1), steps[killAt]).toBe("report is done");
      await readAll();
    }
    const [state] = await fixture.superuser`select
      (select count(*)::int from master_keys where status = 'active') as active,
      (select count(*)::int from master_keys where status not in ('active', 'retired')) as between,
      (select count(*)::int from company_key_wraps) as wraps,
      (select count(*)::int from runs where finished_at is null) as unfinished`;
    expect({ ...state }).toEqual({ active: 1, between: 0, wraps: 3, unfinished: 0 });
  },
);

test("a rotation killed between registering its new key and putting it into Infisical finishes with another key", async () => {
  const statesOf = async () => {
    const rows = await fixture.superuser`select version, status from master_keys order by version`;
    return rows.map((row) => String(row["status"]));
  };
  const before = await statesOf();
  expect((await run({ work: "rotate", killAt: "put" })).killed).toBe(true);
  expect(await statesOf()).toEqual([...before, "pending"]);
  await readAll();
  await endLease();
  await fixture.another().keyRotation.rotate(operator, { backup: () => Promise.resolve("sha256:fake") });
  expect(await statesOf()).toEqual([
    ...before.map((status) => (status === "active" ? "retired" : status)),
    "destroyed",
    "active",
  ]);
  await readAll();
});

test("a requested rotation continues as a job of another process after its own is killed", async () => {
  const recipient = await identityToRecipient(await generateIdentity());
  const server = fixture.another({ backupDestination: { recipients: [recipient], directory } });
  const { id } = await server.keyRotation.request(operator);
  // The seven changes: the lease, the new key's check value, the staging, the backup and its record, the loading by all processes, the
  // activation.
  const backup = { recipients: [recipient], directory };
  expect((await run({ work: "jobs", backup, killAt: 7 })).killed).toBe(true);
  const phaseOf = async () => {
    const [row] = await fixture.superuser`select phase from runs where id = ${id}`;
    return row?.["phase"];
  };
  expect(await phaseOf()).toBe("rewrap");
  await readAll();
  await endLease();
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks: createTasks({ database: fixture.database, secrets: server, log: () => {} }),
    cron: {},
    log: () => {},
    lookForDeadMs: 100,
  });
  onTestFinished(() => jobs.stop());
  await vi.waitFor(async () => expect(await phaseOf()).toBe("done"), { timeout: 60_000 });
  await readAll();
  const [event] = await fixture.superuser`select actor_kind, actor_id from audit_events
    where action = 'key.retire' order by position desc limit 1`;
  expect({ ...event }).toEqual({ actor_kind: "operator", actor_id: "test-operator" });
});

test("a company key rotation killed before any commit loses nothing, and the next one finishes it", async () => {
  const [[subdomain] = [""]] = values;
  let killed = 0;
  const halfway = new Set<string>();
  while ((await run({ work: "rotate-company", subdomain, killAt: killed })).killed) {
    killed++;
    await readAll();
    const keys =
      await fixture.superuser`select k.status from company_keys k join companies c on c.id = k.company_id
      where subdomain = ${subdomain} and k.status <> 'destroyed' order by key_version`;
    halfway.add(keys.map((key) => key["status"]).join());
    await endLease();
    const { keyVersion } = await fixture.secrets.companyKeyRotation.rotateCompanyKey(operator, subdomain);
    await readAll();
    const [state] = await fixture.superuser`
      with company as (select id from companies where subdomain = ${subdomain})
      select
        (select count(*)::int from company_keys where company_id in (table company) and status <> 'destroyed') as keys,
        (select count(*)::int from company_key_wraps where company_id in (table company)) as wraps,
        (select array_agg(distinct split_part(value_encrypted, '.', 2)::int) from (
          select secret_value_encrypted as value_encrypted from company_secrets where company_id in (table company)
          union all
          select value_encrypted from company_secret_versions where company_id in (table company) and value_encrypted is not null) s) as under`;
    expect({ ...state }).toEqual({ keys: 1, wraps: 1, under: [keyVersion] });
  }
  expect(halfway).toEqual(new Set(["active", "retiring,active"]));
  // The new key, the heads, the versions, the MACs of heads, the end of the old key.
  expect(killed).toBe(5);
});
