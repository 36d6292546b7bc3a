import { createHash } from "node:crypto";
import { startJobs } from "@repo/db/jobs";
import { TRPCError } from "@trpc/server";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { createTasks, schedule } from "../jobs/jobs.ts";
import { createCaller } from "../router/router.ts";
import { createCallerContext, publicError } from "../router/trpc.ts";
import { createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";

let fixture: Fixture;
let own: string;
let foreign: string;
let auditor: Person;

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
  own = await fixture.company("database");
  foreign = await fixture.company("database");
  auditor = await fixture.person(own, "auditor");
  for (const company of [own, foreign]) {
    await fixture.secrets.company(company, product).set("CUSTOM_A", "fake_first_0001");
  }
});

const api = (caller: Caller) => createCaller(createCallerContext(fixture.secrets, caller)).audit;
const sealer = () => fixture.secrets.createSealer({ onSealed: () => {}, onAlarm: () => {} });
const soon = { timeout: 60_000 };

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof TRPCError ? publicError(error).code : "no error";
}

/** The outcomes of the verifications that jobs did, in order. */
async function verified(): Promise<string[]> {
  const rows = await fixture.superuser`
    select outcome, reason from audit_events where action = 'audit.verify' and actor_kind = 'job' order by position`;
  return rows.map((row) => `${String(row["outcome"])} ${String(row["reason"])}`);
}

/** What the log of the jobs says, and the alarms that they count. */
const said: { readonly level: string; readonly sentence: string; readonly code: string | undefined }[] = [];
const counted: string[] = [];
const tasks = () =>
  createTasks({
    secrets: fixture.secrets,
    database: fixture.database,
    log: (level, sentence, fields) => void said.push({ level, sentence, code: fields?.code }),
    onAuditAlarm: (code) => counted.push(code),
  });

async function verifyNow(signal = new AbortController().signal): Promise<void> {
  await tasks()["verify-audit-log"]?.({}, { signal });
}

test("a proof says up to which batch and time all is sealed, and how many events wait, of the company or of all", async () => {
  expect(await api(auditor).proof({ company: own })).toMatchObject({
    sealed: undefined,
    verification: undefined,
  });
  const sealAll = async () => {
    await sealer().tick();
    return (await api(operator).proof({})).unsealed;
  };
  // Each look is an event itself.
  await expect.poll(sealAll, soon).toBeLessThan(3);
  const [row] = await fixture.superuser`
    select index, sealed_at as at from audit_checkpoints order by index desc limit 1`;
  const before = await api(auditor).proof({ company: own });
  expect(before.sealed).toEqual({ batch: row?.["index"], at: row?.["at"] });

  const all = await api(operator).proof({});
  for (let i = 0; i < 5; i++) {
    await fixture.secrets.company(own, product).set("CUSTOM_A", `fake_${i}`);
  }
  await fixture.secrets.company(foreign, product).set("CUSTOM_A", "fake_foreign_0001");
  // The company's five, and the look before; of all companies one more, and the operator's look.
  expect((await api(auditor).proof({ company: own })).unsealed).toBe(before.unsealed + 6);
  expect((await api(operator).proof({})).unsealed).toBe(all.unsealed + 8);
});

test("the fingerprint is that of the newest public key", async () => {
  const { publicKeys } = await api(operator).publicKeys();
  const last = publicKeys.trim().split("-----BEGIN PUBLIC KEY-----").at(-1) ?? "";
  const der = Buffer.from(last.replace("-----END PUBLIC KEY-----", "").replaceAll(/\s/g, ""), "base64");
  const { keyFingerprint } = await api(auditor).proof({ company: own });
  expect(keyFingerprint).toBe(createHash("sha256").update(der).digest("hex"));
});

