import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, migrateDatabase, provisionDatabase, type DatabaseUrls } from "@repo/db";
import { startPrimary, startStandby, type Standby, type StreamingServer } from "@repo/db/standby";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type AuditVerification,
  type Failover,
  type RunningSealer,
  type SealedBatch,
  type SealerAlarm,
} from "@repo/audit-log";
import { createExportVerifier } from "@repo/audit-log/verify";
import { systemCaller } from "@repo/catalog";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets, type TenantSecrets } from "../tenant-secrets.ts";

// A primary, an asynchronous standby that lacks its last seconds, and two processes that go on with it. The tests tell one
// story in order: what an attacker changes is undone.

type Process = TenantSecrets<typeof deliveryChatCatalog>;

const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
const product = systemCaller("test", { verbs: ["describe", "use", "write"], secretKeys: ["*"] });
/** Processes report unused numbers within a second. */
const settledAfterMs = 1500;

let primary: StreamingServer;
let standby: Standby;
let emulator: Awaited<ReturnType<typeof startInfisicalEmulator>>;
let infisical: InfisicalClient;
let urls: DatabaseUrls;
let processes: [Process, Process];
let sealers: RunningSealer[] = [];
/** Of the promoted server. */
let superuser: postgres.Sql;
const archived: SealedBatch[] = [];
const alarms: SealerAlarm[] = [];
/** The versions that the first server acknowledged and the promoted one lacks. */
let lostFrom = 0;

/** As applications name a primary and a standby. */
function both(url: string): string {
  const { username, password, pathname } = new URL(url);
  const hosts = [primary, standby].map(({ port }) => `127.0.0.1:${port}`).join(",");
  return `postgres://${username}:${password}@${hosts}${pathname}?target_session_attrs=primary`;
}

function startProcess(): Process {
  return createTenantSecrets({
    database: {
      applicationUrl: both(urls.application),
      maintenanceUrl: both(urls.maintenance),
      listenerUrl: both(urls.listener),
    },
    infisical,
    catalog: deliveryChatCatalog,
    operatorApprovals: 1,
    onAlarm: () => {},
  });
}

/** Seals ten times a second, and archives the checkpoints. */
function seal(by: Process): RunningSealer {
  return by.admin
    .createSealer({
      onSealed: (batch) => archived.push(batch),
      onAlarm: (alarm) => alarms.push(alarm),
      intervalMs: 100,
    })
    .run();
}

beforeAll(async () => {
  primary = await startPrimary();
  urls = await provisionDatabase({ superuserUrl: primary.superuserUrl, database: "secrets" });
  await migrateDatabase(urls.migration);
  standby = await startStandby(primary);
  emulator = await startInfisicalEmulator();
  infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  processes = [startProcess(), startProcess()];
  for (const each of processes) await each.start();
  sealers = processes.map(seal);
  superuser = postgres(new URL("/secrets", standby.superuserUrl).href, { max: 2, onnotice: () => {} });
}, 180_000);

afterAll(async () => {
  await Promise.all(sealers.map((sealer) => sealer.stop()));
  for (const each of processes) await each.stop();
  await superuser.end({ timeout: 1 });
  await Promise.all([standby.stop(), primary.stop(), emulator.stop()]);
}, 60_000);

const company = (which: 0 | 1) => processes[which].company("acmecorp", product);

/** Reads and writes in both processes until it is stopped. @returns the last value that a write acknowledged */
function load(): { readonly wrote: () => number; stop(): Promise<void> } {
  let wrote = 0;
  const stopping = new AbortController();
  const work = async (which: 0 | 1): Promise<void> => {
    for (let turn = 1; !stopping.signal.aborted; turn++) {
      const value = 2 * turn + which;
      await company(which)
        .set("CUSTOM_COUNT", String(value))
        .then(
          () => (wrote = value),
          () => sleep(50),
        );
      await company(which)
        .get("CUSTOM_COUNT")
        .catch(() => {});
      await sleep(20);
    }
  };
  const working = Promise.all([work(0), work(1)]);
  return {
    wrote: () => wrote,
    stop: async () => {
      stopping.abort();
      await working;
    },
  };
}

