import { randomUUID } from "node:crypto";
import { TRPCError } from "@trpc/server";
import { beforeAll, describe, expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { createCaller } from "../router/router.ts";
import { createCallerContext, publicError } from "../router/trpc.ts";
import { createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";

let fixture: Fixture;
let own: string;
let foreign: string;
let auditor: Person;
let stranger: Person;

/** As many events as three pages look through. */
const many = 60_000;

beforeAll(async () => {
  fixture = await createFixture(undefined, { callsPerSecond: 10_000, refusalsPerMinute: 10_000 });
  own = await fixture.company("database");
  foreign = await fixture.company("database");
  auditor = await fixture.person(own, "auditor");
  stranger = await fixture.person(foreign, "owner");
  for (const company of [own, foreign]) {
    const secrets = fixture.secrets.company(company, { ...product, requestId: `request-of-${company}` });
    await secrets.set("CUSTOM_A", "fake_a_0001");
    await secrets.set("CUSTOM_B", "fake_b_0001");
    await secrets.get("CUSTOM_A");
    await secrets.remove("CUSTOM_B");
  }
  await list(auditor, { company: foreign }).catch(() => {});
  await list(stranger, { company: foreign });
  await fixture.secrets.flush();
});

type Asked = NonNullable<Parameters<ReturnType<typeof createCaller>["audit"]["list"]>[0]>;

/** Over the router, as a request would. */
function list(caller: Caller, asked: Asked) {
  return createCaller(createCallerContext(fixture.secrets, caller)).audit.list(asked);
}

async function refusalOf(caller: Caller, asked: Asked): Promise<string> {
  try {
    await list(caller, asked);
    return "no refusal";
  } catch (error) {
    if (!(error instanceof TRPCError)) throw error;
    const { code, message } = publicError(error);
    return `${code}: ${message}`;
  }
}

/** All pages. */
async function listAll(caller: Caller, asked: Asked) {
  const pages: Awaited<ReturnType<typeof list>>[] = [];
  do {
    pages.push(await list(caller, { ...asked, cursor: pages.at(-1)?.cursor }));
  } while (pages.at(-1)?.cursor !== undefined);
  return {
    pages: pages.length,
    ids: pages.flatMap(({ events }) => events.map(({ id }) => id)),
    sizes: pages.map(({ events }) => events.length),
  };
}

async function idOf(subdomain: string): Promise<string> {
  const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
  return String(row?.["id"]);
}

/** Inserts reads by a job, 10 ms apart, the last one now. A list does not look at their MACs. */
async function insertReads(company: string, count: number, secretKey: string): Promise<void> {
  await fixture.superuser`
    insert into audit_events (id, company_id, occurred_at, actor_kind, actor_id, action, secret_key, outcome, nonce,
      mac_key_version, mac)
    select (lpad(to_hex(ms), 12, '0') || '7000' || '8' || substr(md5(ms::text), 1, 15))::uuid, ${company}, to_timestamp(ms / 1000.0),
      'job', 'busy', 'secret.read', ${secretKey}, 'success', decode(repeat('00', 16), 'hex'), 1, decode(repeat('00', 32), 'hex')
    from (select (extract(epoch from now()) * 1000)::bigint - n * 10 as ms from generate_series(${count}::int, 1, -1) n) times`;
}

describe("the filters of the list", () => {
  test("each filter, and two together, list the events of the company that fit, and no others", async () => {
    const company = await idOf(own);
    const [middle] = await fixture.superuser<{ at: Date }[]>`
      select occurred_at as at from audit_events where company_id = ${company} and action = 'secret.read'`;
    const at = middle?.at ?? new Date(0);
    const sql = fixture.superuser;
    const cases = [
      [{ actors: [auditor.userId] }, sql`actor_id = ${auditor.userId}`],
      [{ actors: ["test", auditor.userId] }, sql`actor_id in ('test', ${auditor.userId})`],
      [{ actions: ["secret.write", "secret.remove"] }, sql`action in ('secret.write', 'secret.remove')`],
      [{ secretKeys: ["CUSTOM_B"] }, sql`secret_key = 'CUSTOM_B'`],
      [{ secretKeys: ["CUSTOM_A", "CUSTOM_B"] }, sql`secret_key in ('CUSTOM_A', 'CUSTOM_B')`],
      [{ outcomes: ["denied"] }, sql`outcome = 'denied'`],
      [{ from: at }, sql`occurred_at >= ${at}`],
      [{ to: at }, sql`occurred_at < ${at}`],
      [{ requestId: `request-of-${own}` }, sql`request_id = ${`request-of-${own}`}`],
      [{ actors: ["test"], secretKeys: ["CUSTOM_B"] }, sql`actor_id = 'test' and secret_key = 'CUSTOM_B'`],
    ] as const satisfies readonly (readonly [Asked, unknown])[];
    for (const [filters, condition] of cases) {
      const order = "from" in filters || "to" in filters ? sql`id` : sql`position`;
      const rows = await sql`
        select id from audit_events where company_id = ${company} and ${condition} order by ${order} desc`;
      expect(rows.length, JSON.stringify(filters)).toBeGreaterThan(0);
      const found = (await listAll(operator, { company: own, ...filters, limit: 3 })).ids;
      // The pages are events themselves, which come before these.
      expect(
        found.filter((id) => rows.some((row) => row["id"] === id)),
        JSON.stringify(filters),
      ).toEqual(rows.map((row) => String(row["id"])));
      const others =
        await sql`select action from audit_events where id = any(${found}) and not (${condition})`;
      expect(others, JSON.stringify(filters)).toHaveLength(0);
    }
  });

  test("operators filter the events of the platform, by the same filters", async () => {
    const [other] = await fixture.superuser<{ at: Date }[]>`
      select max(occurred_at) as at from audit_events where company_id = ${await idOf(foreign)} and action = 'secret.write'`;
    const at = other?.at ?? new Date(0);
    const rows = await fixture.superuser`
      select id from audit_events where action = 'secret.write' and occurred_at < ${at} order by id desc`;
    expect(rows.length).toBeGreaterThan(2);
    const { ids } = await listAll(operator, { actions: ["secret.write"], to: at, limit: 2 });
    expect(ids).toEqual(rows.map((row) => String(row["id"])));
    const after = await listAll(operator, { actions: ["secret.write"], from: at, limit: 2 });
    expect(after.ids).toHaveLength(1);
  });

  test("a cursor goes on with the filters that it was made with, in any order, and with no others", async () => {
    const filters = {
      company: own,
      actors: ["test", "busy"],
      actions: ["secret.write", "secret.read"],
    } satisfies Asked;
    const { cursor } = await list(auditor, { ...filters, limit: 1 });
    expect(cursor).toEqual(expect.any(String));
    const next = await list(auditor, { ...filters, actors: ["busy", "test", "busy"], cursor, limit: 1 });
    expect(next.events).toHaveLength(1);
    const without: readonly Asked[] = [
      { company: own },
      { ...filters, actors: undefined },
      { ...filters, actors: ["test"] },
      { ...filters, outcomes: ["success"] },
      { ...filters, secretKeys: ["CUSTOM_A"] },
      { ...filters, from: new Date(0) },
      { ...filters, to: new Date() },
      { ...filters, requestId: "test" },
      { ...filters, actors: filters.actions, actions: filters.actors },
    ];
    for (const asked of without) {
      expect(await refusalOf(auditor, { ...asked, cursor }), JSON.stringify(asked)).toMatch(/^INVALID_INPUT/);
    }
    expect(await refusalOf(auditor, { ...filters, cursor: `${cursor}A` })).toMatch(/^INVALID_INPUT/);
  });

  test("another company's actors, secrets and requests give the same answer as unknown ones", async () => {
    const unknown = await list(auditor, { company: own, actors: [randomUUID()] });
    expect(unknown).toEqual({ events: [], cursor: undefined });
    for (const filters of [
      { actors: [stranger.userId] },
      { requestId: `request-of-${foreign}` },
      { actors: ["__proto__"], actions: ["constructor"] },
      { secretKeys: ["__proto__"] },
    ] satisfies Asked[]) {
      expect(await list(auditor, { company: own, ...filters })).toEqual(unknown);
    }
  });

  test("malformed filters are INVALID_INPUT, and their refusal does not repeat them", async () => {
    const asked: readonly Asked[] = [
      { actors: Array.from({ length: 10_000 }, () => randomUUID()) },
      { actors: [] },
      { actions: ["x".repeat(201)] },
      { secretKeys: ["fake\0value"] },
      { requestId: "\ud800" },
      { from: new Date(2), to: new Date(1) },
      { from: new Date(1), to: new Date(1) },
      { from: new Date(Number.NaN) },
      { cursor: "1.AAAAAAAAAAAAAAAAAAAAAA" },
      { cursor: "__proto__" },
    ];
    for (const filters of asked) {
      const refusal = await refusalOf(auditor, { company: own, ...filters });
      expect(refusal, JSON.stringify(filters).slice(0, 80)).toMatch(/^INVALID_INPUT/);
      expect(refusal).not.toMatch(/fake|xxx|proto/);
    }
    expect(await refusalOf(auditor, { company: own, actors: [] })).toContain("actors has 1 to 200 values");
  });
});

test("a page of a filtered list looks through 20,000 events at most, and goes on behind them", async () => {
  const company = await fixture.company("database");
  const id = await idOf(company);
  await fixture.secrets.company(company, product).set("CUSTOM_OLD", "fake_old_0001");
  await insertReads(id, many, "CUSTOM_BUSY");
  const [total] = await fixture.superuser`
    select count(*)::int as count from audit_events where company_id = ${id}`;
  expect(total?.["count"]).toBeGreaterThan(many);

  const old = await listAll(operator, { company, actions: ["secret.write"] });
  expect(old.sizes).toEqual([0, 0, 0, 1]);
  // The positions that the cursors name are 20,000 apart, but for the events of the pages themselves.
  const first = await list(operator, { company, actions: ["secret.write"] });
  const second = await list(operator, { company, actions: ["secret.write"], cursor: first.cursor });
  const [a = "", b = ""] = [first, second].map(({ cursor }) => cursor?.split(".")[0]);
  expect(Number(a) - Number(b)).toBe(20_000);

  const everything = await listAll(operator, {
    company,
    actors: ["busy"],
    from: new Date(Date.now() - 60_000),
    limit: 100,
  });
  const young = await fixture.superuser`
    select id from audit_events where company_id = ${id} and actor_id = 'busy' order by position desc limit 4000`;
  expect(everything.ids.slice(0, 4000)).toEqual(young.map((row) => String(row["id"])));
  expect(new Set(everything.ids).size).toBe(everything.ids.length);

  // So has a time span, however long ago it was.
  const [oldest] = await fixture.superuser<{ at: Date }[]>`
    select min(occurred_at) as at from audit_events where company_id = ${id} and actor_id = 'busy'`;
  const from = oldest?.at ?? new Date(0);
  const to = new Date(from.getTime() + 500);
  const span = await fixture.superuser`
    select id from audit_events where company_id = ${id} and occurred_at >= ${from} and occurred_at < ${to} order by id desc`;
  expect(span.length).toBeGreaterThan(40);
  const ofSpan = await listAll(operator, { company, from, to, actors: ["busy"], limit: 100 });
  expect(ofSpan).toMatchObject({ pages: 1, ids: span.map((row) => String(row["id"])) });

  // One secret has an index of its own: its few events are found in one page.
  const ofOne = await listAll(operator, { company, secretKeys: ["CUSTOM_OLD"] });
  expect(ofOne).toMatchObject({ pages: 1, sizes: [1] });
}, 60_000);
