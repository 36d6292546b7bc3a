import { randomUUID } from "node:crypto";
import type { TransactionSql } from "postgres";
import { expect, onTestFinished, test, vi } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { codeOf, operator, product } from "../../testing/fixture.ts";
import { readRegionReport } from "../verification/report.ts";
import { introduce, type RegionWorld, startRegionWorld } from "../../testing/region-world.ts";

// Real replication in both directions: each region's server, and each direction's export.

const minute = { timeout: 60_000, interval: 100 };
const { signal } = new AbortController();
const [eu, us] = await Promise.all([startRegionWorld("eu"), startRegionWorld("us")]);
await introduce(us, eu);
await introduce(eu, us);

type Key = `CUSTOM_${string}`;
const own = ({ secrets }: RegionWorld, company: string) => secrets.company(company, product);

async function homeOf({ sql }: RegionWorld, company: string): Promise<string | undefined> {
  const [row] =
    await sql`select home_region as home, home_epoch as epoch from companies where subdomain = ${company}`;
  return row === undefined ? undefined : `${String(row["home"])} ${String(row["epoch"])}`;
}

/** The jobs of a region that bring in what has arrived. */
async function workIn(world: RegionWorld): Promise<void> {
  await world.secrets.adoption.sweep(signal);
  await world.secrets.moves.takeOverOffered(signal);
}

/** A company at home in eu that is copied to us, with these secrets. */
async function copied(...secretKeys: readonly Key[]): Promise<string> {
  const company = `c-${randomUUID().slice(0, 8)}`;
  await eu.secrets.companies.create(operator, { subdomain: company, secretStore: "database" });
  for (const key of secretKeys) await own(eu, company).set(key, `fake-first-of-${key}`);
  await eu.secrets.companyRegions.add(operator, company, { region: "us" });
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await homeOf(us, company)).toBe("eu 1");
    for (const key of secretKeys) expect(await own(us, company).get(key)).toBe(`fake-first-of-${key}`);
  }, minute);
  return company;
}

/** Nothing arrives until the end of the test. */
async function cutOff(from = eu, to = us): Promise<void> {
  const subscription = to.sql(`copies_from_${from.region}_to_${to.region}`);
  await to.sql`alter subscription ${subscription} disable`;
  onTestFinished(async () => {
    await to.sql`alter subscription ${subscription} enable`;
  });
}

/** Changes rows in us as one who has its database and gets past the fence. */
async function asReplicated(work: (sql: TransactionSql) => Promise<unknown>): Promise<void> {
  await us.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`select set_config('tenant_secrets.subscription', 'copies_from_eu_to_us', true)`;
    await work(sql);
  });
}

/** Moves a company as the jobs of both regions do. */
async function move(from: RegionWorld, to: RegionWorld, company: string): Promise<void> {
  const { run } = await from.secrets.moves.move(operator, company, to.region);
  const driving = from.secrets.runs.work["move-company"]?.(run, signal);
  await vi.waitFor(async () => {
    await workIn(to);
    expect((await from.secrets.runs.get(operator, run)).state).toBe("done");
  }, minute);
  await driving;
}

