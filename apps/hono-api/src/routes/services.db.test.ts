import { fileURLToPath } from "node:url";
import { Validator } from "@seriousme/openapi-schema-validator";
import { openApiDocument, plainPath, serviceProcedures } from "@repo/tenant-secrets/http";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { beforeAll, describe, expect, it } from "vitest";
import { send, sendJson, withoutRequestId, type Answer } from "../testing/raw-http.ts";
import { createBackends, operator, startApi, type Api, type Backends } from "../testing/fixture.ts";

let backends: Backends;
let api: Api;
let credential: string;

beforeAll(async () => {
  backends = await createBackends();
  api = await startApi({ backends });
  const made = await backends.secrets.admin.apiKeys.create(operator, {
    name: "everything",
    companies: ["acmecorp"],
    platform: false,
    verbs: ["describe", "use", "write", "delete", "export"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  credential = made.apiKey;
});

const company = "acmecorp";
const call = (procedure: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  sendJson(api.url, {
    path: plainPath + procedure,
    body,
    headers: { authorization: `Bearer ${credential}`, ...headers },
  });
const reasonOf = ({ body }: Answer) => String(/"reason":"([A-Z_]+)"/.exec(body)?.[1]);

interface Document {
  readonly paths: Readonly<Record<string, { readonly post: Operation }>>;
  readonly components: { readonly schemas: { readonly Error: object } };
}
interface Operation {
  readonly requestBody: {
    readonly content: { readonly "application/json": { readonly schema: object; readonly example: object } };
  };
  readonly responses: Readonly<
    Record<string, { readonly content?: { readonly "application/json": { readonly schema: object } } }>
  >;
}
const document = openApiDocument() as unknown as Document;
const ajv = addFormats.default(new Ajv2020({ strict: false }));
const validators = new Map<object, ValidateFunction>();
function problemsOf(schema: object, json: unknown): unknown {
  const validate = validators.get(schema) ?? ajv.compile(schema);
  validators.set(schema, validate);
  return validate(json) ? [] : validate.errors;
}
const operationOf = (procedure: string): Operation => {
  const operation = document.paths[plainPath + procedure]?.post;
  if (operation === undefined) throw new Error(`${procedure} is not in the document`);
  return operation;
};
const exampleOf = (procedure: string) =>
  operationOf(procedure).requestBody.content["application/json"].example;

/** What of an answer the document does not say. */
function unsaid(procedure: string, { status, body }: Answer): unknown {
  const said = operationOf(procedure).responses[String(status)];
  if (said === undefined) return `${status} is not in the document`;
  if (status === 204) return body === "" ? [] : "a body";
  const schema =
    status === 200 ? said.content?.["application/json"].schema : document.components.schemas.Error;
  return schema === undefined ? "no schema" : problemsOf(schema, JSON.parse(body));
}

describe("the OpenAPI document", () => {
  it("is valid OpenAPI 3.1 by the official schema, and what is committed as docs/openapi.json", async () => {
    const { valid, errors } = await new Validator().validate(JSON.parse(JSON.stringify(openApiDocument())));
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
    const committed = fileURLToPath(new URL("../../../../docs/openapi.json", import.meta.url));
    // "npx vitest run apps/hono-api/src/routes/services.db.test.ts -u" writes it again.
    await expect(`${JSON.stringify(openApiDocument(), null, 2)}\n`).toMatchFileSnapshot(committed);
  });

  it("is served to everyone, and may be cached", async () => {
    const { status, headers, body } = await send(api.url, { path: "/openapi.json" });
    expect(body).toBe(JSON.stringify(openApiDocument()));
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
      200,
      "application/json",
      "public, max-age=300",
    ]);
    const again = await send(api.url, {
      path: "/openapi.json",
      headers: { "if-none-match": String(headers.etag) },
    });
    expect([again.status, again.body]).toEqual([304, ""]);
    expect((await send(api.url, { method: "POST", path: "/openapi.json" })).status).toBe(405);
  });

  it("says of every field of a request what it is for", () => {
    const silent: string[] = [];
    const look = (schema: unknown, path: string): void => {
      for (const [name, field] of Object.entries(Object(Reflect.get(Object(schema), "properties")))) {
        if (Reflect.get(Object(field), "description") === undefined) silent.push(`${path}.${name}`);
        look(field, `${path}.${name}`);
        look(Reflect.get(Object(field), "items"), `${path}.${name}`);
      }
    };
    for (const procedure of serviceProcedures.keys()) {
      look(operationOf(procedure).requestBody.content["application/json"].schema, procedure);
    }
    expect(silent).toEqual([]);
  });

  it("leaves no field of a request or an answer without a type, and demands of no caller what is read-only", () => {
    const text = JSON.stringify(document.paths);
    expect(text).not.toContain("readOnly");
    const untyped: string[] = [];
    const look = (at: unknown, path: string): void => {
      if (typeof at !== "object" || at === null) return;
      for (const [name, each] of Object.entries(at)) {
        if (name === "properties") {
          for (const [field, schema] of Object.entries(Object(each))) {
            if (Object.keys(Object(schema)).length === 0) untyped.push(`${path}/${field}`);
          }
        }
        if (name !== "example") look(each, `${path}/${name}`);
      }
    };
    look(document.paths, "");
    expect(untyped).toEqual([]);
  });

  it("has an example of every request that is accepted, and the schema of every answer", async () => {
    // Each step leaves what the next ones need: versions 1 to 5 of CUSTOM_TOKEN are made on the way.
    const steps = [
      ..."catalog.describe companies.stamp companies.settings secrets.capabilities".split(" "),
      ..."secrets.write secrets.writeMany secrets.stage secrets.promote secrets.rollback".split(" "),
      ..."secrets.planImport secrets.import secrets.stage secrets.discard secrets.setExpiry".split(" "),
      ..."secrets.generate secrets.read secrets.readMany secrets.readActive secrets.list".split(" "),
      ..."secrets.history secrets.reportOutcome secrets.check secrets.export secrets.remove".split(" "),
      ..."secrets.removed secrets.restore secrets.list secrets.purge rotation.supply".split(" "),
    ];
    const outcomes: unknown[] = [];
    for (const procedure of steps) {
      const example = exampleOf(procedure);
      const answer = await call(procedure, example);
      const problems = [
        problemsOf(operationOf(procedure).requestBody.content["application/json"].schema, example),
        unsaid(procedure, answer),
      ];
      // Nothing here has a rotation that waits for a value.
      const isAccepted = answer.status < 300 || (procedure === "rotation.supply" && answer.status === 404);
      outcomes.push([procedure, isAccepted ? "accepted" : answer.body, ...problems]);
    }
    expect(outcomes).toEqual(steps.map((procedure) => [procedure, "accepted", [], []]));
    expect([...new Set(steps)].toSorted()).toEqual([...serviceProcedures.keys()].toSorted());
    expect(Object.keys(document.paths).map((path) => path.slice(plainPath.length))).toEqual(
      [...serviceProcedures.keys()].toSorted(),
    );
  });

  it("has the schema of every error", async () => {
    const { apiKey: reader } = await backends.secrets.admin.apiKeys.create(operator, {
      name: "reader",
      companies: [company],
      platform: false,
      verbs: ["use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    const errors: Record<string, Answer> = {
      "401 UNAUTHENTICATED": await call("secrets.read", {}, { authorization: "Bearer tsk_none" }),
      "403 FORBIDDEN": await call("secrets.write", exampleOf("secrets.write"), {
        authorization: `Bearer ${reader}`,
      }),
      "404 NOT_FOUND": await call("secrets.read", { company: "codewiser", secretKey: "STRIPE_SECRET_KEY" }),
      "400 INVALID_INPUT": await call("secrets.read", { company, secretKey: 7 }),
      "400 UNKNOWN_SECRET_KEY": await call("secrets.read", { company, secretKey: "STRIPE_SECRT_KEY" }),
      "400 INVALID_VALUE": await call("secrets.write", { company, secretKey: "CUSTOM_A", value: "a\0" }),
      "409 CONFLICT": await call("secrets.write", {
        company,
        secretKey: "CUSTOM_A",
        value: "fake",
        expectedVersion: 7,
      }),
      "422 NOT_SUPPORTED": await call("secrets.generate", { company, secretKey: "SENDGRID_API_KEY" }),
    };
    const found = Object.values(errors).map((answer) => `${answer.status} ${reasonOf(answer)}`);
    expect(found).toEqual(Object.keys(errors));
    expect(Object.values(errors).map((answer) => unsaid("secrets.write", answer))).toEqual(
      found.map(() => []),
    );
    expect(errors["409 CONFLICT"]?.body).toContain('"currentVersion":0');
  });
});

describe("a request in plain JSON", () => {
  it("has dates as texts, in both directions, with any offset", async () => {
    const secretKey = "CUSTOM_DATED";
    const expiresAt = "2030-01-31T02:00:00+02:00";
    expect((await call("secrets.write", { company, secretKey, value: "fake_0001", expiresAt })).status).toBe(
      200,
    );
    const { body } = await call("secrets.history", { company, secretKey });
    expect(JSON.parse(body)).toMatchObject({ versions: [{ expiresAt: "2030-01-31T00:00:00.000Z" }] });
    for (const none of ["2030-01-31", "soon", 1_893_456_000_000, "2030-02-31T99:00:00Z", {}]) {
      const answer = await call("secrets.write", { company, secretKey, value: "fake_0002", expiresAt: none });
      expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_INPUT"]);
      expect(answer.body).toContain("expiresAt");
    }
  });

  it("is applied once with a requestId, and is a conflict with other content", async () => {
    const change = { company, secretKey: "CUSTOM_ONCE", value: "fake_once_0001", requestId: "once-1" };
    const answers = [await call("secrets.write", change), await call("secrets.write", change)];
    expect(answers.map(({ body }) => body)).toEqual(['{"version":1}', '{"version":1}']);
    expect(reasonOf(await call("secrets.write", { ...change, value: "fake_once_0002" }))).toBe("CONFLICT");
  });

  it("about another company, no company and a missing secret has the same answer, to the byte", async () => {
    const secretKey = "STRIPE_SECRET_KEY";
    const answers = await Promise.all([
      call("secrets.read", { company: "codewiser", secretKey }),
      call("secrets.read", { company: "nobody-here", secretKey }),
      call("secrets.read", { company, secretKey: "CUSTOM_NONE" }),
      call("secrets.write", { company: "codewiser", secretKey, value: "fake_0001" }),
    ]);
    expect(new Set(answers.map(withoutRequestId)).size).toBe(1);
    expect(answers[0]?.status).toBe(404);
  });

  it.each([
    [
      "a batch in the address",
      { procedure: "secrets.read,secrets.list", body: { 0: { company }, 1: { company } }, status: 404 },
    ],
    [
      "a procedure of people",
      { procedure: "secrets.reveal", body: { company, secretKey: "CUSTOM_A", purpose: "x" }, status: 404 },
    ],
    ["a procedure of operators", { procedure: "companies.list", body: {}, status: 404 }],
    ["no procedure", { procedure: "__proto__", body: {}, status: 404 }],
    ["a path that climbs", { procedure: "..%2F..%2Ftrpc%2Fcompanies.list", body: {}, status: 404 }],
    ["a parameter", { procedure: "secrets.list?batch=1", body: { company }, status: 400 }],
    ["an unknown field", { procedure: "secrets.list", body: { company, everything: true }, status: 400 }],
    ["the typed client's form", { procedure: "secrets.list", body: { json: { company } }, status: 400 }],
    ["a list", { procedure: "secrets.list", body: [{ company }], status: 400 }],
    ["null", { procedure: "secrets.list", body: "null", status: 400 }],
    ["no JSON", { procedure: "secrets.list", body: "{", status: 400 }],
    [
      "a prototype",
      {
        procedure: "secrets.list",
        body: `{"company":"${company}","__proto__":{"polluted":true}}`,
        status: 400,
      },
    ],
    ["NUL", { procedure: "secrets.read", body: { company, secretKey: "CUSTOM_A\0" }, status: 400 }],
    [
      "too deep nesting",
      { procedure: "secrets.list", body: `${"[".repeat(30)}${"]".repeat(30)}`, status: 400 },
    ],
    ["too large a body", { procedure: "secrets.list", body: `"${"a".repeat(600_000)}"`, status: 413 }],
  ])("with %s is refused with an error of the one form", async (_, { procedure, body, status }) => {
    const answer = await call(procedure, body);
    expect(answer.status).toBe(status);
    expect(problemsOf(document.components.schemas.Error, JSON.parse(answer.body))).toEqual([]);
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("is POST with JSON, and nothing else", async () => {
    const authorization = `Bearer ${credential}`;
    const path = `${plainPath}secrets.list`;
    const got = await send(api.url, { path, headers: { authorization } });
    expect([got.status, got.headers.allow]).toEqual([405, "POST"]);
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
    ]) {
      const answer = await send(api.url, {
        method: "POST",
        path,
        headers: { authorization, "content-type": type },
        body: JSON.stringify({ company }),
      });
      expect(answer.status).toBe(415);
    }
  });

  it("that comes too often is refused with the seconds to wait, at this door as at the other", async () => {
    const slow = await startApi({ backends, limits: { callsPerSecond: 1 } });
    const ask = (path: string, body: unknown) =>
      sendJson(slow.url, { path, body, headers: { authorization: `Bearer ${credential}` } });
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => ask(`${plainPath}companies.stamp`, { company })),
    );
    const refused = answers.find(({ status }) => status === 429);
    expect(Number(refused?.headers["retry-after"])).toBeGreaterThan(0);
    expect(unsaid("companies.stamp", refused ?? { status: 0, headers: {}, body: "" })).toEqual([]);
    const typed = await ask("/trpc/secrets.read", { json: { company, secretKey: "STRIPE_SECRET_KEY" } });
    expect(typed.status).toBe(429);
  });

  it("is measured and logged under its procedure, and none by what was sent", async () => {
    await call("secrets.list", { company });
    await call("sk_live_fake_swapped_0001", { company });
    const routes = api.lines.map((line) => String(JSON.parse(line).route));
    expect(routes).toContain(`${plainPath}secrets.list`);
    expect(api.lines.join("\n")).not.toContain("swapped");
  });
});
