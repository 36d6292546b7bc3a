import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TenantSecretsError } from "@repo/catalog";
import { codeOf, product } from "../../testing/fixture.ts";
import { createRegionPair, homeRegion, type RegionPair } from "../../testing/region-pair.ts";

let pair: RegionPair;
let subdomain: string;
let id: string;

beforeAll(async () => {
  pair = await createRegionPair();
});

const atHome = () => pair.home.secrets.company(subdomain, product);
const away = () => pair.target.secrets.company(subdomain, product);

beforeEach(async () => {
  subdomain = await pair.home.company("database");
  await atHome().set("CUSTOM_A", "fake_0001");
  id = await pair.allow(subdomain);
  await pair.bring();
  await pair.target.secrets.adoption.sweep(new AbortController().signal);
});

const tamper = (assignment: string, kind: "key" | "secret", name: string): Promise<void> =>
  pair.tamper(id, assignment, { kind, name });

describe("a company that is at home elsewhere", () => {
  test("has its values here, each marked with its home and its age", async () => {
    expect(await away().get("CUSTOM_A")).toBe("fake_0001");
    const { ageMs } = (await away().read("CUSTOM_A")).copy ?? {};
    expect(ageMs).toBeGreaterThanOrEqual(0);
    expect(await away().read("CUSTOM_A")).toEqual({
      value: "fake_0001",
      version: 1,
      copy: { homeRegion, ageMs: expect.any(Number) },
    });
    expect(await atHome().read("CUSTOM_A", { maxAgeMs: 0 })).toEqual({ value: "fake_0001", version: 1 });
  });

  test("has in its list what its home has, but for hints and what hangs on people", async () => {
    await atHome().set("CUSTOM_B", "fake_0002", { expiresAt: new Date(Date.now() + 10 * 86_400_000) });
    await pair.bring();
    const [here, there] = [await away().list(), await atHome().list()];
    expect(here.copy).toEqual({ homeRegion, ageMs: expect.any(Number) });
    expect(there.copy).toBeUndefined();
    const facts = ({ secrets }: typeof here) =>
      secrets.map(({ secretKey, version, lastVersion, createdAt, updatedAt, expiresInDays }) => ({
        secretKey,
        version,
        lastVersion,
        createdAt,
        updatedAt,
        expiresInDays,
      }));
    expect(facts(here)).toEqual(facts(there));
    expect(
      here.secrets.map(({ lastFour, fingerprint, updatedBy }) => [lastFour, fingerprint, updatedBy]),
    ).toEqual([
      [undefined, undefined, undefined],
      [undefined, undefined, undefined],
    ]);
    expect(Object.values(here.capabilities).filter(Boolean)).toEqual([true]);
  });

  test("has new values, and loses removed ones, as they arrive", async () => {
    await atHome().set("CUSTOM_A", "fake_0002");
    await atHome().set("CUSTOM_B", "fake_b");
    await pair.bring();
    expect(await away().getMany(["CUSTOM_A", "CUSTOM_B"])).toEqual({
      CUSTOM_A: "fake_0002",
      CUSTOM_B: "fake_b",
    });
    await atHome().remove("CUSTOM_A");
    await pair.bring();
    expect(await away().find("CUSTOM_A")).toBeUndefined();
  });

  test("writes nothing here: each answer says where the home is", async () => {
    const calls = [
      () => away().set("CUSTOM_A", "fake_0003"),
      () => away().remove("CUSTOM_A"),
      () => away().history("CUSTOM_A"),
      () => away().stage("CUSTOM_A", "fake_0003"),
      () => away().setMany({ CUSTOM_A: "fake_0003" }),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: "WRONG_REGION",
        homeRegion,
        homeAddress: "https://eu.example.com",
      } satisfies Partial<TenantSecretsError>);
    }
    const rows = await pair.target.superuser`select from company_secrets where company_id = ${id}`;
    expect(rows).toHaveLength(0);
  });
});