test("a planned move takes all versions along, and each region then says where the company is at home", async () => {
  const company = await copied("CUSTOM_A", "CUSTOM_B", "CUSTOM_GONE");
  await own(eu, company).set("CUSTOM_A", "fake-second", { note: "a note" });
  await own(eu, company).stage("CUSTOM_A", "fake-pending");
  await own(eu, company).remove("CUSTOM_GONE");
  const policy = { company, secretKey: "CUSTOM_B", driver: "generated", overlapSeconds: 0 };
  await eu.secrets.rotation.set(operator, policy);
  const before = await own(eu, company).history("CUSTOM_A");
  await move(eu, us, company);
  expect(await homeOf(eu, company)).toBe("us 2");
  expect(await homeOf(us, company)).toBe("us 2");
  // At the new home: reads, history, what is pending, what can be restored, and new versions.
  expect(await own(us, company).get("CUSTOM_A")).toBe("fake-second");
  expect(await own(us, company).history("CUSTOM_A")).toEqual(before);
  await own(us, company).promote("CUSTOM_A");
  expect(await own(us, company).get("CUSTOM_A")).toBe("fake-pending");
  await own(us, company).restore("CUSTOM_GONE");
  expect(await own(us, company).get("CUSTOM_GONE")).toBe("fake-first-of-CUSTOM_GONE");
  await own(us, company).rollback("CUSTOM_A", { toVersion: 1 });
  const { policies } = await us.secrets.rotation.list(operator, company);
  expect(policies.map(({ secretKey, driver }) => [secretKey, driver])).toEqual([["CUSTOM_B", "generated"]]);
  // At the old one: copies.
  await vi.waitFor(async () => {
    expect(await own(eu, company).get("CUSTOM_A")).toBe("fake-first-of-CUSTOM_A");
    expect(await own(eu, company).get("CUSTOM_GONE")).toBe("fake-first-of-CUSTOM_GONE");
  }, minute);
  expect(await codeOf(own(eu, company).set("CUSTOM_A", "fake-late"))).toBe("WRONG_REGION");
  const left = await eu.sql`select (select count(*) from company_secrets s where s.company_id = c.id)
      + (select count(*) from company_secret_versions v where v.company_id = c.id) + (select count(*) from company_keys k where k.company_id = c.id) as count
    from companies c where subdomain = ${company}`;
  expect(Number(left[0]?.["count"])).toBe(0);
  for (const world of [eu, us]) {
    const { findings } = await world.secrets.audit.verify(operator, {});
    expect(findings).toEqual([]);
    const verified = readRegionReport(
      JSON.stringify(await world.secrets.regionVerification.verify(operator, company)),
    );
    expect(verified.faults).toEqual([]);
  }
});

test("nothing that was acknowledged under load is lost by a planned move", async () => {
  const company = await copied("CUSTOM_LOAD");
  const acknowledged: string[] = [];
  let at = eu;
  const load = new AbortController();
  const codes = new Set<string>();
  const writer = async (name: Key): Promise<void> => {
    for (let i = 0; !load.signal.aborted; i++) {
      const value = `fake-${name}-${i}`;
      try {
        await own(at, company).set(name, value);
        acknowledged.push(value);
      } catch (error) {
        const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
        codes.add(code);
        if (code === "WRONG_REGION") at = us;
        i--;
      }
    }
  };
  const names: readonly Key[] = ["CUSTOM_L1", "CUSTOM_L2", "CUSTOM_L3"];
  const writers = names.map(writer);
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(30), minute);
  await move(eu, us, company);
  const before = acknowledged.length;
  await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 30), minute);
  load.abort();
  await Promise.all(writers);
  for (const name of names) {
    const [latest] = (await own(us, company).history(name)).versions;
    const mine = acknowledged.filter((value) => value.startsWith(`fake-${name}-`));
    expect(latest?.version).toBe(mine.length);
    expect(await own(us, company).get(name)).toBe(mine.at(-1));
  }
  expect(
    [...codes].filter((code) => !["WRONG_REGION", "STORE_UNAVAILABLE", "CONFLICT"].includes(code)),
  ).toEqual([]);
});

test("a process of the old home that has not heard of the move writes nothing there", async () => {
  const company = await copied("CUSTOM_A");
  const { company: known } = await eu.secrets.companies.resolve(
    { caller: product, action: "secret.write" },
    company,
  );
  await move(eu, us, company);
  const [entered] = await eu.sql`select enter_company(${known.id}, ${known.storeEpoch}) as state`;
  expect(entered?.["state"]).not.toBe("ok");
});

test("a company that has moved moves back, with what was written in between", async () => {
  const company = await copied("CUSTOM_A");
  await move(eu, us, company);
  await own(us, company).set("CUSTOM_A", "fake-in-us");
  await move(us, eu, company);
  expect(await homeOf(us, company)).toBe("eu 3");
  expect(await homeOf(eu, company)).toBe("eu 3");
  expect(await own(eu, company).get("CUSTOM_A")).toBe("fake-in-us");
  expect((await own(eu, company).history("CUSTOM_A")).versions).toHaveLength(2);
  await own(eu, company).set("CUSTOM_A", "fake-at-home");
  await vi.waitFor(async () => expect(await own(us, company).get("CUSTOM_A")).toBe("fake-at-home"), minute);
});

