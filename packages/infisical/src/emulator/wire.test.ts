import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask, asRecord, tokenFor } from "../testing/fixture.ts";
import { startInfisicalEmulator } from "./index.ts";
import type { InfisicalEmulator } from "./index.ts";

let emulator: InfisicalEmulator;
let token: string;
let outsider: string;
beforeAll(async () => {
  emulator = await startInfisicalEmulator();
  token = await tokenFor(emulator, emulator);
  outsider = await tokenFor(emulator, emulator.outsider);
});
afterAll(() => emulator.stop());

const raw = "/api/v3/secrets/raw";
const folders = "/api/v1/folders";
const scope = (more: Record<string, unknown> = {}) => ({
  workspaceId: emulator.projectId,
  environment: "dev",
  ...more,
});
const query = (more: Record<string, string> = {}) =>
  `?${new URLSearchParams({ workspaceId: emulator.projectId, environment: "dev", ...more }).toString()}`;
const send = (method: string, target: string, body?: unknown) =>
  ask(emulator, { method, target, body, token });

const newFolder = async () => {
  const name = `f-${randomUUID()}`;
  await send("POST", folders, scope({ name }));
  return `/${name}`;
};

const everywhere = [
  "id",
  "_id",
  "workspace",
  "environment",
  "version",
  "type",
  "secretKey",
  "secretValue",
  "secretComment",
  "secretReminderNote",
  "secretReminderRepeatDays",
  "skipMultilineEncoding",
  "createdAt",
  "updatedAt",
  "isRotatedSecret",
  "rotationId",
];
const onReads = [...everywhere, "secretValueHidden", "secretPath", "tags", "secretMetadata"];

test("sends each answer about a secret with exactly the fields of that kind of answer", async () => {
  const secretPath = await newFolder();
  const at = query({ secretPath });
  const create = await send("POST", `${raw}/KEY`, scope({ secretPath, secretValue: "fake" }));
  const update = await send("PATCH", `${raw}/KEY`, scope({ secretPath, secretValue: "fake-2" }));
  const get = await send("GET", `${raw}/KEY${at}`);
  const list = await send("GET", `${raw}${at}`);
  const remove = await send("DELETE", `${raw}/KEY`, scope({ secretPath }));
  const first: unknown = Array.isArray(list.body["secrets"]) ? list.body["secrets"][0] : undefined;
  for (const [kind, secret, fields] of [
    ["create", create.body["secret"], everywhere],
    ["update", update.body["secret"], [...everywhere, "secretValueHidden"]],
    ["delete", remove.body["secret"], [...everywhere, "secretValueHidden"]],
    ["get", get.body["secret"], onReads],
    ["list", first, onReads],
  ] as const) {
    expect([kind, Object.keys(asRecord(secret)).toSorted()]).toEqual([
      kind,
      [...fields].toSorted((a, b) => (a < b ? -1 : 1)),
    ]);
  }
  expect(list.body["imports"]).toEqual([]);
  expect(asRecord(get.body["secret"])).toMatchObject({
    secretValue: "fake-2",
    version: 2,
    secretPath,
    type: "shared",
  });
});

