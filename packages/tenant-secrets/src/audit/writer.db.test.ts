import { createSecretKey, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase, tables, type Database } from "@repo/db";
import { createTestDatabase } from "@repo/db/testing";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { afterAll, afterEach, expect, test } from "vitest";
import { type AuditEntry, type AuditLog, createAuditLog, isGenuine, type LostEvent } from "@repo/audit-log";
import { type Caller, systemCaller } from "@repo/catalog";
import { codeOf } from "../testing/fixture.ts";

const testDatabase = await createTestDatabase();
const { application, maintenance } = testDatabase.urls;
const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
const superuser = postgres(testDatabase.superuserUrl, { max: 2, onnotice: () => {} });
const rows = drizzle({ client: superuser });
afterAll(async () => {
  await Promise.all([database.close(), superuser.end()]);
  await testDatabase.drop();
});

const key = { keyVersion: 1, macKey: createSecretKey(randomBytes(32)) };
const companyId = randomUUID();
const reader: Caller = { ...systemCaller("reader", { verbs: ["use"], secretKeys: ["*"] }), requestId: "r-1" };
const read: AuditEntry = {
  action: "secret.read",
  outcome: "success",
  companyId,
  secretKey: "CUSTOM_KEY",
  version: 3,
};
const write: AuditEntry = { ...read, action: "secret.write" };
const refused: AuditEntry = { ...read, outcome: "denied", reason: "NOT_FOUND" };

/** The audit log of a separate process, and everything that it has written. */
function newLog(through: Partial<Database> = {}) {
  const lost: LostEvent[] = [];
  const log = createAuditLog(
    { ...database, ...through },
    () => Promise.resolve(key),
    (event) => lost.push(event),
  );
  let writerId: string | undefined;
  const events = async () => {
    writerId ??= await writerOf(log);
    return rows
      .select()
      .from(tables.auditEvents)
      .where(eq(tables.auditEvents.writerId, writerId))
      .orderBy(tables.auditEvents.sequenceNo);
  };
  return { log, events, lost };
}

const patient = { interval: 50, timeout: 60_000 };

/** Every log first writes an event with its own subject, by which a test finds its writer id. */
async function writerOf(log: AuditLog): Promise<string> {
  const requestId = randomUUID();
  await log.record({ ...reader, requestId }, { action: "audit.list", outcome: "success" });
  const [row] = await superuser<{ writerId: string }[]>`
    select writer_id as "writerId" from audit_events where request_id = ${requestId}`;
  return row?.writerId ?? "none";
}

const away = () => superuser`alter table audit_events rename to audit_events_away`;
const back = () => superuser`alter table if exists audit_events_away rename to audit_events`;
afterEach(back);

const short = (events: Awaited<ReturnType<ReturnType<typeof newLog>["events"]>>, action = "secret.read") =>
  events.filter((event) => event.action === action).map((event) => [event.secretKey, event.count]);

test("events have consecutive sequence numbers, which their MACs cover, and older events without numbers stay verifiable", async () => {
  const { log, events } = newLog();
  await events();
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0
        ? log.record(reader, write)
        : database.acrossCompanies((statements) => log.recordInTransaction(statements, reader, write)),
    ),
  );
  await log.recordBatched(reader, read);
  await log.flush();
  const all = await events();
  expect(all.map(({ sequenceNo }) => sequenceNo)).toEqual(Array.from({ length: 22 }, (_, i) => i + 1));
  expect(all.every((event) => isGenuine(key, event))).toBe(true);
  for (const changed of [
    { sequenceNo: 99 },
    { writerId: randomUUID() },
    { writerId: null, sequenceNo: null },
    { count: 2 },
  ])
    expect(all.some((event) => isGenuine(key, { ...event, ...changed }))).toBe(false);
  // A MAC from before sequence numbers.
  const old = {
    ...(all[0] ?? expect.fail()),
    id: "01890a5d-ac96-774b-bcce-b302099a8057",
    action: "secret.write",
    secretKey: "CUSTOM_KEY",
    version: 3,
    occurredAt: new Date("2026-01-02T03:04:05.678Z"),
    requestId: null,
    writerId: null,
    sequenceNo: null,
    nonce: Buffer.alloc(16, 1),
    mac: Buffer.from("c5e5493f9b55992ca32d10423b19ade40cb7085c57efb2428fba1cc012b3020f", "hex"),
  };
  const oldKey = { keyVersion: 1, macKey: createSecretKey(Buffer.alloc(32, 7)) };
  expect(isGenuine(oldKey, old)).toBe(true);
  expect(isGenuine(oldKey, { ...old, version: 4 })).toBe(false);
});