test("a home that is lost is replaced with what had arrived; what had not is listed when it comes back", async () => {
  const company = await copied("CUSTOM_A", "CUSTOM_B", "CUSTOM_C");
  await own(eu, company).set("CUSTOM_A", "fake-arrived");
  await vi.waitFor(async () => expect(await own(us, company).get("CUSTOM_A")).toBe("fake-arrived"), minute);
  await cutOff();
  await own(eu, company).set("CUSTOM_A", "fake-lost");
  await own(eu, company).set("CUSTOM_D", "fake-lost-as-well");
  await own(eu, company).remove("CUSTOM_C");
  const { secrets, unreadable, completeUntil } = await us.secrets.moves.takeOver(operator, company, "eu");
  expect({ secrets, unreadable }).toEqual({ secrets: 3, unreadable: [] });
  expect(completeUntil?.getTime()).toBeLessThanOrEqual(Date.now());
  expect(await own(us, company).get("CUSTOM_A")).toBe("fake-arrived");
  expect(await own(us, company).get("CUSTOM_C")).toBe("fake-first-of-CUSTOM_C");
  await own(us, company).set("CUSTOM_B", "fake-at-the-new-home");
  const { versions } = await own(us, company).history("CUSTOM_B");
  expect(versions.map(({ version }) => version)).toEqual([2, 1]);
  // The old home takes no write as soon as it hears of it, and deletes nothing by itself.
  await vi.waitFor(
    async () => expect(await codeOf(own(eu, company).set("CUSTOM_A", "fake-late"))).toBe("WRONG_REGION"),
    minute,
  );
  const lost = [
    { secretKey: "CUSTOM_A", change: "written" },
    { secretKey: "CUSTOM_C", change: "removed" },
    { secretKey: "CUSTOM_D", change: "written" },
  ];
  expect(await eu.secrets.moves.leave(operator, company, {})).toEqual({ left: false, home: "us", lost });
  expect(await homeOf(eu, company)).toBe("eu 1");
  expect(await eu.secrets.moves.leave(operator, company, { acceptLoss: true })).toEqual({
    left: true,
    home: "us",
    lost,
  });
  expect(await homeOf(eu, company)).toBe("us 2");
  await vi.waitFor(
    async () => expect(await own(eu, company).get("CUSTOM_B")).toBe("fake-at-the-new-home"),
    minute,
  );
  // What the old home had sent meanwhile changes nothing at the new one.
  await us.sql`alter subscription "copies_from_eu_to_us" enable`;
  const other = await copied("CUSTOM_A");
  expect(await own(us, company).get("CUSTOM_A")).toBe("fake-arrived");
  expect(await codeOf(own(us, other).get("CUSTOM_A"))).toBe("no error");
  for (const world of [eu, us]) {
    const { findings } = await world.secrets.audit.verify(operator, {});
    expect(findings).toEqual([]);
  }
});

test("what was acknowledged by a home that is lost under load is at the new home, or is listed", async () => {
  const company = await copied("CUSTOM_A");
  const names = Array.from({ length: 6 }, (_, i): Key => `CUSTOM_U${i}`);
  const acknowledged = new Map<Key, string>();
  const load = new AbortController();
  const writers = names.map(async (name) => {
    for (let i = 0; !load.signal.aborted; i++) {
      try {
        await own(eu, company).set(name, `fake-${name}-${i}`);
        acknowledged.set(name, `fake-${name}-${i}`);
      } catch (error) {
        // The fence has stopped it, as it stops the rest.
        if (error instanceof TenantSecretsError && error.code === "WRONG_REGION") return;
        throw error;
      }
    }
  });
  await vi.waitFor(async () => expect(await own(us, company).get("CUSTOM_U0")).toContain("-"), minute);
  await cutOff();
  await vi.waitFor(() => us.secrets.moves.takeOver(operator, company, "eu"), minute);
  await Promise.all(writers);
  load.abort();
  const { lost } = await vi.waitFor(() => eu.secrets.moves.leave(operator, company, {}), minute);
  const missing: string[] = [];
  for (const [name, value] of acknowledged)
    if ((await own(us, company).find(name)) !== value) missing.push(name);
  expect(missing.length).toBeGreaterThan(0);
  expect(lost.map(({ secretKey }) => secretKey)).toEqual(expect.arrayContaining(missing));
  expect(lost.every(({ change }) => change === "written")).toBe(true);
});

test("a company is taken over from its own home alone, and once", async () => {
  const company = await copied("CUSTOM_A");
  expect(await codeOf(us.secrets.moves.takeOver(operator, company, "ap"))).toBe("CONFLICT");
  expect(await codeOf(eu.secrets.moves.takeOver(operator, company, "us"))).toBe("CONFLICT");
  const codes = await Promise.all(
    Array.from({ length: 5 }, () => codeOf(us.secrets.moves.takeOver(operator, company, "eu"))),
  );
  expect(codes.toSorted()).toEqual(["CONFLICT", "CONFLICT", "CONFLICT", "CONFLICT", "no error"]);
});

