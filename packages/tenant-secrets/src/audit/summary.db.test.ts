import { TRPCError } from "@trpc/server";
import { expect, test, vi } from "vitest";
import { summarizedActions, type SummaryCounts } from "@repo/audit-log";
import type { Caller } from "@repo/catalog";
import { createTasks } from "../jobs/jobs.ts";
import { createCaller } from "../router/router.ts";
import { createCallerContext, publicError } from "../router/trpc.ts";
import { createFixture, operator, product } from "../testing/fixture.ts";

const fixture = await createFixture(undefined, { callsPerSecond: 10_000, refusalsPerMinute: 10_000 });
const { superuser } = fixture;
const dayMs = 24 * 3_600_000;
const start = Math.floor(Date.now() / dayMs) * dayMs;

const api = (caller: Caller) => createCaller(createCallerContext(fixture.secrets, caller));

/** Runs `work` at another time of the process, whose clock events have. */
async function at<T>(time: number, work: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ["Date"], now: time });
  try {
    return await work();
  } finally {
    vi.useRealTimers();
  }
}

const longAgo = start - 100 * dayMs;
const { own, foreign, owner, auditor, stranger } = await at(longAgo, async () => {
  const [one, other] = [await fixture.company("database"), await fixture.company("database")];
  return {
    own: one,
    foreign: other,
    owner: await fixture.person(one, "owner"),
    auditor: await fixture.person(one, "auditor"),
    stranger: await fixture.person(other, "owner"),
  };
});

/** Reads, of which some are counted together, a reveal, changes, and more denials than have events of their own. */
async function doEverything(company: string, reader: Caller): Promise<void> {
  const secrets = fixture.secrets.company(company, product);
  await secrets.set("CUSTOM_A", "fake_a_0001");
  await secrets.set("CUSTOM_B", "fake_b_0001");
  for (let i = 0; i < 7; i++) await secrets.get("CUSTOM_A");
  await secrets.get("CUSTOM_B");
  await api(reader).secrets.reveal({ company, secretKey: "CUSTOM_A", purpose: "incident" });
  await api(reader).secrets.export({ company, format: "env", purpose: "hand-over" });
  for (let i = 0; i < 30; i++) {
    await api(auditor)
      .secrets.reveal({ company: own, secretKey: "CUSTOM_B", purpose: "incident" })
      .catch(() => {});
  }
  await secrets.remove("CUSTOM_B");
  await fixture.secrets.flush();
}

const sealer = fixture.secrets.createSealer({ onSealed: () => {}, onAlarm: () => {}, batchSize: 20 });

async function sealAll(): Promise<void> {
  await fixture.secrets.flush();
  const left = async () => {
    await sealer.tick();
    const [row] = await superuser`
      select count(*)::int as n from audit_events where xid >= (select to_xid from audit_checkpoints order by index desc limit 1)`;
    return row?.["n"] as unknown;
  };
  await expect.poll(left, { timeout: 60_000 }).toBe(0);
}

type Asked = Parameters<ReturnType<typeof api>["audit"]["summary"]>[0];
type Listed = NonNullable<Parameters<ReturnType<typeof api>["audit"]["list"]>[0]>;

/** The number of events in all pages of a list, those included that were counted together. */
async function countOf(asked: Listed): Promise<number> {
  let count = 0;
  let cursor: string | undefined;
  do {
    const page = await api(owner).audit.list({ company: own, limit: 100, ...asked, cursor });
    cursor = page.cursor;
    for (const event of page.events) count += event.count;
  } while (cursor !== undefined);
  return count;
}

/** What the list says in place of a summary. */
async function listed(asked: Listed): Promise<SummaryCounts> {
  const outcomes = ["success"] as const;
  const [reads, reveals, changes, denials] = [
    await countOf({ ...asked, outcomes, actions: summarizedActions.reads }),
    await countOf({ ...asked, outcomes, actions: summarizedActions.reveals }),
    await countOf({ ...asked, outcomes, actions: summarizedActions.changes }),
    await countOf({ ...asked, outcomes: ["denied"] }),
  ];
  return { reads, reveals, changes, denials };
}

const nothing: SummaryCounts = { reads: 0, reveals: 0, changes: 0, denials: 0 };

