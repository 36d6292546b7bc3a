import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, expect, test } from "vitest";
import { createExportVerifier, type ExportedEvent } from "@repo/audit-log/verify";
import { codeOf, createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";

let fixture: Fixture;
let own: string;
let foreign: string;
let auditor: Person;
let publicKeys: string;

beforeAll(async () => {
  fixture = await createFixture();
  own = await fixture.company("database");
  foreign = await fixture.company("database");
  auditor = await fixture.person(own, "auditor");
  for (const [subdomain, value] of [
    [own, "sk_test_fake_own_0001"],
    [foreign, "sk_test_fake_foreign_0001"],
  ] as const) {
    const secrets = fixture.secrets.company(subdomain, product);
    for (const name of ["CUSTOM_A", "CUSTOM_B"] as const) await secrets.set(name, value);
  }
  publicKeys = await fixture.secrets.audit.publicKeys(operator);
});

async function idOf(subdomain: string): Promise<string> {
  const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
  return String(row?.["id"]);
}

async function seal(batchSize = 1000): Promise<void> {
  const sealer = fixture.secrets.createSealer({ onSealed: () => {}, onAlarm: () => {}, batchSize });
  for (;;) {
    await sealer.tick();
    const [row] = await fixture.superuser`
      select count(*)::int as left from audit_events where xid >= (select to_xid from audit_checkpoints order by index desc limit 1)`;
    if (row?.["left"] === 0) return;
    await sleep(20);
  }
}

/** All pages of an export, and their number. */
async function exported(
  caller = auditor as Parameters<typeof fixture.secrets.audit.export>[0],
  company = own,
) {
  const range = { company, from: new Date(0), to: new Date(Date.now() + 1000) };
  const lines: string[] = [];
  let unsealed = 0;
  let pages = 0;
  for (let cursor: string | undefined; pages === 0 || cursor !== undefined; pages++) {
    const page = await fixture.secrets.audit.export(caller, { ...range, cursor });
    lines.push(...page.lines);
    unsealed += page.unsealed;
    cursor = page.cursor;
  }
  return { lines, unsealed, pages };
}

function verified(lines: readonly string[], keys = publicKeys): ExportedEvent[] {
  const verifier = createExportVerifier(keys);
  return lines.map((line) => verifier.add(line)).filter((event) => event !== undefined);
}

test("the list has a company's own events, newest first, in complete and disjoint pages, for callers who may audit it", async () => {
  const { audit } = fixture.secrets;
  const before = await fixture.superuser`
    select id from audit_events where company_id = ${await idOf(own)} order by position desc`;
  const met: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await audit.list(auditor, { company: own, limit: 2, cursor });
    expect(page.events.every(({ companyId }) => companyId === page.events[0]?.companyId)).toBe(true);
    met.push(...page.events.map(({ id }) => id));
    cursor = page.cursor;
  } while (cursor !== undefined);
  expect(met).toEqual(before.map((row) => String(row["id"])));
  const { events } = await audit.list(auditor, { company: own, limit: 1 });
  expect(events[0]).toMatchObject({ action: "audit.list", actorId: auditor.userId, outcome: "success" });
  expect(Object.keys(events[0] ?? {})).not.toContain("mac");

  const all = await audit.list(operator, { limit: 100 });
  expect(new Set(all.events.map(({ companyId }) => companyId)).size).toBeGreaterThan(2);
  const older = await audit.list(operator, {
    limit: 3,
    cursor: (await audit.list(operator, { limit: 3 })).cursor,
  });
  expect(older.events).toHaveLength(3);
});

test("a cursor is refused if it was changed, forged, or belongs to another company or list", async () => {
  const { audit } = fixture.secrets;
  const { cursor = "" } = await audit.list(operator, { company: own, limit: 1 });
  const [position = "", mac = ""] = cursor.split(".");
  const next = `${BigInt(position) + 1n}.${mac}`;
  const flipped = `${position}.${mac.replace(/^./, (first) => (first === "A" ? "B" : "A"))}`;
  const wrong = [
    "",
    ".",
    position,
    `${position}.`,
    next,
    flipped,
    `${cursor}.`,
    `${cursor}=`,
    `0${cursor}`,
    "1 or 1=1.x",
  ];
  for (const made of wrong) {
    expect(await codeOf(audit.list(operator, { company: own, cursor: made })), made).toBe("INVALID_INPUT");
  }
  expect(await codeOf(audit.list(operator, { company: foreign, cursor }))).toBe("INVALID_INPUT");
  expect(await codeOf(audit.list(operator, { cursor }))).toBe("INVALID_INPUT");
  const range = { company: own, from: new Date(0), to: new Date() };
  expect(await codeOf(audit.export(operator, { ...range, cursor }))).toBe("INVALID_INPUT");
  expect(await codeOf(audit.list(operator, { company: own, cursor }))).toBe("no error");
});

