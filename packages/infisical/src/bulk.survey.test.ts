import { describe, expect, test, vi } from "vitest";
import { newestOfEach } from "./answers.ts";
import {
  ask,
  asRecord,
  failureOf,
  generations,
  name,
  path,
  startFixture,
  tokenFor,
  value,
} from "./testing/fixture.ts";
import type { Fixture } from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 90_000 });

const raw = "/api/v3/secrets/raw";

/** A request by hand, as of a caller that may do what our client does not. */
async function sending({ emulator }: Fixture) {
  const token = await tokenFor(emulator, emulator);
  return (method: string, target: string, body: Record<string, unknown>) =>
    ask(emulator, {
      method,
      target,
      token,
      body: { workspaceId: emulator.projectId, environment: "dev", ...body },
    });
}

describe.for(generations)("a server: %s", (generation) => {
  const start = () => startFixture({ emulator: { generation } });

  test("a survey has every row of the folder with all that a copy of the value would lose", async () => {
    await using fixture = await start();
    const send = await sending(fixture);
    await fixture.client.putSecret(path, name, value);
    await fixture.client.putSecret(path, name, "fake-second");
    await fixture.client.putSecret(`${path}/below`, "BELOW", value);
    const tag = await send("POST", `/api/v1/workspace/${fixture.emulator.projectId}/tags`, {
      slug: "billing",
      color: "",
    });
    const more = {
      secretComment: "made by hand",
      secretMetadata: [{ key: "owner", value: "fake" }],
      tagIds: [asRecord(tag.body["tag"])["id"]],
      secretReminderRepeatDays: 30,
    };
    const noted = { secretPath: path, secretValue: "fake-noted", ...more };
    await send("POST", `${raw}/NOTED`, noted);
    const survey = await fixture.client.bulk().survey(path);
    const plain = { isPersonal: false, hasComment: false, tags: 0, metadata: 0, hasReminder: false };
    expect(survey?.rows).toEqual([
      {
        ...plain,
        id: expect.any(String),
        secretKey: "NOTED",
        value: "fake-noted",
        version: 1,
        createdAt: expect.any(Date),
        updatedAt: expect.any(Date),
        hasComment: true,
        tags: 1,
        hasReminder: true,
        // The older server has none.
        metadata: generation === "older" ? 0 : 1,
      },
      {
        ...plain,
        id: expect.any(String),
        secretKey: name,
        value: "fake-second",
        version: 2,
        createdAt: expect.any(Date),
        updatedAt: expect.any(Date),
      },
    ]);
    const summaries = await fixture.client.bulk().surveySummaries(path);
    expect(summaries).toEqual(
      survey?.rows.map(({ id, secretKey, version, createdAt, updatedAt }) => ({
        id,
        secretKey,
        version,
        createdAt,
        updatedAt,
      })),
    );
    expect(JSON.stringify(summaries)).not.toContain("fake");
  });

  test("both of two secrets that share a name are rows, and rows have names of any form", async () => {
    await using fixture = await start();
    const send = await sending(fixture);
    await fixture.client.createFolder(path);
    for (const secretKey of ["__proto__", "A.B", "constructor", "ключ"]) {
      const target = `${raw}/${encodeURIComponent(secretKey)}`;
      await send("POST", target, { secretPath: path, secretValue: `fake-${secretKey}` });
    }
    fixture.emulator.faults.add({ kind: "race" }, { times: 2, method: "POST" });
    const bodies = ["fake-1", "fake-2"].map((secretValue) => ({ secretPath: path, secretValue }));
    await Promise.all(bodies.map((body) => send("POST", `${raw}/${name}`, body)));
    const survey = await fixture.client.bulk().survey(path);
    const rows = survey?.rows ?? [];
    expect(rows.map(({ secretKey }) => secretKey)).toEqual([
      "A.B",
      name,
      name,
      "__proto__",
      "constructor",
      "ключ",
    ]);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(6);
    const twins = rows.filter(({ secretKey }) => secretKey === name);
    expect(new Set(twins.map((twin) => twin.value))).toEqual(new Set(["fake-1", "fake-2"]));
    const [listed] = (await fixture.client.listSecrets(path)).filter((each) => each.secretKey === name);
    expect(newestOfEach(twins)).toMatchObject([listed]);
    expect(rows.find(({ secretKey }) => secretKey === "__proto__")?.value).toBe("fake-__proto__");
    expect((await fixture.client.bulk().surveySummaries(path))?.map(({ id }) => id)).toEqual(
      rows.map(({ id }) => id),
    );
  });

  test("a missing folder is told from an empty one where the server tells them apart", async () => {
    await using fixture = await start();
    const bulk = fixture.client.bulk();
    await bulk.createFolder(path);
    expect([await bulk.survey(path), await bulk.surveySummaries(path)]).toEqual([{ rows: [] }, []]);
    const missing = [await bulk.survey("/tenants/missing"), await bulk.surveySummaries("/tenants/missing")];
    expect(missing).toEqual(generation === "older" ? [{ rows: [] }, []] : [undefined, undefined]);
  });

  test("all folders below a path are listed with their paths, those that share a name too", async () => {
    await using fixture = await start();
    const { client, emulator } = fixture;
    const send = await sending(fixture);
    for (const each of ["/tenants/beta/deep/er", "/tenants/alpha", "/elsewhere/alpha"]) {
      await client.createFolder(each);
    }
    emulator.faults.add({ kind: "race" }, { times: 2, method: "POST" });
    const twin = { path: "/tenants", name: "twin" };
    const made = await Promise.all([twin, twin].map((body) => send("POST", "/api/v1/folders", body)));
    const ids = made.map(({ body }) => String(asRecord(body["folder"])["id"])).toSorted();
    const bulk = client.bulk();
    const before = emulator.requests().length;
    const listed = await bulk.listFoldersBelow("/tenants");
    expect(listed.map((folder) => folder.path)).toEqual([
      "/tenants/alpha",
      "/tenants/beta",
      "/tenants/beta/deep",
      "/tenants/beta/deep/er",
      "/tenants/twin",
      "/tenants/twin",
    ]);
    expect(listed.map((folder) => folder.name)).toEqual(["alpha", "beta", "deep", "er", "twin", "twin"]);
    expect(listed.flatMap(({ id, name: each }) => (each === "twin" ? [id] : []))).toEqual(ids);
    const lists = emulator
      .requests()
      .slice(before)
      .filter(({ method }) => method === "GET");
    const folderLists = lists.filter(({ path: at }) => at.endsWith("/folders"));
    expect(folderLists).toHaveLength(generation === "older" ? 6 : 1);
    expect((await bulk.listFoldersBelow("/")).map((folder) => folder.path)).toContain("/elsewhere/alpha");
    expect(await bulk.listFoldersBelow("/tenants/missing")).toEqual([]);
  });

  test("imports are counted and not followed, with a right of its own", async () => {
    await using fixture = await start();
    const { client, emulator } = fixture;
    const send = await sending(fixture);
    await client.putSecret("/shared", "SHARED_KEY", "fake-shared");
    await client.putSecret(path, name, value);
    expect(await client.bulk().countImports(path)).toBe(0);
    const from = { environment: "dev", path: "/shared" };
    await send("POST", "/api/v1/secret-imports", { path, import: from });
    expect(await client.bulk().countImports(path)).toBe(1);
    const survey = await client.bulk().survey(path);
    expect(survey?.rows.map(({ secretKey }) => secretKey)).toEqual([name]);
    expect(await client.bulk().countImports("/tenants/missing")).toBeUndefined();

    const looking = { on: "secrets", actions: ["describeSecret", "readValue"], path: "/tenants/**" } as const;
    const limited = fixture.clientWith(await emulator.addIdentity({ rights: [looking] })).bulk();
    expect(await failureOf(limited.countImports(path))).toMatchObject({
      code: "FORBIDDEN",
      right: { action: "list", on: "imports" },
    });
    expect((await limited.survey(path))?.rows).toHaveLength(1);
  });

  test("nothing is expanded: a reference to another company's secret is its text", async () => {
    await using fixture = await start();
    const { client, emulator } = fixture;
    await fixture
      .clientWith({ environment: "prod" })
      .putSecret("/tenants/other", "KEY", "sk_test_fake_other_0001");
    await client.putSecret(path, name, "${prod.tenants.other.KEY}");
    const before = emulator.requests().length;
    const bulk = client.bulk();
    expect((await bulk.survey(path))?.rows.map((row) => row.value)).toEqual(["${prod.tenants.other.KEY}"]);
    await bulk.surveySummaries(path);
    const lists = emulator
      .requests()
      .slice(before)
      .filter(({ path: at }) => at === raw);
    expect(lists.map(({ query }) => Object.fromEntries(new URLSearchParams(query)))).toEqual(
      ["true", "false"].map((viewSecretValue) => ({
        workspaceId: emulator.projectId,
        environment: "dev",
        secretPath: path,
        viewSecretValue,
        expandSecretReferences: "false",
        include_imports: "false",
        recursive: "false",
      })),
    );
  });

  test("3,000 secrets of 6 MB are one answer", async () => {
    await using fixture = await start();
    const send = await sending(fixture);
    await fixture.client.createFolder(path);
    for (let batch = 0; batch < 10; batch += 1) {
      const secrets = Array.from({ length: 300 }, (_, i) => ({
        secretKey: `KEY_${batch}_${i}`,
        secretValue: "x".repeat(2_000),
      }));
      expect((await send("POST", "/api/v3/secrets/batch/raw", { secretPath: path, secrets })).status).toBe(
        200,
      );
    }
    const bulk = fixture.client.bulk();
    const survey = await bulk.survey(path);
    expect(new Set(survey?.rows.map(({ secretKey }) => secretKey)).size).toBe(3_000);
    expect(survey?.rows.every((row) => row.value?.length === 2_000)).toBe(true);
    expect(await bulk.surveySummaries(path)).toHaveLength(3_000);
  });
});