async function expectAgreement(
  span: { readonly from: Date; readonly to: Date },
  buckets: readonly Asked["by"][] = ["hour", "day"],
): Promise<void> {
  const asked = { company: own, ...span } as const;
  for (const by of buckets) {
    const summary = await api(owner).audit.summary({ ...asked, by });
    expect(summary.buckets.length).toBeGreaterThan(0);
    for (const { at: from, ...counts } of summary.buckets) {
      const to = new Date(from.getTime() + (by === "hour" ? 3_600_000 : dayMs));
      expect(counts).toEqual(await listed({ from, to }));
    }
    const total = summary.buckets.reduce<SummaryCounts>(
      (sum, { reads, reveals, changes, denials }) => ({
        reads: sum.reads + reads,
        reveals: sum.reveals + reveals,
        changes: sum.changes + changes,
        denials: sum.denials + denials,
      }),
      nothing,
    );
    expect(total).toEqual(await listed({ from: summary.from, to: summary.to }));
    for (const { secretKey, ...counts } of summary.secrets) {
      expect(counts, secretKey).toEqual(await listed({ ...span, secretKeys: [secretKey] }));
      const ofOne = await api(owner).audit.summary({ ...asked, by, secretKey });
      expect(ofOne.secrets).toEqual([{ secretKey, ...counts }]);
    }
    for (const { kind: _, id, name: __, ...counts } of summary.actors) {
      expect(counts, id).toEqual(await listed({ ...span, actors: [id] }));
    }
  }
}

const everything = { from: new Date(start - 101 * dayMs), to: new Date(start + dayMs) };
const last10Days = { from: new Date(start - 10 * dayMs), to: new Date(start + dayMs) };

test("a summary agrees with the list by hour, day, secret and actor, events that were counted together included", async () => {
  await at(longAgo, async () => {
    await doEverything(own, owner);
    await sealAll();
  });
  await at(start - 3 * dayMs, () => doEverything(own, owner));
  await at(start - 3 * dayMs + 5_400_000, () => doEverything(own, owner));
  await doEverything(foreign, stranger);
  await sealAll();
  const [together] = await superuser`
    select max(count) filter (where outcome = 'denied')::int as denials, max(count) filter (where action = 'secret.read')::int as reads
    from audit_events`;
  expect(together?.["denials"]).toBeGreaterThan(5);
  expect(together?.["reads"]).toBeGreaterThan(1);

  await expectAgreement(last10Days);
  const { secrets, actors, buckets } = await api(auditor).audit.summary({
    company: own,
    ...last10Days,
    by: "hour",
  });
  expect(buckets.filter(({ reads }) => reads > 0).map(({ at: hour }) => hour.getTime())).toEqual([
    start - 3 * dayMs,
    start - 3 * dayMs + 3_600_000,
  ]);
  expect(secrets.map(({ secretKey, reads, reveals }) => [secretKey, reads, reveals])).toEqual([
    ["CUSTOM_B", 2, 2],
    ["CUSTOM_A", 14, 4],
  ]);
  expect(actors.find(({ id }) => id === auditor.userId)).toMatchObject({ name: "Test auditor", reads: 0 });
  // The last 30 were refused in the work of the other company.
  expect(actors.find(({ id }) => id === auditor.userId)?.denials).toBe(90);
});

test("a summary is of its own company, from sealed events, and sealing again adds nothing", async () => {
  const before = await api(owner).audit.summary({ company: own, ...everything, by: "day" });
  await fixture.secrets.company(foreign, product).set("CUSTOM_A", "fake_a_0002");
  await sealAll();
  for (let i = 0; i < 3; i++) await sealer.tick();
  expect(await api(owner).audit.summary({ company: own, ...everything, by: "day" })).toEqual(before);
  expect(JSON.stringify(before)).not.toContain(stranger.userId);
  const seen = await fixture.database.inCompany((await fixture.scope(foreign)).company.id, (statements) =>
    statements.execute(`select distinct company_id from audit_summaries`),
  );
  expect([...seen]).toHaveLength(1);
});

