import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import type { Caller, RunQuery } from "@repo/catalog";
import { codeOf, createFixture, operator, product, type Fixture, type Person } from "../testing/fixture.ts";

let fixture: Fixture;
let own: string;
let foreign: string;
let member: Person;

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
  own = await fixture.company("database");
  foreign = await fixture.company("database");
  member = await fixture.person(own, "member");
  for (const company of [own, foreign]) {
    await fixture.secrets.company(company, product).set("CUSTOM_A", "fake_canary_0001");
  }
});

const list = (caller: Caller, query: Partial<RunQuery>) =>
  fixture.secrets.runs.list(caller, { limit: 50, ...query });

/** A rotation of the company's key that waits for its job. @returns the run's id */
async function begin(company: string): Promise<string> {
  await fixture.secrets.companyKeyRotation.requestRotation(operator, company);
  const [newest] = await list(operator, { limit: 1 });
  return newest?.id ?? "";
}
async function finish(id: string): Promise<void> {
  await fixture.secrets.runs.work["rotate-company-key"]?.(id, new AbortController().signal);
}

async function eventsOf(action: string): Promise<string[]> {
  await fixture.secrets.flush();
  const rows = await fixture.superuser`
    select actor_kind || ' ' || outcome as text from audit_events where action = ${action} order by position`;
  return rows.map((row) => String(row["text"]));
}

