import { createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { tables } from "@repo/db";
import { beforeAll, expect, test } from "vitest";
import {
  type AuditLog,
  createAuditLog,
  parseCheckpoint,
  type Checkpoint,
  checkpointText,
  macFieldsOf,
  merkleRoot,
  type SealedBatch,
  type Sealer,
  type SealerAlarm,
  type SealerOptions,
  uuidv7,
} from "@repo/audit-log";
import { encodeFields } from "@repo/envelope";
import {
  codeOf,
  commitUnaudited,
  createFixture,
  operator,
  product,
  type Fixture,
} from "../testing/fixture.ts";
import { createAuditKeys, rotateAuditKey, type AuditKeys } from "../keys/audit-keys.ts";
import { createMasterKeys, type MasterKeys } from "../keys/master/master-keys.ts";

// All tests tamper with one audit log in order: each change is undone, or told apart by its name.

let fixture: Fixture;
let audit: AuditLog;
const checkpoints: SealedBatch[] = [];
const alarms: SealerAlarm[] = [];

function sealer(options: Partial<SealerOptions> = {}): Sealer {
  return fixture.secrets.createSealer({
    onSealed: (batch) => checkpoints.push(batch),
    onAlarm: (alarm) => alarms.push(alarm),
    ...options,
  });
}

const createMasters = (): MasterKeys => createMasterKeys(fixture.database, fixture.infisical, "default");
const createKeys = (): AuditKeys => createAuditKeys(fixture.database, createMasters());

beforeAll(async () => {
  fixture = await createFixture();
  audit = createAuditLog(fixture.database, createKeys());
  await fixture.secrets.prepare();
});

function readCheckpoint(text: string): Checkpoint {
  const checkpoint = parseCheckpoint(text);
  if (checkpoint === undefined) throw new Error("this is not a head");
  return checkpoint;
}

/** Adds events with a given subject, each on its own. @returns their ids, in the order of their positions */
async function record(count: number, subject: string): Promise<string[]> {
  for (let i = 0; i < count; i++) {
    await audit.record(operator, { action: "company.rename", outcome: "success", subject });
  }
  const rows =
    await fixture.superuser`select id from audit_events where subject = ${subject} order by sequence_no`;
  return rows.map((row) => String(row["id"]));
}

/** Seals until nothing is left: other tests' transactions on the same server may delay it. */
async function sealAll(by = sealer()): Promise<void> {
  for (;;) {
    await by.tick();
    const [row] = await fixture.superuser`
      select count(*)::int as left from audit_events where xid >= (select to_xid from audit_checkpoints order by index desc limit 1)`;
    if (row?.["left"] === 0) return;
    await sleep(20);
  }
}

const verify = (more: { checkpoints?: SealedBatch[]; publicKeys?: string } = {}) =>
  fixture.secrets.audit.verify(operator, { settledAfterMs: 0, ...more });

/** The findings of a verification, by kind. */
async function findings(more: Parameters<typeof verify>[0] = {}): Promise<Record<string, [number, string]>> {
  const { findings: list } = await verify(more);
  return Object.fromEntries(list.map(({ kind, count, first }) => [kind, [count, first]]));
}

/** A database administrator who disables the triggers that protect the audit log. */
async function tamper(...statements: string[]): Promise<void> {
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    for (const statement of statements) await sql.unsafe(statement);
  });
}

/** Tampers with the audit log, and undoes it. @returns the findings in between */
async function whileTampered(
  statements: readonly string[],
  more: Parameters<typeof verify>[0] = {},
): Promise<Record<string, [number, string]>> {
  await tamper(
    "create table kept_events as select * from audit_events",
    "create table kept_batches as select * from audit_checkpoints",
    ...statements,
  );
  try {
    return await findings(more);
  } finally {
    await tamper(
      // The verification's own events stay.
      "delete from audit_events where action <> 'audit.verify' or id in (select id from kept_events)",
      "insert into audit_events overriding system value select * from kept_events",
      "delete from audit_checkpoints",
      "insert into audit_checkpoints select * from kept_batches",
      "drop table kept_events, kept_batches",
    );
  }
}

