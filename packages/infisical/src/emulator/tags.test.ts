import { expect, test } from "vitest";
import { ask, asRecord, generations, path, startFixture, tokenFor } from "../testing/fixture.ts";

const items = (body: unknown): Record<string, unknown>[] => (Array.isArray(body) ? body.map(asRecord) : []);

test.for(generations)("secrets carry tags and reminders, and are listed by tag: %s", async (generation) => {
  await using fixture = await startFixture({ emulator: { generation } });
  const { emulator, client } = fixture;
  await client.createFolder(path);
  const token = await tokenFor(emulator, emulator);
  const send = (method: string, target: string, body?: unknown) =>
    ask(emulator, { method, target, body, token });
  const place = { workspaceId: emulator.projectId, environment: "dev", secretPath: path };
  const projects = generation === "older" ? "workspace" : "projects";
  const tags = `/api/v1/${projects}/${emulator.projectId}/tags`;
  const made = await send("POST", tags, { slug: "billing", color: "#ff0000" });
  const id = String(asRecord(made.body["tag"])["id"]);
  expect((await send("POST", tags, { slug: "billing", color: "" })).status).toBe(400);

  const secret = "/api/v3/secrets/raw/TAGGED";
  const value = { ...place, secretValue: "fake" };
  expect((await send("POST", secret, { ...value, tagIds: ["missing"] })).status).toBe(404);
  await send("POST", "/api/v3/secrets/raw/PLAIN", value);
  const reminder = { secretReminderNote: "renew", secretReminderRepeatDays: 30 };
  expect((await send("POST", secret, { ...value, ...reminder, tagIds: [id] })).status).toBe(200);
  const query = new URLSearchParams(place).toString();
  const listed = async (more = "") =>
    items((await send("GET", `/api/v3/secrets/raw?${query}${more}`)).body["secrets"]);
  expect(await listed("&tagSlugs=other,billing")).toMatchObject([
    { secretKey: "TAGGED", ...reminder, tags: [{ id, slug: "billing", name: "billing", color: "#ff0000" }] },
  ]);
  expect(await listed("&tagSlugs=other")).toEqual([]);
  expect(await listed()).toHaveLength(2);

  // What an update does not name stays.
  await send("PATCH", secret, value);
  expect(await listed("&tagSlugs=billing")).toMatchObject([reminder]);
  await send("PATCH", secret, {
    ...value,
    tagIds: [],
    secretReminderNote: null,
    secretReminderRepeatDays: null,
  });
  expect((await listed()).find(({ secretKey }) => secretKey === "TAGGED")).toMatchObject({
    tags: [],
    secretReminderNote: null,
    secretReminderRepeatDays: null,
  });
});
