import { expect, test } from "vitest";
import { count, failureOf, login, name, path, startFixture, value } from "./fixture.ts";
import type { Fixture } from "./fixture.ts";

// Answers of a server of October 2024, where they differ from the emulator's.
const missingFolder = answer(
  404,
  "Folder not found for the given environment slug & secret path",
  "Create secret",
);
const missingSecret = answer(404, "Secret not found", "NotFound");
const invalid = answer(
  401,
  [{ code: "invalid_type", path: ["secretValue"], message: "Required" }],
  "ValidationFailure",
);

function answer(statusCode: number, message: unknown, error: string) {
  return { kind: "answer", status: statusCode, body: { statusCode, message, error } } as const;
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

test("reads a missing folder's empty list, with and without imports, as no secrets", async () => {
  await using fixture = await startFixture();
  for (const body of [{ secrets: [], imports: [] }, { secrets: [] }]) {
    fixture.emulator.faults.add({ kind: "answer", status: 200, body }, { path: /secrets/ });
    expect(await fixture.client.listSecrets(path)).toEqual([]);
  }
});

test("finds nothing where it says that secret or folder is missing", async () => {
  await using fixture = await startFixture();
  for (const absence of [missingFolder, missingSecret]) {
    fixture.emulator.faults.add(absence, { path: /secrets/ });
    expect(await fixture.client.findSecret(path, name)).toBeUndefined();
    fixture.emulator.faults.add(absence, { path: /secrets/ });
    expect(await fixture.client.deleteSecret(path, name)).toBe(false);
  }
});

test("puts into a folder that it says is missing", async () => {
  await using fixture = await startFixture();
  fixture.emulator.faults.add(missingFolder, { method: "PATCH" });
  expect(await fixture.client.putSecret(path, name, value)).toEqual({ created: true, version: 1 });
});

test("updates a secret that someone else creates meanwhile, and creates one that is deleted meanwhile", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add(missingSecret, { method: "PATCH" });
  expect(await fixture.client.putSecret(path, name, value)).toEqual({ created: false, version: 2 });
  fixture.emulator.faults.add(missingFolder, { method: "POST", path: /secrets/ });
  expect(await fixture.client.putSecret(path, "OTHER", value)).toEqual({ created: true, version: 1 });
});

test("gives up on a secret that others keep creating and deleting", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add(missingSecret, { method: "PATCH", times: 99 });
  expect((await failureOf(fixture.client.putSecret(path, name, value))).code).toBe("SERVER_ERROR");
  expect(count(fixture, "PATCH", /secrets/)).toBeLessThan(5);
});

test("lists a name that stands there twice once: the one with the higher version, then the later one", async () => {
  await using fixture = await startFixture();
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

test("drops the values that it sends though nobody asked for them", async () => {
  await using fixture = await startFixture();
  fixture.emulator.faults.add(
    listed(fixture, [{ value, version: 1, updatedAt: "2026-11-24T06:12:24.547Z" }]),
    { path: /secrets/ },
  );
  expect(JSON.stringify(await fixture.client.listSecretSummaries(path))).not.toContain(value);
});

test("lists twin folders once and deletes both", async () => {
  await using fixture = await startFixture();
  await fixture.client.createFolder(path);
  const folders = ["b", "a"].map((id) => ({ id, name: "acmecorp" }));
  const twins = { kind: "answer", status: 200, body: { folders } } as const;
  fixture.emulator.faults.add(twins, { method: "GET" });
  expect(await fixture.client.listFolders("/tenants")).toEqual([{ id: "a", name: "acmecorp" }]);
  fixture.emulator.faults.add(twins, { method: "GET" });
  await fixture.client.deleteFolder(path);
  expect(count(fixture, "DELETE", /folders\/[ab]$/)).toBe(2);
});

test("tells its 401 for bad input from its 401 for a bad token", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  fixture.emulator.faults.add(invalid, { method: "PATCH" });
  expect((await failureOf(fixture.client.putSecret(path, name, value))).code).toBe("INVALID_INPUT");
  expect(count(fixture, "POST", login)).toBe(1);
  for (const text of [
    "Failed to renew MI access token due to TTL expiration",
    "No identity access token found",
  ]) {
    const before = count(fixture, "POST", login);
    fixture.emulator.faults.add(answer(401, text, "UnauthorizedError"), { method: "GET" });
    expect(await fixture.client.findSecret(path, name)).toMatchObject({ value });
    expect(count(fixture, "POST", login)).toBe(before + 1);
  }
});

test("reads its 404 for an unknown client id as a refused log-in", async () => {
  await using fixture = await startFixture();
  fixture.emulator.faults.add(answer(404, "No identity with specified client ID was found", "NotFound"), {
    path: login,
  });
  expect((await failureOf(fixture.client.ping())).code).toBe("UNAUTHORIZED");
});

test("reports its 404 for an unknown project or environment", async () => {
  await using fixture = await startFixture();
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

test("settles its 500 for a delete that lost a race", async () => {
  await using fixture = await startFixture();
  await fixture.client.createFolder(path);
  fixture.emulator.faults.add(answer(500, "Something went wrong", "InternalServerError"), {
    method: "DELETE",
  });
  expect(await fixture.client.deleteSecret(path, name)).toBe(true);
});

test("sends no two creates of one name at once, as it would keep both", async () => {
  await using fixture = await startFixture();
  fixture.emulator.faults.add({ kind: "delay", durationMs: 5 }, { times: 99 });
  await Promise.all(
    Array.from({ length: 5 }, (_, index) => fixture.client.putSecret(path, name, `fake-${index}`)),
  );
  expect(count(fixture, "POST", /secrets/)).toBe(1);
  expect(count(fixture, "POST", /folders/)).toBe(1);
  await Promise.all([fixture.client.deleteSecret(path, name), fixture.client.putSecret(path, name, value)]);
  expect(await fixture.client.findSecret(path, name)).toMatchObject({ value, version: 1 });
});