test("sequence numbers of transactions that were or may have been rolled back are reported as unused", async () => {
  const { log, events } = newLog();
  await events();
  const attempts = Array.from({ length: 60 }, (_, i) =>
    database
      .acrossCompanies(async (statements) => {
        await log.recordInTransaction(statements, reader, write);
        if (i % 3 !== 0) throw new Error("changed its mind");
      })
      .catch(() => {}),
  );
  await Promise.all(attempts);
  await expect
    .poll(async () => short(await events(), "audit.unused-sequence-numbers").length, patient)
    .toBeGreaterThan(0);
  await log.flush();
  const all = await events();
  const there = new Set(all.map(({ sequenceNo }) => sequenceNo));
  const gaps = all.filter(({ action }) => action === "audit.unused-sequence-numbers");
  const missing = Array.from(
    { length: Math.max(...all.map((e) => e.sequenceNo ?? 0)) },
    (_, i) => i + 1,
  ).filter((sequenceNo) => !there.has(sequenceNo));
  expect(missing).toHaveLength(40);
  const said = gaps.flatMap(({ version, count }) =>
    Array.from({ length: count }, (_, i) => (version ?? 0) + i),
  );
  expect(said.toSorted((a, b) => a - b)).toEqual(missing);
  expect(gaps[0]).toMatchObject({
    actorKind: "job",
    actorId: "audit-log",
    outcome: "success",
    companyId: null,
  });
  expect(gaps.every((event) => isGenuine(key, event))).toBe(true);
});

/** A database that executes calls, but loses the answers of a given number of them. */
function losingAnswers(calls: number): Partial<Database> {
  let left = calls;
  return {
    outsideCompanies: async (work) => {
      const result = await database.outsideCompanies(work);
      if (left-- > 0) throw new Error("the answer was lost");
      return result;
    },
  };
}

test("an event whose COMMIT was not answered is stored, and its sequence number is also reported as possibly unused", async () => {
  const { log, events } = newLog(losingAnswers(1));
  expect(await codeOf(log.record(reader, write))).toBe("AUDIT_UNAVAILABLE");
  await log.flush();
  expect((await events()).map(({ action, version, count }) => [action, version, count])).toEqual([
    ["secret.write", 3, 1],
    ["audit.unused-sequence-numbers", 1, 1],
    ["audit.list", null, 1],
  ]);
});

test("reads of one secret by one actor are coalesced into one event with their number, first and last time", async () => {
  const { log, events } = newLog();
  const before = Date.now();
  await log.recordBatched(reader, read);
  await sleep(20);
  for (let i = 0; i < 998; i++) await log.recordBatched(reader, read);
  await sleep(20);
  await log.recordBatched(reader, read);
  await log.recordBatched({ ...reader, requestId: "r-2" }, { ...read, version: 4 });
  await log.recordBatched({ ...reader, requestId: "r-3" }, { ...read, version: 4 });
  await log.recordBatched({ ...reader, address: "192.0.2.9" }, read);
  await log.flush();
  const found = (await events()).filter(({ action }) => action === "secret.read");
  expect(found.map((e) => [e.version, e.count, e.requestId, e.address])).toEqual([
    [3, 1000, "r-1", null],
    [4, 2, null, null],
    [3, 1, "r-1", "192.0.2.9"],
  ]);
  const { occurredAt, lastAt } = found[0] ?? expect.fail();
  expect(occurredAt.getTime()).toBeGreaterThanOrEqual(before);
  expect((lastAt?.getTime() ?? 0) - occurredAt.getTime()).toBeGreaterThanOrEqual(39);
  expect(found[2]?.lastAt).toBeNull();
  expect(found.every((event) => isGenuine(key, event))).toBe(true);
});

test("batched events are written soon, also after an outage, and at once if many are waiting", async () => {
  const { log, events } = newLog();
  await events();
  await log.recordBatched(reader, read);
  await expect.poll(async () => short(await events()), patient).toEqual([["CUSTOM_KEY", 1]]);
  await away();
  await log.recordBatched(reader, { ...read, secretKey: "CUSTOM_HELD" });
  await sleep(600);
  await back();
  await expect.poll(async () => (await events()).length, patient).toBe(3);
  for (let i = 0; i < 1200; i++) await log.recordBatched(reader, { ...read, secretKey: `CUSTOM_${i}` });
  await expect.poll(events, patient).toHaveLength(1203);
});