test("an operator gets the summary of all companies together, with the names of those who acted", async () => {
  const asked = { ...everything, by: "day" } as const;
  const ofOwn = await api(owner).audit.summary({ company: own, ...asked });
  const ofForeign = await api(stranger).audit.summary({ company: foreign, ...asked });
  const together = await api(operator).audit.summary(asked);
  const sumOf = ({ buckets }: typeof together, count: keyof SummaryCounts): number =>
    buckets.reduce((sum, bucket) => sum + bucket[count], 0);
  for (const count of ["reads", "reveals", "changes", "denials"] as const) {
    expect(sumOf(together, count), count).toBe(sumOf(ofOwn, count) + sumOf(ofForeign, count));
  }
  expect(sumOf(ofForeign, "changes")).toBeGreaterThan(0);
  expect(together.actors.find(({ id }) => id === owner.userId)).toMatchObject({ name: "Test owner" });
  expect(together.actors.find(({ id }) => id === stranger.userId)).toMatchObject({ name: "Test owner" });
  await expect(api(owner).audit.summary(asked)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

test("a batch whose checkpoint does not commit is not counted", async () => {
  const before = await api(owner).audit.summary({ company: own, ...everything, by: "day" });
  await fixture.secrets.company(own, product).set("CUSTOM_C", "fake_c_0001");
  await superuser.unsafe(`
    create function refuse_for_test() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
    create constraint trigger refuse_for_test after insert on audit_checkpoints deferrable initially deferred
      for each row execute function refuse_for_test()`);
  try {
    await expect(sealer.tick()).rejects.toThrow("Something went wrong on our side");
  } finally {
    await superuser.unsafe(`drop function refuse_for_test() cascade`);
  }
  expect(await api(owner).audit.summary({ company: own, ...everything, by: "day" })).toEqual(before);
  await sealAll();
  await expectAgreement(last10Days);
});

test("after events were removed for their age, the summary agrees with what is left", async () => {
  const old = { from: everything.from, to: new Date(start - 50 * dayMs) };
  expect((await api(owner).audit.summary({ company: own, ...old, by: "day" })).buckets).toHaveLength(1);
  const secrets = fixture.another({ auditRetentionDays: 60 });
  const tasks = createTasks({ secrets, database: fixture.database, log: () => {} });
  await tasks["prune-audit-events"]?.({}, { signal: new AbortController().signal });
  expect((await api(owner).audit.summary({ company: own, ...old, by: "day" })).buckets).toEqual([]);
  await sealAll();
  await expectAgreement(everything, ["day"]);
  const [left] =
    await superuser`select count(*)::int as n from audit_summaries where reads + reveals + changes + denials = 0`;
  expect(left).toEqual({ n: 0 });
});

test("malformed questions are INVALID_INPUT, and another company is NOT_FOUND", async () => {
  const refusal = async (caller: Caller, asked: Asked): Promise<string> => {
    try {
      await api(caller).audit.summary(asked);
      return "no refusal";
    } catch (error) {
      if (!(error instanceof TRPCError)) throw error;
      return publicError(error).code;
    }
  };
  const asked: Asked = { company: own, from: new Date(start), to: new Date(start + 1), by: "hour" };
  expect(await refusal(owner, asked)).toBe("no refusal");
  const malformed: readonly Partial<Asked>[] = [
    { from: new Date(start + 1) },
    { from: new Date(start + 2) },
    { from: new Date(start - 1001 * 3_600_000) },
    { from: new Date(0), by: "day" },
    { to: new Date(8.64e15) },
    { to: new Date(Number.NaN) },
    { secretKey: "fake\0value" },
    { secretKey: "x".repeat(10_000) },
  ];
  for (const part of malformed) {
    expect(await refusal(owner, { ...asked, ...part }), JSON.stringify(part).slice(0, 80)).toBe(
      "INVALID_INPUT",
    );
  }
  expect(await refusal(owner, { ...asked, company: foreign })).toBe("NOT_FOUND");
  expect(await refusal(owner, { ...asked, company: "__proto__" })).toBe("NOT_FOUND");
  expect(await refusal(product, asked)).toBe("FORBIDDEN");
  const unknown = await api(operator).audit.summary({ ...asked, secretKey: "__proto__" });
  expect(unknown).toMatchObject({ buckets: [], secrets: [], actors: [] });
});