describe("the people of a company", () => {
  test("see that company's runs, with what a page shows and links, and nothing of another company's", async () => {
    const theirs = await begin(foreign);
    const mine = await begin(own);
    const [run, ...others] = await list(member, { company: own });
    expect(others).toEqual([]);
    expect(run).toMatchObject({
      id: mine,
      kind: "rotate-company-key",
      title: "Rotation of a company's key",
      company: { subdomain: own },
      state: "running",
      phase: "reencrypt",
      done: 0,
      total: 1,
      error: undefined,
      allows: ["pause", "resume", "cancel"],
      requestedBy: { kind: "operator", id: "test-operator" },
      startedAt: expect.any(Date),
      finishedAt: undefined,
    });
    await finish(mine);
    expect(await list(member, { company: own })).toMatchObject([
      { id: mine, state: "done", keyVersion: 2, finishedAt: expect.any(Date) },
    ]);
    expect(await list(await fixture.person(foreign, "auditor"), { company: foreign })).toMatchObject([
      { id: theirs, company: { subdomain: foreign } },
    ]);
    await finish(theirs);
  });

  test("cannot ask for another company, for the platform, or for what is older than another company's run", async () => {
    await begin(own).then(finish);
    const theirs = await begin(foreign);
    expect(await codeOf(list(member, { company: foreign }))).toBe("NOT_FOUND");
    expect(await codeOf(list(member, { company: "nowhere" }))).toBe("NOT_FOUND");
    expect(await codeOf(list(member, {}))).toBe("FORBIDDEN");
    expect(await list(member, { company: own, before: theirs })).toEqual([]);
    expect((await list(operator, { before: theirs })).length).toBeGreaterThan(0);
    await finish(theirs);
  });

  test("see none of the master key's runs, and no name of an operator", async () => {
    const { id } = await fixture.secrets.operators.create(product, {
      name: "Ada",
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const ada: Caller = { actor: { kind: "operator", id } };
    await fixture.secrets.keyRotation.rotate(ada, { backup: async () => "sha256:fake" });
    await fixture.secrets.companyKeyRotation.rotateCompanyKey(ada, own);
    const seen = await list(member, { company: own });
    expect(new Set(seen.map(({ kind }) => kind))).toEqual(new Set(["rotate-company-key"]));
    expect(seen[0]?.requestedBy).toEqual({ kind: "operator", id, name: undefined });
    const [ofCompany, ofMasterKey] = await list(operator, { limit: 2 });
    expect(ofCompany?.requestedBy).toEqual({ kind: "operator", id, name: "Ada" });
    expect(ofMasterKey).toMatchObject({
      title: "Rotation of the master key",
      company: undefined,
      keyVersion: 2,
      requestedBy: { name: "Ada" },
    });
    expect(JSON.stringify([...seen, ofMasterKey])).not.toContain("canary");
  });
});

test("a program sees no runs: an error may name secrets outside its grant", async () => {
  expect(await codeOf(list(product, { company: own }))).toBe("FORBIDDEN");
  const { description, apiKey } = await fixture.secrets.apiKeys.create(operator, {
    name: "narrow",
    companies: [own],
    platform: false,
    verbs: ["describe"],
    secretKeys: ["CUSTOM_A"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const service = await fixture.secrets.authenticate({ credential: apiKey });
  expect(service.actor.id).toBe(description.id);
  expect(await codeOf(list(service, { company: own }))).toBe("FORBIDDEN");
});

test("looking leaves no event, and being refused does", async () => {
  const before = await eventsOf("run.list");
  await list(member, { company: own });
  await list(operator, {});
  expect(await eventsOf("run.list")).toEqual(before);
  await codeOf(list(member, {}));
  expect((await eventsOf("run.list")).slice(before.length)).toEqual(["user denied"]);
});

test("recent runs are those that are unfinished, or ended within seven days", async () => {
  const company = await fixture.company("database");
  const auditor = await fixture.person(company, "auditor");
  await fixture.secrets.company(company, product).set("CUSTOM_A", "fake_first_0001");
  const old = await begin(company);
  await finish(old);
  const late = await begin(company);
  await finish(late);
  const unfinished = await begin(company);
  const age = (id: string, days: number) => fixture.superuser`
    update runs set started_at = now() - interval '30 days', finished_at = now() - make_interval(days => ${days})
    where id = ${id}`;
  await age(old, 8);
  await age(late, 6);
  const ids = async (caller: Caller, query: Partial<RunQuery>) =>
    (await list(caller, { company, ...query })).map(({ id }) => id).toSorted();
  for (const caller of [auditor, operator]) {
    expect(await ids(caller, { recent: true })).toEqual([late, unfinished].toSorted());
    expect(await ids(caller, {})).toEqual([old, late, unfinished].toSorted());
  }
  const everywhere = (await list(operator, { recent: true })).map(({ id }) => id);
  expect(everywhere).toEqual(expect.arrayContaining([late, unfinished]));
  expect(everywhere).not.toContain(old);
  await finish(unfinished);
});

test("neither a page's poll nor a company's reads the whole history", async () => {
  await fixture.superuser`
    insert into runs (kind, subject, state, phase, input, facts, requested_by_kind, requested_by_id, started_at, updated_at, finished_at)
    select 'rotate-company-key', gen_random_uuid()::text, 'done', 'done', '{}', '{"complete":1,"keyVersion":2}', 'operator', 'x',
      t, t, t from (select now() - interval '30 days' - make_interval(mins => n) as t from generate_series(1, 20000) n) h`;
  await fixture.superuser`analyze runs`;
  const read = async (work: () => Promise<unknown>): Promise<number> => {
    const scanned = async () => {
      await fixture.superuser`select pg_stat_force_next_flush()`;
      const [row] = await fixture.superuser`
        select seq_tup_read + coalesce(idx_tup_fetch, 0) as n from pg_stat_user_tables where relname = 'runs'`;
      return Number(row?.["n"]);
    };
    const before = await scanned();
    await work();
    // A session tells its counts with the first statement that comes a second later.
    await sleep(1100);
    await Promise.all(Array.from({ length: 20 }, () => list(operator, { before: crypto.randomUUID() })));
    return (await scanned()) - before;
  };
  expect(await read(() => list(operator, { recent: true }))).toBeLessThan(500);
  expect(await read(() => list(member, { company: own }))).toBeLessThan(500);
});