test("an offer that is not taken changes nothing, and writes go on at the home", async () => {
  const company = await copied("CUSTOM_A");
  await cutOff();
  const { run } = await eu.secrets.moves.move(operator, company, "us");
  expect(await eu.secrets.moves.move(operator, company, "us")).toEqual({ run });
  const driving = eu.secrets.runs.work["move-company"]?.(run, signal).catch((error: unknown) =>
    String(error),
  );
  await vi.waitFor(async () => expect((await eu.secrets.runs.get(operator, run)).phase).toBe("wait"), minute);
  const held = codeOf(own(eu, company).set("CUSTOM_A", "fake-held"));
  // A beat of the other region, by whose clock the offer is over.
  await cutOff(us, eu);
  await eu.sql`update region_beats set beat_at = clock_timestamp() + interval '4 minutes' where home_region = 'us'`;
  expect(await driving).toContain("did not take the company over in time");
  expect(await held).toBe("no error");
  expect((await eu.secrets.runs.get(operator, run)).state).toBe("cancelled");
  expect(await own(eu, company).get("CUSTOM_A")).toBe("fake-held");
  await us.sql`alter subscription "copies_from_eu_to_us" enable`;
  await vi.waitFor(async () => expect(await own(us, company).get("CUSTOM_A")).toBe("fake-held"), minute);
  await us.secrets.moves.takeOverOffered(signal);
  expect(await homeOf(us, company)).toBe("eu 1");
});

test("an offer that its home has not signed is not taken, and others are", async () => {
  const [forged, genuine] = [await copied("CUSTOM_A"), await copied("CUSTOM_A")];
  await asReplicated(async (sql) => {
    const part = {
      format: 1,
      part: 1,
      parts: 1,
      offeredAtMs: Date.now(),
      rows: {
        company_secrets: [],
        company_secret_versions: [],
        rotation_policies: [],
        rotation_credentials: [],
      },
    };
    await sql`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body, signature)
      select 'us', company_id, 'move', '1', 'eu', 1, 1, ${JSON.stringify(part)}, signature from region_copies
      where kind = 'company' and company_id = (select id from companies where subdomain = ${forged})`;
  });
  const { run } = await eu.secrets.moves.move(operator, genuine, "us");
  const driving = eu.secrets.runs.work["move-company"]?.(run, signal);
  await vi.waitFor(async () => {
    expect(await codeOf(us.secrets.moves.takeOverOffered(signal))).toBe("INTEGRITY_FAILURE");
    expect(await homeOf(us, genuine)).toBe("us 2");
  }, minute);
  await driving;
  expect(await homeOf(us, forged)).toBe("eu 1");
  await asReplicated((sql) => sql`delete from region_copies where kind = 'move'`);
});

test("a move that its process leaves at any step is finished by another one", async () => {
  const company = await copied("CUSTOM_A");
  const { run } = await eu.secrets.moves.move(operator, company, "us");
  let lastsMs = 0;
  await vi.waitFor(async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), (lastsMs += 5));
    await eu.secrets.runs.work["move-company"]?.(run, stop.signal).catch(() => {});
    await workIn(us);
    expect((await eu.secrets.runs.get(operator, run)).state).toBe("done");
  }, minute);
  expect(await homeOf(eu, company)).toBe("us 2");
  expect(await own(us, company).get("CUSTOM_A")).toBe("fake-first-of-CUSTOM_A");
});

test("what cannot be moved is refused before anything is held", async () => {
  const company = await copied("CUSTOM_A");
  const refusal = (to: string, of = company) =>
    eu.secrets.moves.move(operator, of, to).catch((error: unknown) => String(error));
  expect(await refusal("ap")).toContain("not copied to ap");
  const pinned = `c-${randomUUID().slice(0, 8)}`;
  await eu.secrets.companies.create(operator, { subdomain: pinned, secretStore: "infisical" });
  expect(await refusal("us", pinned)).toContain("Only secrets in the database");
  expect(await codeOf(us.secrets.moves.move(operator, company, "eu"))).toBe("WRONG_REGION");
  expect(await codeOf(eu.secrets.moves.move(product, company, "us"))).toBe("FORBIDDEN");
  expect(await codeOf(eu.secrets.moves.leave(operator, company, {}))).toBe("CONFLICT");
  await eu.secrets.suspension.suspend(operator, company);
  expect(await refusal("us")).toContain("suspended");
});

