import { expect, test } from "vitest";
import {
  ask,
  asRecord,
  business,
  count,
  failureOf,
  login,
  name,
  path,
  startFixture,
  tokenFor,
  value,
} from "./testing/fixture.ts";
import type { Fixture } from "./testing/fixture.ts";

// What a server of October 2024 leads to, and the emulator's does not by itself or not every time.
const missingFolder = answer(
  404,
  "Folder not found for the given environment slug & secret path",
  "Create secret",
);
const missingSecret = answer(404, "Secret not found", "NotFound");

function answer(statusCode: number, message: unknown, error: string) {
  return { kind: "answer", status: statusCode, body: { statusCode, message, error } } as const;
}

const startOlder = () => startFixture({ emulator: { generation: "older" } });

/** Sends a request twice at once, as two processes might. */
async function sendTwice({ emulator }: Fixture, target: string, body: Record<string, unknown>) {
  const token = await tokenFor(emulator, emulator);
  const scope = { workspaceId: emulator.projectId, environment: "dev" };
  emulator.faults.add({ kind: "race" }, { times: 2, path: business });
  const send = () => ask(emulator, { method: "POST", target, body: { ...scope, ...body }, token });
  return Promise.all([send(), send()]);
}

function listed(
  { emulator }: Fixture,
  items: readonly { value: string; version: number; updatedAt: string }[],
) {
  const secrets = items.map(({ value: secretValue, version, updatedAt }) => ({
    workspace: emulator.projectId,
    environment: "dev",
    type: "shared",
    secretKey: name,
    secretValue,
    version,
    metadata: null,
    createdAt: "2026-11-24T06:12:24.547Z",
    updatedAt,
    secretPath: path,
  }));
  return { kind: "answer", status: 200, body: { secrets } } as const;
}

test("updates a secret that someone else creates meanwhile, and creates one that is deleted meanwhile", async () => {
  await using fixture = await startOlder();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add(missingSecret, { method: "PATCH" });
  expect(await fixture.client.putSecret(path, name, value)).toEqual({ created: false, version: 2 });
  fixture.emulator.faults.add(missingFolder, { method: "POST", path: /secrets/ });
  expect(await fixture.client.putSecret(path, "OTHER", value)).toEqual({ created: true, version: 1 });
});

test("gives up on a secret that others keep creating and deleting", async () => {
  await using fixture = await startOlder();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add(missingSecret, { method: "PATCH", times: 99 });
  expect((await failureOf(fixture.client.putSecret(path, name, value))).code).toBe("SERVER_ERROR");
  expect(count(fixture, "PATCH", /secrets/)).toBeLessThan(5);
});

test("lists a name that stands there twice once: the one with the higher version, then the later one", async () => {
  await using fixture = await startOlder();
  const older = { value: "fake-older", version: 1, updatedAt: "2026-11-24T06:12:24.547Z" };
  const later = { value: "fake-later", version: 1, updatedAt: "2026-11-24T06:12:25.547Z" };
  const newer = { value: "fake-newer", version: 2, updatedAt: "2026-11-24T06:12:24.999Z" };
  for (const twins of [
    [older, later],
    [later, older],
  ]) {
    fixture.emulator.faults.add(listed(fixture, twins), { path: /secrets/ });
    expect((await fixture.client.listSecrets(path)).map((secret) => secret.value)).toEqual(["fake-later"]);
    fixture.emulator.faults.add(listed(fixture, [...twins, newer, ...twins]), { path: /secrets/ });
    expect((await fixture.client.listSecrets(path)).map((secret) => secret.value)).toEqual(["fake-newer"]);
  }
});

test("leaves one secret where two creates at once made two", async () => {
  await using fixture = await startOlder();
  await fixture.client.createFolder(path);
  const twins = await sendTwice(fixture, `/api/v3/secrets/raw/${name}`, {
    secretPath: path,
    secretValue: value,
  });
  expect(twins.map(({ status }) => status)).toEqual([200, 200]);
  expect(new Set(twins.map(({ body }) => asRecord(body["secret"])["id"])).size).toBe(2);
  expect(await fixture.client.listSecrets(path)).toHaveLength(1);
  expect(await fixture.client.putSecret(path, name, "fake-newer")).toEqual({ created: false, version: 2 });
  expect(await fixture.client.listSecrets(path)).toMatchObject([{ value: "fake-newer", version: 2 }]);
  expect(await fixture.client.deleteSecret(path, name)).toBe(true);
  expect(await fixture.client.listSecrets(path)).toEqual([]);
});