const verify = (checkpoints: readonly (Omit<SealedBatch, "full"> | SealedBatch)[] = archived) =>
  processes[0].admin.audit.verify(operator, { checkpoints, settledAfterMs });

const kindsOf = ({ findings }: AuditVerification) => findings.map(({ kind }) => kind).toSorted();

const acknowledge = (confirm: (failovers: readonly Failover[]) => Promise<boolean> = async () => true) =>
  processes[0].admin.audit.acknowledgeFailover(operator, { checkpoints: archived, confirm });

/** A database administrator who disables the triggers, and is undone. @returns what `look` answered in between */
async function whileTampered<T>(statements: readonly string[], look: () => Promise<T>): Promise<T> {
  for (const sealer of sealers) await sealer.stop();
  await tamper(
    "create table kept_events as select * from audit_events",
    "create table kept_batches as select * from audit_checkpoints",
    ...statements,
  );
  try {
    return await look();
  } finally {
    await tamper(
      "delete from audit_events where id in (select id from kept_events) or actor_id = 'forged'",
      "insert into audit_events overriding system value select * from kept_events on conflict do nothing",
      "delete from audit_checkpoints where index <= (select max(index) from kept_batches)",
      "insert into audit_checkpoints select * from kept_batches",
      "drop table kept_events, kept_batches",
    );
  }
}

async function tamper(...statements: readonly string[]): Promise<void> {
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    for (const statement of statements) await sql.unsafe(statement);
  });
}

/** The timelines of the signed checkpoints, in order, each once. */
async function timelines(): Promise<(number | null)[]> {
  const rows = await superuser<{ timeline: number | null }[]>`
    select timeline from audit_checkpoints order by index`;
  return [...new Set(rows.map(({ timeline }) => timeline))];
}

test("processes go on after a failover that lost seconds, and agree on what the promoted server has", async () => {
  await processes[0].admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  const working = load();
  await expect.poll(() => working.wrote() > 10 && archived.length > 3).toBe(true);
  await standby.caughtUp();
  await standby.cutOff();
  lostFrom = working.wrote();
  const checkpoints = archived.length;
  await expect.poll(() => working.wrote() > lostFrom + 40 && archived.length > checkpoints + 4).toBe(true);
  await primary.stopImmediately();
  await standby.promote();
  await expect.poll(async () => (await timelines()).length, { interval: 200 }).toBe(2);
  // A process that lives on for longer than it may take to report a number.
  await sleep(2 * settledAfterMs);
  await working.stop();
  await expect.poll(() => processes.every((each) => each.isListening())).toBe(true);
  await company(0).set("CUSTOM_COUNT", "the last");
  await expect.poll(() => company(1).get("CUSTOM_COUNT")).toBe("the last");
  expect(await company(0).get("CUSTOM_COUNT")).toBe("the last");
  expect(await timelines()).toEqual([1, 2]);
});

test("a failover is an alarm of its own, in place of that of a changed audit log", () => {
  expect([...new Set(alarms.map(({ code }) => code))]).toContain("AUDIT_FAILED_OVER");
  expect(alarms.map(({ code }) => code)).not.toContain("AUDIT_CHANGED");
  expect(alarms.find(({ code }) => code === "AUDIT_FAILED_OVER")?.message).toContain("on timeline 2");
});

test("until an operator acknowledges it, each lost checkpoint is a finding, and rows and heads are none", async () => {
  const verification = await verify();
  expect(kindsOf(verification)).toEqual(["checkpoint-unknown", "sequence-numbers-missing"]);
  const [failover] = verification.failovers;
  expect(verification.failovers).toHaveLength(1);
  expect(failover?.timelines).toEqual([1, 2]);
  expect(failover?.lost.length).toBeGreaterThanOrEqual(4);
  expect(verification.findings.find(({ kind }) => kind === "checkpoint-unknown")?.count).toBe(
    failover?.lost.length,
  );
  // Checkpoints of the same index from before and after are two.
  expect(failover?.lost.every(({ timeline }) => timeline === 1)).toBe(true);
  expect(verification.notices.join()).toContain('run "audit acknowledge-failover"');
  const { audit } = await processes[0].admin.system.health(operator);
  expect(audit).toMatchObject({
    failover: { afterBatch: failover?.after.batch, at: failover?.sealedAt },
    // A verification has findings besides.
    alarms: expect.arrayContaining(["AUDIT_FAILED_OVER"]),
  });
});