test("an export has a company's own sealed events only, and can be verified without the product", async () => {
  for (let i = 0; i < 110; i++) {
    await fixture.secrets.company(own, product).set("CUSTOM_PAGES", `fake_${i}`);
  }
  await fixture.secrets.flush();
  await seal(7);
  const [count] = await fixture.superuser`
    select count(*)::int as count from audit_events where company_id = ${await idOf(own)}`;
  const { lines, unsealed, pages } = await exported();
  expect(pages).toBeGreaterThan(1);
  const events = verified(lines);
  // Each page adds an event, which is not sealed yet.
  expect(events).toHaveLength(Number(count?.["count"]));
  expect(unsealed).toBeLessThanOrEqual(pages);
  expect(new Set(events.map(({ companyId }) => companyId))).toEqual(new Set([await idOf(own)]));
  const text = lines.join("\n");
  expect(text.includes(await idOf(foreign))).toBe(false);
  const others = await fixture.superuser`
    select id from audit_events where company_id is distinct from ${await idOf(own)}`;
  expect(others.length).toBeGreaterThan(3);
  for (const { id } of others) expect(text.includes(String(id))).toBe(false);
});

test("a modified export is refused, with the line", async () => {
  const { lines } = await exported();
  const [first = "", checkpoint = "", event = "", ...rest] = lines;
  const otherCheckpoint = rest.find((line) => line.startsWith('{"checkpoint":')) ?? "";
  const refused = (changed: readonly string[], keys = publicKeys): string => {
    try {
      verified(changed, keys);
      return "accepted";
    } catch (error) {
      return error instanceof Error ? error.message : "";
    }
  };
  /** Changes the first character. */
  const otherBegin = (line: string, field: string): string =>
    line.replace(new RegExp(`"${field}":"(.)`), (_, was) => `"${field}":"${was === "x" ? "z" : "x"}`);
  expect(refused([first, checkpoint, event])).toBe("accepted");
  for (const [changed, sentence] of [
    [
      [first, checkpoint, event.replace('"outcome":"success"', '"outcome":"denied"')],
      "Line 3 of the export has an event that is not as it was sealed",
    ],
    [[first, checkpoint, event.replace(/"count":1/, '"count":2')], "not as it was sealed"],
    [[first, checkpoint, otherBegin(event, "mac")], "Line 3"],
    [
      [first, checkpoint, event.replace(/"index":(\d+)/, (_, index) => `"index":${Number(index) + 1}`)],
      "not as it was sealed",
    ],
    [[first, otherCheckpoint, event], "not as it was sealed"],
    [
      [first, checkpoint.replace("total ", "total 1"), event],
      "Line 2 of the export has a checkpoint that none of the keys has signed",
    ],
    [[first, otherBegin(checkpoint, "signature"), event], "Line 2"],
    [[first, checkpoint, event, event], "Line 4 of the export repeats an event"],
    [[first, event], "comes before the checkpoint"],
    [[checkpoint, event], "Line 1 of the export comes before the header"],
    [[first, first], "begins another export"],
    [
      [first.replace(/"company":"......../, '"company":"00000000'), checkpoint, event],
      "has an event of another company",
    ],
    [[first.replace('"from":"1970', '"from":"2100'), checkpoint, event], "has an event of another time"],
    [[first, checkpoint, event.replace("}", ',"more":1}')], "is not a line of an export"],
    [[first, "", checkpoint], "Line 2 of the export is not a line"],
  ] as const) {
    expect(refused(changed)).toContain(sentence);
  }
  expect(() => createExportVerifier("")).toThrow("not an Ed25519");
});

test("another company's events and exports are NOT_FOUND, and a caller without the verb reads none", async () => {
  const { audit } = fixture.secrets;
  const range = { from: new Date(0), to: new Date() };
  for (const company of [foreign, "nowhere", "%", ""]) {
    expect(await codeOf(audit.list(auditor, { company }))).toBe("NOT_FOUND");
    expect(await codeOf(audit.export(auditor, { company, ...range }))).toBe("NOT_FOUND");
  }
  expect(await codeOf(audit.list(auditor, {}))).toBe("FORBIDDEN");
  const member = await fixture.person(own, "member");
  for (const caller of [member, product]) {
    expect(await codeOf(audit.list(caller, { company: own }))).toBe("FORBIDDEN");
    expect(await codeOf(audit.export(caller, { company: own, ...range }))).toBe("FORBIDDEN");
  }
  for (const limit of [0, 101, 1.5, NaN]) {
    expect(await codeOf(audit.list(auditor, { company: own, limit }))).toBe("INVALID_INPUT");
  }
});

test("a denied access to another company is audited without revealing whether it exists", async () => {
  const { events } = await fixture.secrets.audit.list(auditor, { company: own, limit: 100 });
  const refused = events.filter(({ reason }) => reason === "NOT_FOUND");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.map(({ subject }) => subject)).not.toContain(await idOf(foreign));
});

test("an export with a modified event is refused", async () => {
  await seal();
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update audit_events set reason = 'NOT_FOUND' where id = (select id from audit_events where company_id = ${await idOf(own)} order by position limit 1)`;
  });
  expect(await codeOf(exported())).toBe("INTEGRITY_FAILURE");
});