test("an operator starts a verification, which one job does however often it was asked for, and whose outcome stays", async () => {
  expect(await codeOf(api(auditor).verify())).toBe("FORBIDDEN");
  expect(await codeOf(api(product).verify())).toBe("FORBIDDEN");
  for (let i = 0; i < 3; i++) await api(operator).verify();
  const waiting = await fixture.superuser`select key from graphile_worker._private_jobs`;
  expect(waiting).toHaveLength(1);
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks: tasks(),
    cron: {},
    log: () => {},
    drainMs: 1000,
  });
  onTestFinished(() => jobs.stop());
  await expect.poll(verified, soon).toEqual(["success null"]);
  const { sealed, verification } = await api(auditor).proof({ company: own });
  expect(verification).toEqual({
    finishedAt: expect.any(Date),
    batch: sealed?.batch,
    outcome: "sound",
    findings: 0,
  });
  const requests = await fixture.superuser`
    select actor_id, outcome from audit_events where action = 'audit.request-verification' and outcome = 'success'`;
  expect(requests).toHaveLength(3);
  expect(requests[0]).toEqual({ actor_id: "test-operator", outcome: "success" });
});

test("the audit log is verified every night, and a night without a worker is made up for once", async () => {
  const count = (await verified()).length;
  const verification = schedule["verify-audit-log"] ?? "none";
  await fixture.superuser`
    insert into graphile_worker._private_known_crontabs (identifier, known_since, last_execution)
    values ('verify-audit-log', now() - interval '3 days', now() - interval '2 days')`;
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks: tasks(),
    cron: { "verify-audit-log": verification },
    log: () => {},
    drainMs: 1000,
  });
  onTestFinished(() => jobs.stop());
  await expect.poll(async () => (await verified()).length, soon).toBe(count + 1);
  const { verification: last } = await api(operator).proof({});
  expect(last?.outcome).toBe("sound");
  expect(Date.now() - (last?.finishedAt.getTime() ?? 0)).toBeLessThan(60_000);
  expect({ said, counted }).toEqual({ said: [], counted: [] });
});

test("a verification that does not come to an end is audited as failed, and leaves the outcome before it", async () => {
  const { verification } = await api(operator).proof({});
  const count = (await verified()).length;
  await expect(verifyNow(AbortSignal.abort(new Error("the process stops")))).rejects.toThrow(
    "the process stops",
  );
  expect(await verified()).toHaveLength(count);
  await fixture.superuser`alter table audit_checkpoints rename to hidden`;
  try {
    await expect(verifyNow()).rejects.toThrow("database error");
  } finally {
    await fixture.superuser`alter table hidden rename to audit_checkpoints`;
  }
  await fixture.secrets.flush();
  expect((await verified()).at(-1)).toBe("failed INTERNAL");
  expect((await api(operator).proof({})).verification).toEqual(verification);
});

test("a verification that finds a change says so to operators and companies, without what changed", async () => {
  await sealer().tick();
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update audit_events set actor_id = 'forged' where id = (
      select id from audit_events where action = 'secret.write' order by position limit 1)`;
  });
  await verifyNow();
  expect((await verified()).at(-1)).toBe("failed INTEGRITY_FAILURE");
  const { verification } = await api(auditor).proof({ company: own });
  expect(verification?.outcome).toBe("changed");
  expect(verification?.findings).toBeGreaterThan(0);
  expect(Object.keys(verification ?? {}).toSorted()).toEqual(["batch", "findings", "finishedAt", "outcome"]);
  // One without the job, from the command line, has its outcome kept as well.
  await fixture.secrets.audit.verify(operator, {});
  const [kept] = await fixture.superuser`select count(*)::int as n from audit_verifications`;
  expect(kept).toEqual({ n: 4 });
});

test("findings of the nightly verification are an alarm for operators, without what changed", () => {
  expect(counted).toEqual(["AUDIT_CHANGED"]);
  expect(said).toEqual([
    {
      level: "error",
      code: "AUDIT_CHANGED",
      sentence: expect.stringMatching(
        /^the verification of the audit log has [1-9]\d* findings: keep this log/,
      ),
    },
  ]);
});

test("another company's proof is NOT_FOUND, and the platform's is for operators", async () => {
  for (const company of [foreign, "nowhere", "__proto__", ""]) {
    expect(await codeOf(api(auditor).proof({ company }))).toBe("NOT_FOUND");
  }
  expect(await codeOf(api(auditor).proof({}))).toBe("FORBIDDEN");
  expect(await codeOf(api(product).proof({ company: own }))).toBe("FORBIDDEN");
});
