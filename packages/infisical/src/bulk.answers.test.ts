import { expect, test, vi } from "vitest";
import type { BulkClient } from "./bulk.ts";
import { failureOf, generations, html, name, path, startFixture, value } from "./testing/fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 30_000 });

const any = /folders|secret/;
const row = {
  id: "11111111-1111-4111-8111-111111111111",
  workspace: "PROJECT",
  environment: "dev",
  type: "shared",
  secretKey: name,
  secretValue: value,
  version: 1,
  createdAt: "2026-01-01T00:00:00.000Z",
  updatedAt: "2026-01-01T00:00:00.000Z",
};
const wrongSummaries: unknown[] = [
  null,
  { ...row, id: undefined },
  { ...row, id: "" },
  { ...row, secretKey: "" },
  { ...row, version: "1" },
  { ...row, version: 0 },
  { ...row, updatedAt: "yesterday" },
  { ...row, environment: "prod" },
  { ...row, workspace: "another" },
  { ...row, secretPath: "/tenants/other" },
];
const wrongRows: unknown[] = [
  ...wrongSummaries,
  { ...row, secretValue: null },
  { ...row, type: "secret" },
  { ...row, tags: {} },
];
const wrongFolders: unknown[] = [
  null,
  { name: "a" },
  { id: "1", name: "" },
  { id: "1", name: "a", relativePath: "a" },
  { id: "1", name: "a", relativePath: "/b" },
  { id: "1", name: "a", relativePath: "/b/xa" },
];
const garbage: unknown[] = [html, "", "null", "[]", '{"secrets":[{"id', {}, { secrets: null, folders: {} }];
const reads = {
  survey: (bulk: BulkClient) => bulk.survey(path),
  surveySummaries: (bulk: BulkClient) => bulk.surveySummaries(path),
  countImports: (bulk: BulkClient) => bulk.countImports(path),
  listFoldersBelow: (bulk: BulkClient) => bulk.listFoldersBelow("/tenants"),
};

test("rejects every answer that is not exactly about its request", async () => {
  await using fixture = await startFixture();
  const { emulator } = fixture;
  const bulk = fixture.client.bulk({ maxFailures: 1_000 });
  const fitting = (item: unknown): unknown =>
    JSON.parse(JSON.stringify(item).replace("PROJECT", emulator.projectId));
  const answered = async (body: unknown, call: (bulk: BulkClient) => Promise<unknown>) => {
    emulator.faults.add({ kind: "answer", status: 200, body }, { method: "GET", path: any });
    return call(bulk);
  };
  expect(await answered({ secrets: [fitting(row)] }, (each) => each.survey(path))).toMatchObject({
    rows: [{ id: row.id, value }],
  });
  for (const body of garbage) {
    for (const [title, call] of Object.entries(reads)) {
      const { code } = await failureOf(answered(body, call));
      expect([title, body, code]).toEqual([title, body, "INVALID_RESPONSE"]);
    }
  }
  for (const [wrongs, call] of [
    [wrongRows, reads.survey],
    [wrongSummaries, reads.surveySummaries],
  ] as const) {
    for (const wrong of wrongs) {
      const failure = await failureOf(answered({ secrets: [fitting(wrong)] }, call));
      expect([wrong, failure.code]).toEqual([wrong, "INVALID_RESPONSE"]);
    }
  }
  for (const wrong of wrongFolders) {
    const failure = await failureOf(
      answered({ folders: [wrong] }, (each) => each.listFoldersBelow("/tenants")),
    );
    expect([wrong, failure.code]).toEqual([wrong, "INVALID_RESPONSE"]);
  }
  const gone = { message: "Route GET:/api/v3/secrets/raw not found", error: "Not Found" };
  for (const body of [html, gone]) {
    emulator.faults.add({ kind: "answer", status: 404, body }, { path: any });
    expect((await failureOf(bulk.survey(path))).code).toBe("INVALID_RESPONSE");
  }
});

test("a row says what it has, whatever way a server says that it has none", async () => {
  await using fixture = await startFixture();
  const { emulator } = fixture;
  const own = { ...row, workspace: emulator.projectId };
  const surveyed = async (more: Record<string, unknown>) => {
    const body = { secrets: [{ ...own, ...more }] };
    emulator.faults.add({ kind: "answer", status: 200, body }, { path: any });
    const [found] = (await fixture.client.bulk().survey(path))?.rows ?? [];
    return found;
  };
  const none = { isPersonal: false, hasComment: false, tags: 0, metadata: 0, hasReminder: false };
  const empty = {
    secretComment: "",
    secretReminderNote: null,
    secretReminderRepeatDays: null,
    tags: [],
    secretMetadata: null,
    metadata: null,
  };
  for (const more of [
    {},
    empty,
    { ...empty, secretMetadata: [], secretReminderNote: "", secretComment: null },
  ]) {
    expect(await surveyed(more)).toMatchObject(none);
  }
  expect(await surveyed({ type: "personal" })).toMatchObject({ ...none, isPersonal: true });
  expect(await surveyed({ metadata: { a: "b" } })).toMatchObject({ ...none, metadata: 1 });
  expect(await surveyed({ secretReminderRepeatDays: 3 })).toMatchObject({ ...none, hasReminder: true });
  expect(await surveyed({ secretReminderNote: "renew" })).toMatchObject({ ...none, hasReminder: true });
});

test.for(generations)("one hidden value leaves the others to be seen: %s", async (generation) => {
  await using fixture = await startFixture({ emulator: { generation } });
  const { client, emulator } = fixture;
  for (const each of ["ONE", "TWO", "THREE"]) await client.putSecret(path, each, `fake-${each}`);
  emulator.faults.add({ kind: "hidden-values", names: ["TWO"] }, { path: /raw$/ });
  const survey = await client.bulk().survey(path);
  expect(survey?.rows.map((each) => [each.secretKey, each.value])).toEqual([
    ["ONE", "fake-ONE"],
    ["THREE", "fake-THREE"],
    ["TWO", undefined],
  ]);
});

test("names the right that is missing where a role allows no values", async () => {
  await using fixture = await startFixture();
  const { client, emulator } = fixture;
  await client.putSecret(path, name, value);
  const describing = { on: "secrets", actions: ["describeSecret"], path: "/tenants/**" } as const;
  const bulk = fixture.clientWith(await emulator.addIdentity({ rights: [describing] })).bulk();
  expect(await failureOf(bulk.survey(path))).toMatchObject({
    code: "FORBIDDEN",
    right: { action: "read", on: "secrets", place: "below /tenants" },
  });
  expect(await bulk.surveySummaries(path)).toHaveLength(1);
});

test("is refused an answer of more than 32 MiB", async () => {
  await using fixture = await startFixture();
  const body = "x".repeat(33 * 1024 * 1024);
  fixture.emulator.faults.add({ kind: "answer", status: 200, body }, { path: any });
  expect(await failureOf(fixture.client.bulk().survey(path))).toMatchObject({
    code: "INVALID_RESPONSE",
    message: expect.stringContaining("larger than 32 MiB"),
  });
});