test("answers each failure with the status, label and text of the server", async () => {
  const secretPath = await newFolder();
  await send("POST", `${raw}/KEY`, scope({ secretPath, secretValue: "fake" }));
  const gone = `Folder with path '/gone' in environment with slug 'dev' not found`;
  const value = { secretValue: "fake" };
  type Case = [string, string, unknown, number, string, string];
  const cases: Case[] = [
    [
      "GET",
      `${raw}/NO${query({ secretPath })}`,
      undefined,
      404,
      "NotFound",
      "Secret with name 'NO' not found",
    ],
    ["GET", `${raw}/KEY${query({ secretPath, version: "9" })}`, undefined, 404, "NotFound", "not found"],
    ["GET", `${raw}/KEY${query({ secretPath: "/gone" })}`, undefined, 404, "GetSecretByName", gone],
    [
      "GET",
      `${raw}${query({ secretPath: "/gone" })}`,
      undefined,
      404,
      "SecretPathNotFound",
      "Folder with path '/gone' in environment 'dev' was not found",
    ],
    ["GET", `${raw}${query({ secretPath: "gone" })}`, undefined, 404, "SecretPathNotFound", "Folder"],
    ["GET", `${raw}${query({ secretPath: "/a.b" })}`, undefined, 400, "BadRequest", "Invalid secret path"],
    ["GET", `${raw}?environment=dev`, undefined, 400, "BadRequest", "Missing project id or environment"],
    [
      "GET",
      `${raw}${query({ workspaceId: "none" })}`,
      undefined,
      404,
      "NotFound",
      "Project with ID 'none' not found during bot lookup",
    ],
    ["POST", `${raw}/KEY`, scope({ secretPath, ...value }), 400, "BadRequest", "Secret already exist"],
    ["POST", `${raw}/NEW`, scope({ secretPath: "/gone", ...value }), 404, "CreateSecret", gone],
    [
      "POST",
      `${raw}/NEW`,
      scope({ secretPath, ...value, type: "personal" }),
      400,
      "BadRequest",
      "Must be user to create personal secret",
    ],
    [
      "POST",
      `${raw}/NEW`,
      scope({ secretPath, secretValue: "${NO}" }),
      400,
      "BadRequest",
      "Referenced secret(s) not found: NO",
    ],
    [
      "POST",
      `${raw}/NEW`,
      scope({ secretPath, secretValue: "${no.x.KEY}" }),
      400,
      "BadRequest",
      "Referenced environment not found. Missing no",
    ],
    ["PATCH", `${raw}/NO`, scope({ secretPath, ...value }), 404, "NotFound", "Secret with name NO not found"],
    ["PATCH", `${raw}/NO`, scope({ secretPath: "/gone", ...value }), 404, "UpdateSecret", gone],
    ["DELETE", `${raw}/NO`, scope({ secretPath }), 404, "NotFound", "Secret not found"],
    ["DELETE", `${raw}/NO`, scope({ secretPath: "/gone" }), 404, "DeleteSecret", gone],
    [
      "GET",
      `${folders}${query({ environment: "no" })}`,
      undefined,
      404,
      "NotFound",
      "Environment with slug 'no' in project with ID",
    ],
    [
      "GET",
      `${folders}?workspaceId=none&environment=dev`,
      undefined,
      404,
      "NotFound",
      "Project with none not found",
    ],
    ["DELETE", `${folders}/none`, scope({ path: "/" }), 404, "NotFound", "Folder with ID 'none' not found"],
    ["POST", folders, scope({ name: "x", path: "/a.b" }), 400, "BadRequest", "Invalid secret path"],
  ];
  for (const [method, path, body, status, label, message] of cases) {
    const answer = await send(method, path, body);
    expect({ method, path, status: answer.status, ...answer.body }).toMatchObject({
      method,
      path,
      status,
      statusCode: status,
      error: label,
      reqId: expect.stringMatching(/^req-\w{14}$/),
      message: expect.stringContaining(message),
    });
  }
});

test("answers what does not fit the schema with 422 and a list", async () => {
  for (const [method, path, body] of [
    ["POST", `${raw}/NEW`, scope()],
    ["POST", `${raw}/a%2Fb`, scope({ secretValue: "fake" })],
    ["POST", `${raw}/a%3Ab`, scope({ secretValue: "fake" })],
    ["GET", `${raw}${query({ recursive: "1" })}`, undefined],
    ["POST", folders, scope({ name: "a b" })],
    ["POST", folders, scope({ name: "a/b" })],
    ["POST", "/api/v1/auth/universal-auth/login", {}],
  ] as const) {
    const { status, body: told } = await send(method, path, body);
    expect([path, status, told["error"], Array.isArray(told["message"])]).toEqual([
      path,
      422,
      "ValidationFailure",
      true,
    ]);
  }
});