test(
  "an unavailable audit log buffers 10,000 reads and refuses more, and then stores each exactly once",
  { timeout: 180_000 },
  async () => {
    const { log, events } = newLog();
    await events();
    await away();
    for (let i = 0; i < 10_000; i++) await log.recordBatched(reader, { ...read, secretKey: `CUSTOM_${i}` });
    await expect(log.recordBatched(reader, { ...read, secretKey: "CUSTOM_MORE" })).rejects.toMatchObject({
      code: "AUDIT_UNAVAILABLE",
      retryAfterMs: 1000,
    });
    expect(await codeOf(log.flush())).toBe("AUDIT_UNAVAILABLE");
    await sleep(1000);
    expect(await codeOf(log.recordBatched(reader, { ...read, secretKey: "CUSTOM_MORE" }))).toBe(
      "AUDIT_UNAVAILABLE",
    );
    await back();
    await log.flush();
    expect(await codeOf(log.recordBatched(reader, { ...read, secretKey: "CUSTOM_MORE" }))).toBe("no error");
    await log.stop();
    const found = (await events()).filter(({ action }) => action === "secret.read");
    expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(10_001);
    expect(new Set(found.map(({ secretKey }) => secretKey)).size).toBe(10_001);
    expect((await events()).map(({ sequenceNo }) => sequenceNo)).toEqual(
      [...found.keys(), found.length].map((i) => i + 1),
    );
    expect(await codeOf(log.recordBatched(reader, read))).toBe("AUDIT_UNAVAILABLE");
  },
);

test("coalesced reads of one secret use one place of the buffer", async () => {
  const { log, events } = newLog();
  await events();
  await away();
  for (let i = 0; i < 100_000; i++) await log.recordBatched(reader, read);
  expect(await codeOf(log.flush())).toBe("AUDIT_UNAVAILABLE");
  for (let i = 0; i < 100_000; i++) await log.recordBatched(reader, read);
  await back();
  await log.flush();
  expect(short(await events()).reduce((sum, [, count]) => sum + Number(count), 0)).toBe(200_000);
  expect(short(await events()).length).toBeLessThan(10);
});

test("batched events are stored exactly once, also if the answer is lost", async () => {
  const { log, events } = newLog(losingAnswers(2));
  for (let i = 0; i < 50; i++) await log.recordBatched(reader, { ...read, secretKey: `CUSTOM_${i}` });
  await log.stop();
  expect((await events()).map(({ sequenceNo }) => sequenceNo)).toEqual(
    Array.from({ length: 51 }, (_, i) => i + 1),
  );
});

test("100,000 denials are coalesced into a few rows, with an exact count", { timeout: 180_000 }, async () => {
  const { log, events } = newLog();
  await events();
  for (let i = 0; i < 100_000; i++) {
    const caller = { actor: { kind: "operator", id: `o-${i % 10}` }, requestId: `r-${i}` } as const;
    await log.record(caller, { ...refused, secretKey: `CUSTOM_${i % 7}` });
  }
  await log.flush();
  const found = (await events()).filter(({ outcome }) => outcome === "denied");
  expect(found.reduce((sum, { count }) => sum + count, 0)).toBe(100_000);
  expect(found.length).toBeLessThan(300);
  expect(found.at(-1)).toMatchObject({ secretKey: null, requestId: null, reason: "NOT_FOUND", companyId });
});

test("the first twenty of similar attempts are committed before their answer, and the others within seconds", async () => {
  const { log, events } = newLog();
  await events();
  for (let i = 0; i < 20; i++) await log.record(reader, refused);
  expect(await events()).toHaveLength(21);
  for (let i = 0; i < 5; i++) await log.record(reader, refused);
  await expect.poll(async () => short(await events()).slice(20), patient).toEqual([["CUSTOM_KEY", 5]]);
});

test("a version number too large for its column does not prevent an event", async () => {
  const { log, events } = newLog();
  for (const version of [2 ** 31, -(2 ** 53), 1.5, Number.NaN]) {
    await log.record(reader, { ...refused, version, subject: "a\0b" });
  }
  expect((await events()).map(({ version }) => version)).toEqual([null, null, null, null, null]);
});

test("a long text is truncated between characters, and its batch is stored", async () => {
  const { log, events, lost } = newLog();
  const texts = [
    "x".repeat(199) + "\u{1f511}".repeat(5),
    `${"x".repeat(198)}\ud83d\udd11y`,
    "a\ud800b",
    "\udd11\ud83d",
  ];
  for (const requestId of texts)
    await log.recordBatched({ ...reader, requestId }, { ...read, secretKey: requestId });
  await log.flush();
  const found = (await events()).filter(({ action }) => action === "secret.read");
  expect(found.map(({ requestId }) => requestId)).toEqual([
    `${"x".repeat(199)}\u{1f511}`,
    `${"x".repeat(198)}\u{1f511}y`,
    "a\ufffdb",
    "\ufffd\ufffd",
  ]);
  expect(found.every((event) => isGenuine(key, event))).toBe(true);
  expect(lost).toEqual([]);
});