describe("a copy that its home did not make", () => {
  const garbage = [
    "body = 'garbage'",
    "body = '{}'",
    "body = ''",
    "body = jsonb_set(body::jsonb, '{currentVersion}', '2')::text",
  ];

  test.each(garbage)("of a secret is not read: %s", async (assignment) => {
    await tamper(assignment, "secret", "CUSTOM_A");
    expect(await codeOf(away().get("CUSTOM_A"))).toBe("INTEGRITY_FAILURE");
    expect(await codeOf(away().list())).toBe("INTEGRITY_FAILURE");
  });

  test("of a secret is not read: that of another secret, of another company", async () => {
    await atHome().set("CUSTOM_B", "fake_b");
    const [first, firstId] = [subdomain, id];
    subdomain = await pair.home.company("database");
    await atHome().set("CUSTOM_A", "fake_of_other");
    const otherId = await pair.allow(subdomain);
    await pair.bring();
    [subdomain, id] = [first, firstId];
    const from = (company: string, name: string) =>
      `body = (select body from region_copies o where o.company_id = '${company}' and o.kind = 'secret' and o.name = '${name}')`;
    await tamper(from(id, "CUSTOM_B"), "secret", "CUSTOM_A");
    expect(await codeOf(away().get("CUSTOM_A"))).toBe("INTEGRITY_FAILURE");
    await tamper(from(otherId, "CUSTOM_A"), "secret", "CUSTOM_A");
    expect(await codeOf(away().get("CUSTOM_A"))).toBe("INTEGRITY_FAILURE");
    expect(await away().get("CUSTOM_B")).toBe("fake_b");
  });

  test.each([
    "signature = ''",
    "signature = decode(repeat('00', 64), 'hex')",
    "body = 'garbage'",
    "body = 'tr1.us.1.AAAA'",
    "revision = revision + 1",
  ])("of a key opens nothing: %s", async (assignment) => {
    await tamper(assignment, "key", "1");
    expect(await codeOf(away().get("CUSTOM_A"))).toBe("INTEGRITY_FAILURE");
  });

  test("of an epoch or a home that is not the company's is not read", async () => {
    await tamper("home_epoch = 2", "key", "1");
    expect(await codeOf(away().get("CUSTOM_A"))).toBe("KEY_UNAVAILABLE");
    await tamper("home_epoch = 2", "secret", "CUSTOM_A");
    expect(await codeOf(away().get("CUSTOM_A"))).toBe("NOT_FOUND");
  });

  test("tells neither of another company nor of a value, and raises an alarm that names the company", async () => {
    const alarms: string[] = [];
    await tamper("body = 'garbage'", "secret", "CUSTOM_A");
    const fresh = pair.target.another();
    const serving = await fresh.serve(pair.target.urls.listener, (alarm) => alarms.push(alarm.message));
    const error: unknown = await fresh
      .company(subdomain, product)
      .get("CUSTOM_A")
      .catch((thrown: unknown) => thrown);
    await serving.stop();
    expect(error).toMatchObject({ code: "INTEGRITY_FAILURE" });
    expect(String(error)).not.toContain(id);
    expect(alarms.join(" ")).toContain(id);
  });
});

describe("a key copy", () => {
  test("that is gone takes the key with it, also from processes that had it", async () => {
    const serving = await pair.target.secrets.serve(pair.target.urls.listener, () => {});
    try {
      expect(await away().get("CUSTOM_A")).toBe("fake_0001");
      await pair.home.superuser.begin(async (sql) => {
        await sql`delete from region_copies where company_id = ${id} and kind = 'key'`;
      });
      await pair.bring();
      await expect.poll(() => codeOf(away().get("CUSTOM_A")), { timeout: 60_000 }).toBe("KEY_UNAVAILABLE");
    } finally {
      await serving.stop();
    }
  });

  test("of a home that is not known here opens nothing", async () => {
    const fresh = pair.target.another();
    await pair.target
      .superuser`update regions set address = 'https://evil.example.com' where region = ${homeRegion}`;
    try {
      expect(await codeOf(fresh.company(subdomain, product).get("CUSTOM_A"))).toBe("KEY_UNAVAILABLE");
    } finally {
      await pair.target
        .superuser`update regions set address = 'https://eu.example.com' where region = ${homeRegion}`;
    }
  });
});

describe("the age of copies", () => {
  const ageBeat = (by: string) =>
    pair.target.superuser`update region_beats set beat_at = clock_timestamp() - ${by}::interval`;

  test("bounds what is answered to callers who say so, with a time to try again", async () => {
    await ageBeat("1 minute");
    const fresh = pair.target.another().company(subdomain, product);
    for (const call of [
      () => fresh.get("CUSTOM_A", { maxAgeMs: 10_000 }),
      () => fresh.getMany(["CUSTOM_A"], { maxAgeMs: 10_000 }),
      () => fresh.list({ maxAgeMs: 10_000 }),
    ])
      await expect(call()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE", retryAfterMs: 1000 });
    expect(await fresh.get("CUSTOM_A")).toBe("fake_0001");
    const { copy } = await fresh.read("CUSTOM_A", { maxAgeMs: 120_000 });
    expect(copy?.ageMs).toBeGreaterThanOrEqual(60_000);
    await pair.bring();
    expect(await fresh.get("CUSTOM_A", { maxAgeMs: 10_000 })).toBe("fake_0001");
  });

  test("is not known where the home was never heard of, and then nothing is young enough", async () => {
    await pair.target.superuser`delete from region_beats`;
    const fresh = pair.target.another().company(subdomain, product);
    expect((await fresh.read("CUSTOM_A")).copy).toEqual({ homeRegion });
    expect(await codeOf(fresh.get("CUSTOM_A", { maxAgeMs: 31_536_000_000 }))).toBe("STORE_UNAVAILABLE");
  });
});

test("each read of a copy is an event that names its home", async () => {
  await away().get("CUSTOM_A");
  await away().list();
  await pair.target.secrets.flush();
  const events = await pair.target.superuser`
    select action, subject from audit_events where company_id = ${id} and outcome = 'success' and action like 'secret.%' order by action`;
  expect(events.map(({ action, subject }) => `${String(action)} ${String(subject)}`)).toEqual([
    "secret.list eu",
    "secret.read eu",
  ]);
});