test("knows no other route, no name beyond 100 characters, and no body beyond 1 MiB", async () => {
  const missing = await send("GET", "/api/v3/nope");
  expect(missing).toEqual({
    status: 404,
    body: { message: "Route GET:/api/v3/nope not found", error: "Not Found", statusCode: 404 },
  });
  expect((await send("GET", `${raw}/${"x".repeat(101)}${query()}`)).body["error"]).toBe("Not Found");
  const big = await send("POST", `${raw}/BIG`, scope({ secretValue: "x".repeat(1_048_576) }));
  expect([big.status, big.body["message"]]).toEqual([500, "Something went wrong"]);
});

test("ignores keys that it does not know, as the SDK sends some", async () => {
  const secretPath = await newFolder();
  const { status } = await send(
    "GET",
    `${raw}${query({ secretPath, secretName: "KEY", includeImports: "false" })}`,
  );
  expect(status).toBe(200);
});

test("trims a value but keeps one newline at its end", async () => {
  const secretPath = await newFolder();
  for (const [index, [given, stored]] of [
    ["  a \n\n", "a\n"],
    ["\ta\r\n", "a\n"],
    ["a ", "a"],
    ["", ""],
  ].entries()) {
    await send("POST", `${raw}/KEY_${index}`, scope({ secretPath, secretValue: given }));
    const { body } = await send("GET", `${raw}/KEY_${index}${query({ secretPath })}`);
    expect(asRecord(body["secret"])["secretValue"]).toBe(stored);
  }
});

test("updates increment the version, leave earlier versions readable, and are echoed", async () => {
  const secretPath = await newFolder();
  await send("POST", `${raw}/KEY`, scope({ secretPath, secretValue: "fake-1", secretComment: "why" }));
  await send("PATCH", `${raw}/KEY`, scope({ secretPath, secretValue: "fake-2" }));
  const echo = await send("PATCH", `${raw}/KEY`, scope({ secretPath }));
  expect(asRecord(echo.body["secret"])).toMatchObject({ version: 3, secretValue: "", secretComment: "" });
  const versions = [];
  for (const version of ["1", "2", "3"]) {
    const { body } = await send("GET", `${raw}/KEY${query({ secretPath, version })}`);
    versions.push(asRecord(body["secret"])["secretValue"]);
  }
  expect(versions).toEqual(["fake-1", "fake-2", "fake-2"]);
  const { body } = await send("GET", `${raw}/KEY${query({ secretPath, viewSecretValue: "false" })}`);
  expect(asRecord(body["secret"])).toMatchObject({
    secretValue: "<hidden-by-infisical>",
    secretValueHidden: true,
    secretComment: "why",
  });
});

test("lists secrets by id, of the folder alone or of all below it", async () => {
  const secretPath = await newFolder();
  await send("POST", folders, scope({ name: "below", path: secretPath }));
  for (const index of Array(8).keys()) {
    await send("POST", `${raw}/KEY_${index}`, scope({ secretPath, secretValue: "fake" }));
  }
  await send("POST", `${raw}/DEEP`, scope({ secretPath: `${secretPath}/below`, secretValue: "fake" }));
  const list = async (more: Record<string, string>) => {
    const { body } = await send("GET", `${raw}${query({ secretPath, ...more })}`);
    return Array.isArray(body["secrets"]) ? body["secrets"].map(asRecord) : [];
  };
  const flat = await list({});
  const ids = flat.map(({ id }) => String(id));
  expect(ids).toEqual(ids.toSorted());
  expect(flat).toHaveLength(8);
  const deep = (await list({ recursive: "true" })).filter(({ secretKey }) => secretKey === "DEEP");
  expect(deep.map((secret) => secret["secretPath"])).toEqual([`${secretPath}/below`]);
});