test("the state of the system finds a failover after one checkpoint, after many, and where none is", async () => {
  const looked = async () => (await processes[1].admin.system.health(operator)).audit?.failover?.afterBatch;
  const [row] = await superuser<{ first: number; last: number }[]>`
    select min(index)::int as first, max(index)::int as last from audit_checkpoints`;
  const { first = 0, last = 0 } = row ?? {};
  for (const after of [first, first + 1, last - 2, last - 1]) {
    await whileTampered(
      [`update audit_checkpoints set timeline = case when index <= ${after} then 1 else 2 end`],
      async () => {
        await expect.poll(looked, { timeout: 5000 }).toBe(after);
      },
    );
  }
  for (const timeline of ["2", "null", `case when index <= ${first + 1} then null else 2 end`])
    await whileTampered([`update audit_checkpoints set timeline = ${timeline}`], async () => {
      await expect.poll(looked, { timeout: 5000 }).toBeUndefined();
    });
});

test("a forged acknowledgement excuses nothing", async () => {
  const [failover] = (await verify()).failovers;
  const lost = failover?.lost.at(0);
  const event = (action: string, version: number | undefined, subject: string | undefined) =>
    `insert into audit_events overriding system value select (jsonb_populate_record(e, jsonb_build_object(
      'id', gen_random_uuid(), 'position', position + 1000000, 'xid', '99999999', 'action', '${action}', 'version', ${version}, 'subject', '${subject}',
      'actor_kind', 'operator', 'actor_id', 'forged', 'outcome', 'success'))).* from audit_events e where position = (select max(position) from audit_events)`;
  const found = await whileTampered(
    [
      event("audit.acknowledge-failover", failover?.after.batch, `${failover?.after.checkpoint} 1 1`),
      event("audit.lost-checkpoint", lost?.batch, lost?.checkpoint),
    ],
    async () => kindsOf(await verify()),
  );
  expect(found).toEqual(["checkpoint-unknown", "event-not-genuine", "sequence-numbers-missing"]);
});

test("what no change of the timeline explains cannot be acknowledged", async () => {
  // As if the log had been cut on one and the same timeline: the first batches of the new one, sealed again.
  const forged = await whileTampered(["update audit_checkpoints set timeline = 1"], async () => ({
    kinds: kindsOf(await verify()),
    refusal: await acknowledge().then(
      () => "acknowledged",
      (error: unknown) => (error instanceof Error ? error.message : ""),
    ),
  }));
  expect(forged.kinds).toEqual(expect.arrayContaining(["checkpoint-unknown", "signature-wrong"]));
  expect(forged.refusal).toContain("There is no failover to acknowledge");
  // A timeline that is written into a signed checkpoint is no failover.
  const set = await whileTampered(["update audit_checkpoints set timeline = 0 where index < 3"], verify);
  expect(set.failovers).toHaveLength(1);
  expect(kindsOf(set)).toEqual(expect.arrayContaining(["checkpoint-unknown", "signature-wrong"]));
  // Nor is the signed timeline of another checkpoint.
  const moved = await whileTampered(
    [
      `update audit_checkpoints set (timeline, timeline_signature) =
        (select timeline, timeline_signature from audit_checkpoints where timeline = 1 limit 1) where timeline = 2`,
    ],
    verify,
  );
  expect(moved.failovers).toEqual([]);
  expect(kindsOf(moved)).toEqual(expect.arrayContaining(["checkpoint-unknown", "signature-wrong"]));
  // Without timelines no failover shows, as in checkpoints of release 0.1.0: nothing is excused.
  const erased = await whileTampered(
    ["update audit_checkpoints set timeline = null, timeline_signature = null"],
    verify,
  );
  expect(erased.failovers).toEqual([]);
  expect(kindsOf(erased)).toContain("checkpoint-unknown");
});

