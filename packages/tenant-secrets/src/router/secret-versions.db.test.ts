import { beforeAll, describe, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient } from "../client.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { inProcessFetch } from "./handler.ts";
import { serverCaller } from "./server-caller.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
let apiKey = "";
let [here, there, foreign] = ["", "", ""];

beforeAll(async () => {
  [here, there, foreign] = [
    await fixture.company("database"),
    await fixture.company("infisical"),
    await fixture.company("database"),
  ];
  ({ apiKey } = await secrets.apiKeys.create(operator, {
    name: "k",
    companies: [here, there],
    platform: true,
    secretKeys: ["*"],
    verbs: ["use", "describe", "write", "delete"],
    expiresAt: new Date(Date.now() + 3_600_000),
  }));
});

const ways = {
  "in process": async (company: string) => secrets.company(company, product),
  "through procedures in process": async (company: string) =>
    serverCaller(secrets, await fixture.scope(company)),
  "over HTTP": async (company: string) =>
    createTenantSecretsClient({
      url: "http://in-process",
      credential: apiKey,
      catalog: deliveryChatCatalog,
      fetch: inProcessFetch(secrets),
    }).company(company),
} as const;

/** The events of a secret, as `<action> <outcome>[ <reason>] <version>`. */
async function eventsOf(secretKey: string): Promise<string[]> {
  await secrets.flush();
  const rows =
    await superuser`select concat_ws(' ', action, outcome, reason, version) as text from audit_events
    where secret_key = ${secretKey} order by position`;
  return rows.map((row) => String(row["text"]));
}