test("folders are created once with their parents, and deleted by name or id with their content", async () => {
  const parent = await newFolder();
  const first = await send("POST", folders, scope({ name: "leaf", path: `${parent}/a/b` }));
  const again = await send("POST", folders, scope({ name: "leaf", path: `${parent.slice(1)}/a/b/` }));
  expect(again).toEqual(first);
  expect(asRecord(first.body["folder"])).toMatchObject({
    name: "leaf",
    path: `${parent}/a/b/leaf`,
    isReserved: false,
  });
  const id = String(asRecord(first.body["folder"])["id"]);
  const got = await send("GET", `${folders}/${id}`);
  expect(asRecord(got.body["folder"])).toMatchObject({
    path: `${parent}/a/b/leaf`,
    projectId: emulator.projectId,
  });
  await send("POST", `${raw}/KEY`, scope({ secretPath: `${parent}/a/b/leaf`, secretValue: "fake" }));
  expect((await send("DELETE", `${folders}/${id}`, scope({ path: `${parent}/a/b` }))).status).toBe(200);
  expect((await send("DELETE", `${folders}/a`, scope({ path: parent }))).status).toBe(200);
  expect((await send("GET", `${folders}${query({ path: parent })}`)).body).toEqual({ folders: [] });
  expect((await send("GET", `${folders}${query({ path: "/gone/deeper" })}`)).body).toEqual({ folders: [] });
});

test("keeps the identities of two projects apart", async () => {
  for (const [method, path, body] of [
    ["GET", `${raw}${query()}`, undefined],
    ["GET", `${folders}${query()}`, undefined],
    ["POST", `${raw}/KEY`, scope({ secretValue: "fake" })],
    ["POST", folders, scope({ name: "x" })],
  ] as const) {
    const answer = await ask(emulator, { method, target: path, body, token: outsider });
    expect([answer.status, answer.body["error"]]).toEqual([403, "ProjectMembershipNotFound"]);
  }
  const own = `${folders}?workspaceId=${emulator.outsider.projectId}&environment=prod`;
  expect((await ask(emulator, { method: "GET", target: own, token: outsider })).status).toBe(200);
});

test("writes a batch wholly or not at all", async () => {
  const secretPath = await newFolder();
  const batch = "/api/v3/secrets/batch/raw";
  const items = (...names: string[]) => names.map((secretKey) => ({ secretKey, secretValue: "fake" }));
  const names = async () => {
    const { body } = await send("GET", `${raw}${query({ secretPath })}`);
    return (Array.isArray(body["secrets"]) ? body["secrets"] : [])
      .map((item) => String(asRecord(item)["secretKey"]))
      .toSorted();
  };
  expect((await send("POST", batch, scope({ secretPath, secrets: items("A", "B") }))).status).toBe(200);
  const twice = await send("POST", batch, scope({ secretPath, secrets: items("C", "A") }));
  expect([twice.status, twice.body["message"]]).toEqual([400, "Secret already exists: A"]);
  const bad = [...items("C"), { secretKey: "D", secretValue: "${NO}" }];
  expect((await send("POST", batch, scope({ secretPath, secrets: bad }))).status).toBe(400);
  expect((await send("PATCH", batch, scope({ secretPath, secrets: items("A", "C") }))).status).toBe(404);
  expect((await send("DELETE", batch, scope({ secretPath, secrets: items("A", "C") }))).status).toBe(404);
  expect(await names()).toEqual(["A", "B"]);
  expect(
    (await send("PATCH", batch, scope({ secretPath, mode: "ignore", secrets: items("A", "C") }))).status,
  ).toBe(200);
  expect(
    (await send("PATCH", batch, scope({ secretPath, mode: "upsert", secrets: items("C") }))).status,
  ).toBe(200);
  expect((await send("DELETE", batch, scope({ secretPath, secrets: items("A", "B") }))).status).toBe(200);
  expect(await names()).toEqual(["C"]);
});