test("lists a folder once where two creates at once made two, and deletes both", async () => {
  await using fixture = await startOlder();
  const twins = await sendTwice(fixture, "/api/v1/folders", { name: "acmecorp", path: "/tenants" });
  const ids = twins.map(({ body }) => String(asRecord(body["folder"])["id"]));
  const parents = await fixture.client.listFolders("/");
  expect(new Set(ids).size).toBe(2);
  expect(parents.map((folder) => folder.name)).toEqual(["tenants"]);
  // Of the missing parents there are two as well, and only one of them is on the path.
  await fixture.client.createFolder("/again");
  await sendTwice(fixture, "/api/v1/folders", { name: "acmecorp", path: "/again" });
  const below = await fixture.client.listFolders("/again");
  expect(below.map((folder) => folder.name)).toEqual(["acmecorp"]);
  await fixture.client.deleteFolder("/again/acmecorp");
  expect(await fixture.client.listFolders("/again")).toEqual([]);
  expect(count(fixture, "DELETE", /folders/)).toBe(2);
});

test("takes a secret that two deletes at once are after for deleted by both", async () => {
  await using fixture = await startOlder();
  await fixture.client.putSecret(path, name, value);
  const other = fixture.clientWith({});
  await other.ping();
  fixture.emulator.faults.add({ kind: "race" }, { times: 2, method: "DELETE" });
  const deletes = await Promise.all([fixture.client, other].map((each) => each.deleteSecret(path, name)));
  expect(deletes).toEqual([true, true]);
  const requests = fixture.emulator.requests().filter(({ method }) => method === "DELETE");
  expect(new Set(requests.map(({ status }) => status))).toEqual(new Set([200, 500]));
});

test("tells its 401 for bad input from its 401 for a bad token", async () => {
  await using fixture = await startOlder();
  await fixture.client.putSecret(path, name, value);
  const violation = { code: "invalid_type", path: ["secretValue"], message: "Required" };
  fixture.emulator.faults.add(answer(401, [violation], "ValidationFailure"), { method: "PATCH" });
  expect((await failureOf(fixture.client.putSecret(path, name, value))).code).toBe("INVALID_INPUT");
  expect(count(fixture, "POST", login)).toBe(1);
  fixture.emulator.faults.expireTokens();
  expect(await fixture.client.findSecret(path, name)).toMatchObject({ value });
  expect(count(fixture, "POST", login)).toBe(2);
});

test("reports its 404 for an unknown project or environment", async () => {
  await using fixture = await startOlder();
  const project = answer(404, "Project not found during bot lookup. Are you sure?", "NotFound");
  for (const absence of [project, answer(404, "Environment not found", "Create folder")]) {
    fixture.emulator.faults.add(absence, { path: /secrets|folders/, times: 9 });
    for (const call of [
      fixture.client.findSecret(path, name),
      fixture.client.listSecrets(path),
      fixture.client.createFolder(path),
      fixture.client.putSecret(path, name, value),
    ]) {
      expect((await failureOf(call)).code).toBe("NOT_FOUND");
    }
    fixture.emulator.faults.clear();
  }
});

test("sends no two creates of one name at once, as it would keep both", async () => {
  await using fixture = await startOlder();
  fixture.emulator.faults.add({ kind: "delay", durationMs: 5 }, { times: 99 });
  await Promise.all(
    Array.from({ length: 5 }, (_, index) => fixture.client.putSecret(path, name, `fake-${index}`)),
  );
  expect(count(fixture, "POST", /secrets/)).toBe(1);
  expect(count(fixture, "POST", /folders/)).toBe(1);
  await Promise.all([fixture.client.deleteSecret(path, name), fixture.client.putSecret(path, name, value)]);
  expect(await fixture.client.findSecret(path, name)).toMatchObject({ value, version: 1 });
});