test("one of two operators acknowledges it, while the log is sealed, and an answer of no acknowledges nothing", async () => {
  expect(await acknowledge(async () => false)).toEqual([]);
  expect(kindsOf(await verify())).toContain("checkpoint-unknown");
  const meeting = Promise.withResolvers<void>();
  let arrived = 0;
  const together = () => {
    if (++arrived === 2) meeting.resolve();
    return meeting.promise.then(() => true);
  };
  const working = load();
  sealers = processes.map(seal);
  const [one, two] = await Promise.allSettled([acknowledge(together), acknowledge(together)]);
  await working.stop();
  expect([one.status, two.status].toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(
    one.status === "rejected" ? one.reason : two.status === "rejected" ? two.reason : undefined,
  ).toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("Another operator acknowledged it"),
  });
  await expect(acknowledge()).rejects.toMatchObject({ code: "CONFLICT" });
});

test("afterwards exactly that loss is a notice, which says how much was lost and who acknowledged it", async () => {
  const verification = await verify();
  expect(verification.findings).toEqual([]);
  const [acknowledged] = verification.failovers[0]?.acknowledged ?? [];
  expect(acknowledged).toMatchObject({ operator: "test-operator", checkpoints: expect.any(Number) });
  expect(acknowledged?.events).toBeGreaterThan(10);
  expect(verification.notices).toContainEqual(
    expect.stringMatching(
      /^After batch \d+ of \S+, the database was failed over .* from timeline 1 to 2, .* \d+ checkpoints with \d+ events lost, acknowledged by operator test-operator on 20\S+Z\.$/,
    ),
  );
  // Without the archive, too, in which the loss would not show.
  expect(kindsOf(await verify([]))).toEqual([]);
  await expect
    .poll(async () => (await processes[0].admin.system.health(operator)).audit)
    .toMatchObject({ failover: undefined, alarms: [] });
});

test("another lost checkpoint, a cut of the promoted log and a removed acknowledgement are findings still", async () => {
  const [first] = archived;
  const last = archived.at(-1);
  if (first === undefined || last === undefined) throw new Error("nothing was sealed");
  const other = { ...last, timeline: 1, checkpoint: "0".repeat(64) };
  expect(kindsOf(await verify([...archived, other]))).toEqual(["checkpoint-unknown"]);
  expect(kindsOf(await verify([...archived, { ...other, batch: 1 }]))).toEqual(["checkpoint-unknown"]);

  const cut = await whileTampered(
    ["delete from audit_checkpoints where index = (select max(index) from audit_checkpoints)"],
    verify,
  );
  expect(kindsOf(cut)).toContain("checkpoint-unknown");
  const removed = await whileTampered(
    ["delete from audit_events where action in ('audit.acknowledge-failover', 'audit.lost-checkpoint')"],
    verify,
  );
  expect(kindsOf(removed)).toEqual(expect.arrayContaining(["checkpoint-unknown", "event-removed"]));
  expect(kindsOf(await verify())).toEqual([]);
});

test("an export with checkpoints of both timelines is proven without the database", async () => {
  const keys = await processes[0].admin.audit.publicKeys(operator);
  const verifier = createExportVerifier(keys);
  const proven: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await processes[0].admin.audit.export(operator, {
      company: "acmecorp",
      from: new Date(0),
      to: new Date(2_000_000_000_000),
      cursor,
    });
    for (const line of page.lines) {
      verifier.add(line);
      const batch = /\\nbatch (\d+)\\n/.exec(line)?.[1];
      if (batch !== undefined) proven.push(Number(batch));
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
  const [first] = await superuser<{ index: number }[]>`
    select min(index)::int as index from audit_checkpoints where timeline = 2`;
  expect(proven.some((batch) => batch < (first?.index ?? 0))).toBe(true);
  expect(proven.some((batch) => batch >= (first?.index ?? 0))).toBe(true);
});

test("another process accepts what there is, with new connections", async () => {
  const database = connectDatabase({
    applicationUrl: both(urls.application),
    maintenanceUrl: both(urls.maintenance),
  });
  try {
    const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, cache: false });
    expect(await secrets.company("acmecorp", product).get("CUSTOM_COUNT")).toBeDefined();
    await secrets.stop();
  } finally {
    await database.close();
  }
});