/** A move to us, to the moment when eu waits for us to take the company over. */
async function offered(company: string): Promise<string> {
  const { run } = await eu.secrets.moves.move(operator, company, "us");
  const stop = new AbortController();
  const driving = eu.secrets.runs.work["move-company"]?.(run, stop.signal).catch(() => {});
  await vi.waitFor(async () => expect((await eu.secrets.runs.get(operator, run)).phase).toBe("wait"), minute);
  stop.abort();
  await driving;
  return run;
}

/** As if three minutes had passed since the offer. */
const passOffer = (run: string) =>
  eu.sql`update runs set facts = jsonb_set(facts, '{offeredAtMs}', to_jsonb((facts->>'offeredAtMs')::float8 - 200000)) where id = ${run}`;

const refused = (error: unknown) => (error instanceof Error ? error.message : "");

test("a move whose other region is lost is ended by an operator, and the home goes on with its writes", async () => {
  const company = await copied("CUSTOM_A");
  expect(await eu.secrets.moves.takeOver(operator, company, "us").catch(refused)).toContain(
    "not being moved",
  );
  await cutOff();
  await cutOff(us, eu);
  const run = await offered(company);
  expect(await codeOf(own(eu, company).set("CUSTOM_A", "fake-held"))).toBe("STORE_UNAVAILABLE");
  expect(await eu.secrets.moves.takeOver(operator, company, "us").catch(refused)).toMatch(/wait for \d+ s/);
  await passOffer(run);
  expect(await codeOf(eu.secrets.moves.takeOver(product, company, "us"))).toBe("FORBIDDEN");
  const codes = await Promise.all(
    Array.from({ length: 3 }, () => codeOf(eu.secrets.moves.takeOver(operator, company, "us"))),
  );
  expect(codes.toSorted()).toEqual(["CONFLICT", "CONFLICT", "no error"]);
  expect((await eu.secrets.runs.get(operator, run)).state).toBe("cancelled");
  await own(eu, company).set("CUSTOM_A", "fake-second");
  expect(await homeOf(eu, company)).toBe("eu 3");
  // It comes back without having heard of the offer.
  for (const [from, to] of [
    [eu, us],
    [us, eu],
  ] as const)
    await to.sql`alter subscription ${to.sql(`copies_from_${from.region}_to_${to.region}`)} enable`;
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await own(us, company).get("CUSTOM_A")).toBe("fake-second");
    expect(await homeOf(us, company)).toBe("eu 3");
  }, minute);
  await move(eu, us, company);
  expect(await homeOf(us, company)).toBe("us 4");
  expect((await eu.secrets.audit.verify(operator, {})).findings).toEqual([]);
});

test("a region that took a company over before it was lost is fenced when it comes back, and lists what it had written", async () => {
  const company = await copied("CUSTOM_A");
  await cutOff(us, eu);
  const run = await offered(company);
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await homeOf(us, company)).toBe("us 2");
  }, minute);
  await cutOff();
  await own(us, company).set("CUSTOM_B", "fake-written-there");
  await passOffer(run);
  await eu.secrets.moves.takeOver(operator, company, "us");
  await own(eu, company).set("CUSTOM_A", "fake-written-here");
  for (const [from, to] of [
    [eu, us],
    [us, eu],
  ] as const)
    await to.sql`alter subscription ${to.sql(`copies_from_${from.region}_to_${to.region}`)} enable`;
  await vi.waitFor(
    async () => expect(await codeOf(own(us, company).set("CUSTOM_A", "fake-late"))).toBe("WRONG_REGION"),
    minute,
  );
  const { left, lost } = await vi.waitFor(() => us.secrets.moves.leave(operator, company, {}), minute);
  expect(left).toBe(false);
  expect(lost.map(({ secretKey }) => secretKey)).toContain("CUSTOM_B");
  await us.secrets.moves.leave(operator, company, { acceptLoss: true });
  await vi.waitFor(async () => {
    await workIn(us);
    expect(await own(us, company).get("CUSTOM_A")).toBe("fake-written-here");
  }, minute);
  expect(await homeOf(us, company)).toBe("eu 3");
  expect(await homeOf(eu, company)).toBe("eu 3");
});