describe.each(Object.entries(ways))("%s", (way, companyOf) => {
  const secretKey = `CUSTOM_${way.toUpperCase().replaceAll(" ", "_")}` as const;

  test("a secret passes through all stages, with each version in its history and each step in the audit log", async () => {
    const acme = await companyOf(here);
    await acme.set(secretKey, "fake-one", { note: "first" });
    expect(await acme.stage(secretKey, "fake-two", { note: "from the provider" })).toEqual({ version: 2 });
    await expect(acme.stage(secretKey, "fake-three")).rejects.toMatchObject({
      code: "CONFLICT",
      currentVersion: 1,
    });
    expect(await acme.get(secretKey)).toBe("fake-one");
    for (const name of ["promote", "discard"] as const) {
      await expect(acme[name](secretKey, { pendingVersion: 3 })).rejects.toMatchObject({
        code: "CONFLICT",
        currentVersion: 1,
        message: expect.stringContaining("Version 2 is pending, not 3"),
      });
    }
    const meant = { expectedVersion: 1, pendingVersion: 2, graceSeconds: 3600 };
    expect(await acme.promote(secretKey, meant)).toEqual({ version: 2 });
    expect(await codeOf(acme.promote(secretKey))).toBe("CONFLICT");
    expect(await acme.stage(secretKey, "fake-three")).toEqual({ version: 3 });
    expect(await acme.discard(secretKey, { pendingVersion: 3, expectedVersion: 2 })).toEqual({ version: 3 });
    expect(await acme.rollback(secretKey, { toVersion: 1, note: "two was wrong" })).toEqual({ version: 4 });
    expect(await acme.get(secretKey)).toBe("fake-one");
    expect(await codeOf(acme.rollback(secretKey, { toVersion: 3 }))).toBe("CONFLICT");
    expect(await codeOf(acme.rollback(secretKey, { toVersion: 99 }))).toBe("NOT_FOUND");

    const expiresAt = new Date(Date.now() + 86_400_000);
    await acme.setExpiry(secretKey, { expiresAt, reminderDays: [7] });
    const inCatalog = (await acme.list()).secrets.find((each) => each.secretKey === secretKey);
    expect(inCatalog).toMatchObject({ version: 4, expiresAt });

    expect(inCatalog?.expiresInDays).toBe(1);
    await acme.set("CUSTOM_SOONER", "fake-sooner", { expiresAt: new Date("2020-01-01"), reminderDays: [3] });
    const soon = async (expiresWithinDays: number) =>
      (await acme.list({ expiresWithinDays })).secrets.map((each) => each.secretKey);
    expect(await soon(0)).toEqual(["CUSTOM_SOONER"]);
    expect(await soon(1)).toEqual(["CUSTOM_SOONER", secretKey]);

    const page = await acme.history(secretKey, { limit: 2 });
    expect(page).toMatchObject({
      next: 3,
      versions: [
        { version: 4, stage: "current", note: "two was wrong" },
        { version: 3, destroyedAt: expect.any(Date) },
      ],
    });
    const rest = await acme.history(secretKey, { before: page.next });
    expect(rest.versions).toMatchObject([
      { version: 2, note: "from the provider", previousVersionId: rest.versions[1]?.id },
      { version: 1, note: "first" },
    ]);
    expect(rest.next).toBeUndefined();

    expect(await codeOf(acme.purge(secretKey))).toBe("CONFLICT");
    await acme.remove(secretKey);
    expect(await codeOf(acme.rollback(secretKey, { toVersion: 2 }))).toBe("NOT_FOUND");
    expect(await acme.restore(secretKey)).toEqual({ version: 4 });
    await acme.remove(secretKey);
    await acme.purge(secretKey);
    expect(await codeOf(acme.restore(secretKey))).toBe("NOT_FOUND");
    const purged = await acme.history(secretKey);
    expect(purged.versions.map(({ version, destroyedAt }) => [version, destroyedAt instanceof Date])).toEqual(
      [4, 3, 2, 1].map((version) => [version, true]),
    );
    expect(JSON.stringify(purged)).not.toContain("fake-");

    const events = await eventsOf(secretKey);
    expect(events.filter((event) => !event.startsWith("secret.read"))).toEqual([
      "secret.write success 1",
      "secret.stage success 2",
      "secret.stage failed CONFLICT",
      "secret.promote failed CONFLICT",
      "secret.discard failed CONFLICT",
      "secret.promote success 2",
      "secret.promote failed CONFLICT",
      "secret.stage success 3",
      "secret.discard success 3",
      "secret.rollback success 4",
      "secret.rollback failed CONFLICT",
      "secret.rollback failed NOT_FOUND",
      "secret.set-expiry success 4",
      "secret.history success",
      "secret.history success",
      "secret.purge failed CONFLICT",
      "secret.remove success 4",
      "secret.rollback failed NOT_FOUND",
      "secret.restore success 4",
      "secret.remove success 4",
      "secret.purge success 4",
      "secret.restore failed NOT_FOUND",
      "secret.history success",
    ]);
  });

  test("a batch is written completely or not at all, and reports the reason for each secret", async () => {
    const acme = await companyOf(here);
    const [a, b, c] = [`${secretKey}_A`, `${secretKey}_B`, `${secretKey}_C`] as const;
    const batch = { [a]: "fake-a", [b]: "fake-b" };
    const first = await acme.setMany(batch, { requestId: `batch-${secretKey}` });
    expect(first).toEqual([
      { secretKey: a, version: 1 },
      { secretKey: b, version: 1 },
    ]);
    expect(await acme.setMany(batch, { requestId: `batch-${secretKey}` })).toEqual(first);
    expect(await acme.getMany([b, c, a])).toEqual({ [a]: "fake-a", [b]: "fake-b" });
    const conflict = acme.setMany(
      { [a]: "fake-a2", [b]: "fake-b2", [c]: "fake-c" },
      { expectedVersions: { [a]: 7, [b]: 8 } },
    );
    await expect(conflict).rejects.toMatchObject({
      code: "CONFLICT",
      failures: [
        { secretKey: a, code: "CONFLICT", currentVersion: 1, message: expect.any(String) },
        { secretKey: b, code: "CONFLICT", currentVersion: 1, message: expect.any(String) },
      ],
    });
    expect(await acme.getMany([a, b, c])).toEqual({ [a]: "fake-a", [b]: "fake-b" });
    expect(await codeOf(acme.setMany({}))).toBe("INVALID_INPUT");
    expect(await codeOf(acme.getMany([a, a]))).toBe("INVALID_INPUT");
    const many = Array.from({ length: 101 }, (_, i) => `CUSTOM_${i}` as const);
    expect(await codeOf(acme.getMany(many))).toBe("INVALID_INPUT");
    const events = await eventsOf(a);
    expect(events.filter((event) => event.startsWith("secret.write"))).toEqual([
      "secret.write success 1",
      "secret.write success REPLAYED 1",
      "secret.write failed CONFLICT",
    ]);
    expect((await eventsOf(c)).filter((event) => event === "secret.read failed NOT_FOUND")).toHaveLength(2);
  });

  test("an operation that a store lacks is announced in its capabilities, and NOT_SUPPORTED", async () => {
    expect(Object.values(await (await companyOf(here)).capabilities())).not.toContain(false);
    const acme = await companyOf(there);
    await acme.set("CUSTOM_A", "fake-a");
    const can = await acme.capabilities();
    const calls = {
      history: () => acme.history("CUSTOM_A"),
      stages: () => acme.stage("CUSTOM_A", "fake-b"),
      rollback: () => acme.rollback("CUSTOM_A", { toVersion: 1 }),
      purge: () => acme.purge("CUSTOM_A"),
      bulk: () => acme.setMany({ CUSTOM_A: "fake-b" }),
      expiry: () => acme.setExpiry("CUSTOM_A", { expiresAt: null }),
      recovery: () => acme.restore("CUSTOM_A"),
    } as const;
    for (const [name, call] of Object.entries(calls))
      expect([name, await codeOf(call())]).toEqual([name, "NOT_SUPPORTED"]);
    expect(can).toMatchObject(Object.fromEntries(Object.keys(calls).map((name) => [name, false])));
    expect(await acme.getMany(["CUSTOM_A", "CUSTOM_NONE"])).toEqual({ CUSTOM_A: "fake-a" });
  });
});