/** Copies an event under another id. */
const copyOf = (id: string, changes: string) =>
  `insert into audit_events overriding system value select (jsonb_populate_record(e, ${changes})).* from audit_events e where id = '${id}'`;

test("64 writers beside a long transaction: every event is sealed exactly once, and the delay raises an alarm", async () => {
  const [begun, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const long = fixture.database.acrossCompanies(async (statements) => {
    await statements.execute("select pg_current_xact_id()");
    begun.resolve();
    await over.promise;
    await audit.recordInTransaction(statements, operator, {
      action: "company.rename",
      outcome: "success",
      subject: "late",
    });
  });
  await begun.promise;
  const running = [
    sealer({ intervalMs: 5, batchSize: 50, lagAfterMs: 300 }).run(),
    sealer({ intervalMs: 5, batchSize: 50 }).run(),
  ];
  const writers = Array.from({ length: 64 }, async (_, writer) => {
    for (let i = 0; i < 10; i++) {
      await audit.record(operator, {
        action: "company.rename",
        outcome: "success",
        subject: `writer-${writer}`,
      });
    }
  });
  await Promise.all(writers);
  await expect.poll(() => alarms.map(({ code }) => code), { timeout: 60_000 }).toEqual(["AUDIT_LAGS"]);
  expect(alarms[0]?.message).toContain("a transaction that began before them has not ended");
  expect(checkpoints.reduce((sum, { events }) => sum + events, 0)).toBeLessThan(64);
  // The transaction with the lowest id commits last.
  over.resolve();
  await long;
  await sealAll(sealer({ batchSize: 50 }));
  await Promise.all(running.map((each) => each.stop()));

  const [sealed] = await fixture.superuser`
    select sum(size)::int as events, max(size)::int as largest, count(*)::int - max(index) as skipped from audit_checkpoints`;
  const [there] = await fixture.superuser`
    select count(distinct substring(leaves from 48 * i + 1 for 16))::int as leaves, (select count(*)::int from audit_events) as events
    from audit_checkpoints, generate_series(0, size - 1) i`;
  expect(there?.["events"]).toBeGreaterThan(640);
  expect(there?.["leaves"]).toBe(there?.["events"]);
  expect(sealed).toEqual({ events: there?.["events"], largest: 50, skipped: 0 });
  expect(await findings({ checkpoints })).toEqual({});
  alarms.length = 0;
});

test("one transaction with more events than a batch holds is one batch", async () => {
  await audit.ready();
  await fixture.database.acrossCompanies(async (statements) => {
    for (let i = 0; i < 12; i++) {
      await audit.recordInTransaction(statements, operator, {
        action: "company.rename",
        outcome: "success",
        subject: "large",
      });
    }
  });
  await record(3, "after");
  checkpoints.length = 0;
  await sealAll(sealer({ batchSize: 5 }));
  expect(checkpoints.map(({ events }) => events).filter((events) => events >= 12)).toEqual([12]);
  expect(await findings({ checkpoints })).toEqual({});
});

test("without events there is one checkpoint a minute, also with two sealers", async () => {
  checkpoints.length = 0;
  const [first, second] = [sealer(), sealer()];
  await sealAll(first);
  const made = checkpoints.length;
  expect(await first.tick()).toBeUndefined();
  expect(checkpoints.length).toBe(made);
  const beating = [sealer({ heartbeatMs: 0 }), sealer({ heartbeatMs: 0 })];
  await Promise.all(beating.map((each) => each.tick()));
  await first.tick();
  const numbers = checkpoints.map(({ batch }) => batch);
  expect(numbers).toEqual(numbers.map((_, index) => (numbers[0] ?? 0) + index));
  expect(numbers.length).toBeGreaterThan(made);

  const held = await fixture.superuser.reserve();
  await held`begin`;
  await held`select pg_advisory_xact_lock(7274010)`;
  expect(await sealer({ heartbeatMs: 0 }).tick()).toBeUndefined();
  await held`rollback`;
  held.release();
  expect(await second.tick()).toBeUndefined();
});

test("a sealer that dies in its transaction leaves no gap: the next one seals the same events", async () => {
  await record(5, "crash");
  await tamper(
    `create function crash() returns trigger language plpgsql as $$ begin
      perform pg_terminate_backend(pg_backend_pid()); return new; end $$`,
    "create trigger crash after insert on audit_checkpoints for each statement execute function crash()",
  );
  await expect(sealer({ heartbeatMs: 0 }).tick()).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
  alarms.length = 0;
  const running = sealer({ heartbeatMs: 0, intervalMs: 5 }).run();
  await expect.poll(() => alarms.map(({ code }) => code), { timeout: 60_000 }).toEqual(["AUDIT_NOT_SEALED"]);
  await tamper("drop trigger crash on audit_checkpoints", "drop function crash");
  await expect.poll(() => checkpoints.at(-1)?.events === 0, { timeout: 60_000 }).toBe(true);
  await running.stop();
  await sealAll();
  expect(await findings({ checkpoints })).toEqual({});
});

test("verification names events changed, removed, inserted or moved after sealing", async () => {
  const [first = "", second = ""] = await record(3, "sealed");
  await sealAll();
  await record(2, "open");
  expect(await findings({ checkpoints })).toEqual({});

  expect(await whileTampered([`update audit_events set outcome = 'denied' where id = '${first}'`])).toEqual({
    "event-changed": [
      1,
      expect.stringMatching(`^Event ${first} was changed after it was sealed in batch \\d+.$`),
    ],
  });
  expect(await whileTampered([`delete from audit_events where id in ('${first}', '${second}')`])).toEqual({
    "event-removed": [2, expect.stringContaining(first)],
    "sequence-numbers-missing": [
      2,
      expect.stringMatching(/^Events \d+ to \d+ of the process .* are missing: removed/),
    ],
  });
  const old = `jsonb_build_object('id', gen_random_uuid())`;
  expect(await whileTampered([copyOf(first, old)])).toEqual({
    "event-inserted": [1, expect.stringMatching(/^Event .* was inserted: batch \d+ covers its transaction/)],
  });
  const oldest = `jsonb_build_object('id', gen_random_uuid(), 'xid', '3', 'position', -7)`;
  expect(await whileTampered([copyOf(first, oldest)])).toEqual({
    "event-inserted": [1, expect.stringContaining("batch 1 covers its transaction")],
  });
  expect(await whileTampered([`update audit_events set xid = '3' where id = '${first}'`])).toMatchObject({
    "event-changed": [1, expect.stringMatching(`^Event ${first} was moved`)],
  });
  expect(await whileTampered(["delete from audit_events where action <> 'audit.verify'"])).toMatchObject({
    "event-removed": [expect.any(Number), expect.any(String)],
  });
});

test("verification names batches removed, changed, re-signed or truncated, and with archived checkpoints also a re-sealed log", async () => {
  await record(3, "batches");
  await sealAll(sealer({ batchSize: 1 }));
  const last = checkpoints.at(-1)?.batch ?? 0;
  const middle = last - 1;
  const pem = await fixture.secrets.audit.publicKeys(operator);
  const other = generateKeyPairSync("ed25519");
  const otherPem = other.publicKey.export({ type: "spki", format: "pem" }).toString();

  expect(await findings({ checkpoints, publicKeys: otherPem + pem })).toEqual({});
  expect(await findings({ publicKeys: otherPem })).toEqual({ "signature-wrong": [last, expect.any(String)] });
  expect(await whileTampered([`delete from audit_checkpoints where index = ${middle}`])).toEqual({
    "batch-missing": [1, `Batch ${middle} is missing.`],
  });
  expect(await whileTampered(["delete from audit_checkpoints where index < 3"])).toEqual({
    "batch-missing": [2, "Batches 1 to 2 are missing."],
  });
  const cut = [
    `delete from audit_checkpoints where index >= ${middle}`,
    `delete from audit_events where xid >= (select from_xid from kept_batches where index = ${middle}) and action <> 'audit.verify'`,
  ];
  expect(Object.keys(await whileTampered(cut))).toEqual([]);
  expect(await whileTampered(cut, { checkpoints })).toEqual({
    "checkpoint-unknown": [
      2,
      `Batch ${middle}, whose checkpoint was archived, is missing: the audit log ends with batch ${middle - 1}.`,
    ],
  });
  // An event and its leaf are removed and the checkpoint is adapted; only its signature cannot be.
  const [row] = await fixture.superuser`select checkpoint from audit_checkpoints where index = ${middle}`;
  const empty = checkpointText({
    ...readCheckpoint(String(row?.["checkpoint"])),
    size: 0,
    root: merkleRoot([]),
  });
  const forged = sign(null, Buffer.from(empty), other.privateKey).toString("base64");
  const out = [
    `delete from audit_events where id in (select encode(substring(leaves for 16), 'hex')::uuid from audit_checkpoints where index = ${middle})`,
    `update audit_checkpoints set size = 0, leaves = '', checkpoint = '${empty}', signature = '${forged}' where index = ${middle}`,
  ];
  expect(await whileTampered(out)).toMatchObject({
    "signature-wrong": [1, `Batch ${middle} has no signature of the key 1 that is known to be ours.`],
    "chain-broken": [2, `Batch ${middle} does not continue the one before it.`],
  });
  expect(
    await whileTampered([
      `update audit_checkpoints set leaves = set_byte(leaves, 20, 1 + get_byte(leaves, 20) % 255) where index = ${middle}`,
    ]),
  ).toEqual({
    "batch-changed": [1, expect.stringContaining(`Batch ${middle} was changed`)],
    "event-changed": [1, expect.any(String)],
  });
  expect(
    await whileTampered([
      `update audit_checkpoints set floor = 7, cluster = '1', sealed_at = now() where index = ${middle}`,
    ]),
  ).toMatchObject({
    "batch-changed": [1, expect.any(String)],
    "chain-broken": [2, expect.any(String)],
  });
  expect(
    await whileTampered([`update audit_checkpoints set checkpoint = 'none' where index = ${last}`]),
  ).toMatchObject({
    "batch-changed": [1, expect.any(String)],
    "signature-wrong": [1, expect.any(String)],
  });
});

test("a sealer whose last checkpoint was removed or replaced raises an alarm, and does not continue silently", async () => {
  const watching = sealer({ heartbeatMs: 0 });
  await watching.tick();
  await watching.tick();
  const last = checkpoints.at(-1)?.batch ?? 0;
  alarms.length = 0;
  await tamper(`delete from audit_checkpoints where index = ${last}`);
  await watching.tick();
  expect(alarms).toEqual([
    { code: "AUDIT_CHANGED", message: expect.stringContaining(`batch ${last} of the audit log was removed`) },
  ]);
  const resealed = (await findings({ checkpoints }))["checkpoint-unknown"];
  expect(resealed).toEqual([
    1,
    expect.stringContaining(`Batch ${last} is not the one whose checkpoint was archived`),
  ]);
  alarms.length = 0;
  await tamper(
    `update audit_checkpoints set checkpoint = replace(checkpoint, 'size', 'size ') where index = ${last}`,
  );
  await expect(watching.tick()).rejects.toMatchObject({ code: "INTEGRITY_FAILURE" });
  expect(alarms.map(({ code }) => code)).toEqual(["AUDIT_CHANGED"]);
  await tamper(
    `update audit_checkpoints set checkpoint = replace(checkpoint, 'size ', 'size') where index = ${last}`,
  );
  checkpoints.splice(
    checkpoints.findIndex(({ batch }) => batch === last),
    1,
  );
});

test("events from before sequence numbers are verified too, and need none", async () => {
  const key = await createKeys()();
  const event: Parameters<typeof macFieldsOf>[0] = {
    id: uuidv7(),
    companyId: null,
    occurredAt: new Date(),
    actorKind: "operator",
    actorId: "old",
    action: "company.rename",
    secretKey: null,
    version: null,
    outcome: "success",
    reason: null,
    subject: "old",
    requestId: null,
    address: null,
    count: 1,
    lastAt: null,
    writerId: null,
    sequenceNo: null,
    nonce: randomBytes(16),
    macKeyVersion: key.keyVersion,
  };
  const mac = createHmac("sha256", key.macKey)
    .update(encodeFields(macFieldsOf(event)))
    .digest();
  await fixture.database.acrossCompanies((statements) =>
    statements.insert(tables.auditEvents).values({ ...event, mac }),
  );
  await sealAll();
  expect(await findings({ checkpoints })).toEqual({});
  expect(
    await whileTampered([
      "update audit_events set writer_id = gen_random_uuid(), sequence_no = 1 where subject = 'old'",
    ]),
  ).toMatchObject({
    "event-changed": [1, expect.any(String)],
  });
});

test("checkpoints of an earlier signing key stay valid after a rotation, and new ones are signed by the new key", async () => {
  const { database } = fixture;
  const signing = sealer({ heartbeatMs: 0 });
  await signing.tick();
  const replacement = { madeUntil: new Date(Date.now() + 60_000), action: "key.rotate-audit" } as const;
  await rotateAuditKey(createMasters(), "signing", { ...replacement, commit: commitUnaudited(database) });
  await record(1, "rotated");
  await signing.tick();
  await sealAll(signing);
  const rows =
    await fixture.superuser`select distinct substring(checkpoint from 'key ([0-9]+)') as key from audit_checkpoints order by 1`;
  expect(rows.map((row) => row["key"])).toEqual(["1", "2"]);
  const publicKeys = await fixture.secrets.audit.publicKeys(operator);
  expect(await findings({ checkpoints })).toEqual({});
  expect(await findings({ checkpoints, publicKeys })).toEqual({});
  expect(await codeOf(verify({ publicKeys: "none" }))).toBe("INVALID_INPUT");
});

test("only operators verify the log and get the public keys, and each call is audited with its result", async () => {
  const stranger = await fixture.person(await fixture.company("database"), "owner");
  expect(await codeOf(fixture.secrets.audit.verify(stranger, {}))).toBe("FORBIDDEN");
  expect(await codeOf(fixture.secrets.audit.publicKeys(product))).toBe("FORBIDDEN");
  await verify();
  const recorded = async () => {
    const [row] = await fixture.superuser`
      select actor_kind as kind, outcome, reason from audit_events where action = 'audit.verify' order by position desc limit 1`;
    return row;
  };
  expect(await recorded()).toEqual({ kind: "operator", outcome: "success", reason: null });
  await whileTampered(["delete from audit_checkpoints where index = 1"]);
  expect(await recorded()).toEqual({ kind: "operator", outcome: "failed", reason: "INTEGRITY_FAILURE" });
});

test("verification names events changed, removed or inserted before sealing, even after they are sealed", async () => {
  const [first = "", second = "", third = ""] = await record(4, "fresh");
  const changed = {
    "event-not-genuine": [1, expect.stringMatching(`^Event ${first} has no MAC.*is not sealed.$`)],
  };
  expect(await whileTampered([`update audit_events set subject = 'another' where id = '${first}'`])).toEqual(
    changed,
  );
  for (const xid of ["3", "999999999999"]) {
    const copied = `jsonb_build_object('id', '${third.replace(/^./, "f")}', 'xid', '${xid}')`;
    const kind = xid === "3" ? "event-inserted" : "event-not-genuine";
    expect(Object.keys(await whileTampered([copyOf(third, copied)]))).toEqual([kind]);
  }
  await tamper(
    `delete from audit_events where id = '${second}'`,
    `update audit_events set subject = 'another' where id = '${first}'`,
  );
  await sealAll();
  const found = {
    "event-not-genuine": [
      1,
      expect.stringMatching(`^Event ${first} has no MAC.*before it was sealed in batch \\d+.$`),
    ],
    "sequence-numbers-missing": [
      1,
      expect.stringMatching(/^Event \d+ of the process .* is missing: removed/),
    ],
  };
  expect(await findings({ checkpoints })).toEqual(found);
  // A process that was silent for a minute may have been killed.
  const lenient = await fixture.secrets.audit.verify(operator, {});
  expect(lenient.findings.map(({ kind }) => kind)).toEqual(["event-not-genuine"]);
  expect(lenient.notices).toEqual([expect.stringContaining("the process was killed, or removed")]);
  await tamper("delete from audit_events where subject = 'another'");
});
