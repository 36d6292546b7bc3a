import { expect, test } from "vitest";
import { ask, generations, name, path, startFixture, tokenFor, value } from "../testing/fixture.ts";
import type { Fixture } from "../testing/fixture.ts";
import type { InfisicalRight } from "./index.ts";

const raw = `/api/v3/secrets/raw`;

/** What an identity with these rights gets for each of a few requests about a folder. */
async function answersTo(fixture: Fixture, rights: readonly InfisicalRight[], secretPath: string) {
  const { emulator } = fixture;
  const token = await tokenFor(emulator, await emulator.addIdentity({ rights }));
  const scope = { workspaceId: emulator.projectId, environment: "dev", secretPath };
  const query = new URLSearchParams(scope).toString();
  const send = async (method: string, target: string, body?: unknown) =>
    (await ask(emulator, { method, target, body, token })).status;
  return {
    list: await send("GET", `${raw}?${query}`),
    summaries: await send("GET", `${raw}?${query}&viewSecretValue=false`),
    read: await send("GET", `${raw}/${name}?${query}`),
    create: await send("POST", `${raw}/NEW`, { ...scope, secretValue: "fake" }),
    edit: await send("PATCH", `${raw}/${name}`, { ...scope, secretValue: "fake" }),
    delete: await send("DELETE", `${raw}/${name}`, scope),
    createFolder: await send("POST", "/api/v1/folders", { ...scope, path: secretPath, name: "sub" }),
    deleteFolder: await send("DELETE", "/api/v1/folders/sub", { ...scope, path: secretPath }),
  };
}

const all = (status: number) => ({
  list: status,
  summaries: status,
  read: status,
  create: status,
  edit: status,
  delete: status,
  createFolder: status,
  deleteFolder: status,
});

const everything = (at: string): InfisicalRight[] => [
  { on: "secrets", actions: ["describeSecret", "readValue", "create", "edit", "delete"], path: at },
  { on: "secret-folders", actions: ["create", "delete"], path: at },
];

test.for(generations)(
  "refuses with 403 what a role does not allow in that folder: %s",
  async (generation) => {
    await using fixture = await startFixture({ emulator: { generation } });
    await fixture.client.putSecret(path, name, value);
    await fixture.client.putSecret("/tenants", name, value);
    await fixture.client.putSecret("/hono-api", name, value);
    expect(await answersTo(fixture, everything("/tenants/*"), "/tenants")).toEqual(all(403));
    expect(await answersTo(fixture, everything("/tenants/*"), path)).toEqual(all(200));
    await fixture.client.putSecret(path, name, value);
    expect(await answersTo(fixture, everything("/tenants/**"), "/hono-api")).toEqual(all(403));
    expect(await answersTo(fixture, everything("/tenants/**"), "/tenants")).toEqual(all(200));
  },
);

test("tells describing a secret from reading its value, and folders from secrets", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  const describing: InfisicalRight[] = [{ on: "secrets", actions: ["describeSecret"], path: "/**" }];
  expect(await answersTo(fixture, describing, path)).toEqual({ ...all(403), summaries: 200 });
  const making: InfisicalRight[] = [{ on: "secret-folders", actions: ["create", "delete"], path: "/**" }];
  expect(await answersTo(fixture, making, path)).toEqual({
    ...all(403),
    createFolder: 200,
    deleteFolder: 200,
  });
});

test("a newer server says that a secret is missing before it says that the role may not change it", async () => {
  for (const generation of generations) {
    await using fixture = await startFixture({ emulator: { generation } });
    await fixture.client.createFolder(path);
    const answers = await answersTo(fixture, [], path);
    expect([answers.edit, answers.delete]).toEqual(generation === "older" ? [403, 403] : [404, 404]);
  }
});

test("limits each route and address to 40 requests a minute, as a server in production mode", async () => {
  await using fixture = await startFixture({ emulator: { requestsPerMinute: "production" } });
  const { emulator } = fixture;
  const token = await tokenFor(emulator, emulator);
  const query = new URLSearchParams({ workspaceId: emulator.projectId, environment: "dev" }).toString();
  const statuses: number[] = [];
  for (let i = 0; i < 41; i += 1)
    statuses.push((await ask(emulator, { method: "GET", target: `${raw}?${query}`, token })).status);
  expect(statuses).toEqual([...Array<number>(40).fill(200), 429]);
  expect((await ask(emulator, { method: "GET", target: `/api/v1/folders?${query}`, token })).status).toBe(
    200,
  );
  for (let i = 0; i < 41; i += 1)
    expect((await ask(emulator, { method: "GET", target: "/api/status" })).status).toBe(200);
});