test("an API key learns nothing of another company, nor of secrets outside its grant", async () => {
  const narrow = await secrets.apiKeys.create(operator, {
    name: "n",
    companies: [here],
    platform: false,
    secretKeys: ["CUSTOM_MINE"],
    verbs: ["use", "describe", "write", "delete"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  await secrets.company(here, product).setMany({ CUSTOM_MINE: "fake-mine", CUSTOM_OTHER: "fake-other" });
  await secrets.company(foreign, product).set("CUSTOM_MINE", "fake-theirs");
  const caller = await secrets.authenticate({ credential: narrow.apiKey });
  const acme = secrets.company(here, caller);
  expect(await acme.getMany(["CUSTOM_MINE", "CUSTOM_OTHER", "CUSTOM_NONE"])).toEqual({
    CUSTOM_MINE: "fake-mine",
  });
  await expect(acme.setMany({ CUSTOM_MINE: "fake-m", CUSTOM_OTHER: "fake-o" })).rejects.toMatchObject({
    code: "NOT_FOUND",
    failures: [{ secretKey: "CUSTOM_OTHER", code: "NOT_FOUND" }],
  });
  expect(await acme.get("CUSTOM_MINE")).toBe("fake-mine");
  const refused = await superuser`select outcome from audit_events
    where secret_key = 'CUSTOM_OTHER' and action = 'secret.read' and reason = 'NOT_FOUND'`;
  expect(refused.map((row) => row["outcome"])).toEqual(["denied"]);
  const answers = await Promise.all(
    [foreign, "nobody"].flatMap((name) => {
      const theirs = secrets.company(name, caller);
      return [
        theirs.history("CUSTOM_MINE"),
        theirs.rollback("CUSTOM_MINE", { toVersion: 1 }),
        theirs.getMany(["CUSTOM_MINE"]),
        theirs.setMany({ CUSTOM_MINE: "fake" }),
        theirs.purge("CUSTOM_MINE", { force: true }),
        theirs.use("CUSTOM_MINE", () => "used"),
      ].map((call) => call.then(String, String));
    }),
  );
  expect(new Set(answers).size).toBe(1);
  expect(answers[0]).toContain("Not found");
});

test("a value sent as a secret key in a batch is neither audited nor returned", async () => {
  const writes = [{ secretKey: "sk_live_fake_swapped_0002", value: "x" }];
  const scope = await fixture.scope(here);
  const batch = secrets.vault.writeMany(scope, { writes });
  await expect(batch).rejects.toMatchObject({ code: "UNKNOWN_SECRET_KEY", failures: undefined });
  await expect(batch).rejects.not.toThrow("swapped");
  await codeOf(secrets.vault.readMany(scope, { secretKeys: ["sk_live_fake_swapped_0002"] }));
  await codeOf(secrets.vault.history(scope, { secretKey: "sk_live_fake_swapped_0002" }));
  const events = await superuser`select audit_events::text as text from audit_events`;
  expect(events.map((row) => String(row["text"])).join("\n")).not.toContain("swapped");
});

test.each([
  ["write", { graceSeconds: 0.5 }],
  ["promote", { graceSeconds: 2_592_001 }],
  ["promote", { pendingVersion: 0 }],
  ["promote", { requestId: "" }],
  ["discard", { pendingVersion: 1.5 }],
  ["discard", { requestId: "x".repeat(101) }],
  ["restore", { requestId: "two words" }],
  ["purge", { requestId: "\0" }],
  ["remove", { requestId: "é" }],
  ["setExpiry", { requestId: "x".repeat(65_537) }],
  ["stage", { expiresAt: new Date(Number.NaN) }],
  ["stage", { reminderDays: [366] }],
  ["rollback", { toVersion: 0 }],
  ["rollback", { toVersion: 2 ** 31 }],
  ["history", { before: 0 }],
  ["history", { limit: 101 }],
  ["list", { expiresWithinDays: -1 }],
  ["list", { expiresWithinDays: 1.5 }],
  ["list", { expiresWithinDays: 3654 }],
  ["setExpiry", { expiresAt: new Date(Number.NaN) }],
  ["setExpiry", { expiresAt: new Date(8.64e15) }],
  ["setExpiry", { expiresAt: null, reminderDays: [7, 7] }],
  ["setExpiry", { expiresAt: null, reminderDays: [0] }],
] as const)("%s refuses %j by its rule", async (name, options) => {
  const { vault } = secrets;
  const scope = await fixture.scope(here);
  await secrets.company(here, product).set("CUSTOM_BAD", "fake-bad");
  const input = { secretKey: "CUSTOM_BAD", ...(options as object) };
  const calls = {
    write: () => vault.write(scope, { value: "fake", ...input }),
    stage: () => vault.stage(scope, { value: "fake", ...input }),
    promote: () => vault.promote(scope, input),
    discard: () => vault.discard(scope, input),
    remove: () => vault.remove(scope, input),
    restore: () => vault.restore(scope, input),
    purge: () => vault.purge(scope, input),
    rollback: () => vault.rollback(scope, { toVersion: 1, ...input }),
    history: () => vault.history(scope, input),
    list: () => vault.list(scope, options as object),
    setExpiry: () => vault.setExpiry(scope, { expiresAt: null, ...input }),
  };
  await expect(calls[name]()).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringMatching(/^The request was refused: /),
  });
});