test("an event that the database cannot store is dropped alone, and its sequence number is reported as unused", async () => {
  const { log, events, lost } = newLog();
  await events();
  for (let i = 0; i < 100; i++) {
    const bent = i === 37 || i === 99 ? { companyId: "no-uuid" } : {};
    await log.recordBatched(reader, { ...read, secretKey: `CUSTOM_${i}`, ...bent });
  }
  await log.flush();
  await log.flush();
  const all = await events();
  expect(all.filter(({ action }) => action === "secret.read")).toHaveLength(98);
  expect(lost).toEqual([
    { action: "secret.read", code: "22P02" },
    { action: "secret.read", code: "22P02" },
  ]);
  const gaps = all.filter(({ action }) => action === "audit.unused-sequence-numbers");
  expect(gaps.map(({ version, count }) => [version, count])).toEqual([
    [39, 1],
    [101, 1],
  ]);
});

test.for(["NULL", "null", "", '"', "\\", '{"a",b\\}', ",", "\\x00", "É𝄞", "a\u0000\n"])(
  "the text %j of a caller is stored as it is, or escaped, in a batch and alone",
  async (text) => {
    const { log, events } = newLog();
    await events();
    const caller = { ...systemCaller(text, { verbs: ["use"], secretKeys: ["*"] }), requestId: text };
    await log.recordBatched(caller, { ...read, secretKey: text, subject: text });
    await log.flush();
    await log.record(caller, { ...read, secretKey: text, subject: text });
    const stored = (await events()).filter(({ action }) => action === "secret.read");
    const printed = text === "a\u0000\n" ? String.raw`a\u0000\u000a` : text;
    const fields = { actorId: printed, requestId: printed, secretKey: printed, subject: printed };
    expect(stored).toMatchObject([fields, fields]);
    expect(stored.every((event) => isGenuine(key, event))).toBe(true);
  },
);

test("a batch that fails because of the database is neither split nor lost", async () => {
  const { log, events, lost } = newLog();
  await events();
  await superuser`revoke insert on audit_events from tenant_secrets_application`;
  for (let i = 0; i < 10; i++) await log.recordBatched(reader, { ...read, secretKey: `CUSTOM_${i}` });
  expect(await codeOf(log.flush())).toBe("AUDIT_UNAVAILABLE");
  await superuser`grant insert on audit_events to tenant_secrets_application`;
  await log.flush();
  expect(short(await events())).toHaveLength(10);
  expect(lost).toEqual([]);
});

test("any number of events join a transaction in one statement, and all their numbers are reported as unused after a rollback", async () => {
  const { log, events } = newLog();
  await events();
  const entries = Array.from({ length: 3000 }, (_, i) => ({ ...write, secretKey: `CUSTOM_${i}` }));
  let statementsRun = 0;
  await database.inCompany(companyId, async (statements) => {
    const counting = new Proxy(statements, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (name === "execute" || name === "insert") statementsRun += 1;
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
    await log.recordInTransaction(counting, reader, entries);
  });
  expect(statementsRun).toBe(1);
  await database
    .inCompany(companyId, async (statements) => {
      await log.recordInTransaction(statements, reader, entries.slice(0, 5));
      throw new Error("changed its mind");
    })
    .catch(() => {});
  await log.flush();
  const all = await events();
  expect(all.filter(({ action }) => action === "secret.write")).toHaveLength(3000);
  expect(all.every((event) => isGenuine(key, event))).toBe(true);
  const gaps = all.filter(({ action }) => action === "audit.unused-sequence-numbers");
  expect(gaps.map(({ version, count }) => [version, count])).toEqual([[3002, 5]]);
});

test("lists are one event each up to twenty a minute, then counted; reveals are always one event each", async () => {
  const { log, events } = newLog();
  await events();
  const list: AuditEntry = { action: "secret.list", outcome: "success", companyId };
  for (let i = 0; i < 500; i++) await log.record({ ...reader, requestId: `r-${i}` }, list);
  for (let i = 0; i < 40; i++) await log.record(reader, { ...read, action: "secret.reveal" });
  await log.flush();
  const lists = (await events()).filter(({ action }) => action === "secret.list");
  expect(lists.map(({ count }) => count)).toEqual([...Array<number>(20).fill(1), 480]);
  expect((await events()).filter(({ action }) => action === "secret.reveal")).toHaveLength(40);
});
