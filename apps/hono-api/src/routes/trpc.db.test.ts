import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { appRouter } from "@repo/tenant-secrets/http";
import { beforeAll, describe, expect, it } from "vitest";
import { send, withoutRequestId, type Answer } from "../testing/raw-http.ts";
import { createBackends, startApi, type Api, type Backends } from "../testing/fixture.ts";

let backends: Backends;
let api: Api;
let credential: string;

beforeAll(async () => {
  backends = await createBackends();
  api = await startApi({ backends });
  ({ apiKey: credential } = await backends.apiKey("another-company"));
});

const input = { json: { company: "another-company" } };
const single = `/trpc/secrets.list?input=${encodeURIComponent(JSON.stringify(input))}`;
const batch = `/trpc/secrets.list,secrets.list?batch=1&input=${encodeURIComponent(JSON.stringify({ 0: input, 1: input }))}`;
const ask = (to: string, headers: Record<string, string> = {}) =>
  send(api.url, { path: to, headers: { authorization: `Bearer ${credential}`, ...headers } });
const facts = (answer: Answer) => [withoutRequestId(answer), answer.headers["content-type"]];

describe("a request option of tRPC that a caller sets", () => {
  it.each([
    { accept: "application/jsonl" },
    { accept: "text/html, application/jsonl" },
    { accept: "text/event-stream" },
    { "last-event-id": "7" },
    { "content-type": "multipart/form-data; boundary=x" },
    { "content-type": "application/octet-stream" },
    { "x-trpc-source": "nextjs-react" },
    { "x-http-method-override": "POST" },
    { "x-method-override": "POST" },
    { connection: "upgrade", upgrade: "websocket" },
  ])("is nothing in a header: the answer is the same with %j", async (headers) => {
    for (const to of [single, batch]) {
      expect(facts(await ask(to, headers))).toEqual(facts(await ask(to)));
      const refused = await ask(to, { ...headers, authorization: "" });
      expect([refused.status, refused.headers["transfer-encoding"]]).toEqual([401, undefined]);
    }
  });

  it.each(["application/jsonl", "application/json", ""])(
    "is refused where it asks for a stream: trpc-accept %j",
    async (accept) => {
      for (const to of [single, batch, "/trpc/none"]) {
        const answer = await ask(to, { "trpc-accept": accept });
        expect([answer.status, answer.body]).toEqual([400, expect.stringContaining("not streamed")]);
      }
    },
  );

  it.each([
    "connectionParams=1",
    "connectionParams={}",
    "lastEventId=1",
    "Last-Event-Id=1",
    "_method=POST",
    "__proto__=1",
  ])("is `batch` and `input` in an address and nothing else: %j is refused", async (parameter) => {
    for (const to of [single, batch]) {
      expect((await ask(`${to}&${parameter}`)).status).toBe(400);
    }
  });

  it("respects the limit of requests in flight", async () => {
    const { url } = await startApi({ backends, maxRequestsInFlight: 2 });
    const statusesWith = (headers: Record<string, string>) =>
      Promise.all(
        Array.from({ length: 60 }, async () => {
          const authorization = `Bearer ${credential}`;
          return (await send(url, { path: batch, headers: { authorization, ...headers } })).status;
        }),
      );
    expect(await statusesWith({ accept: "application/jsonl" })).toContain(503);
    expect(await statusesWith({ "trpc-accept": "application/jsonl" })).not.toContain(200);
  });

  it("opens no subscription: no procedure streams its response", () => {
    const procedures: readonly object[] = Object.values(appRouter._def.procedures);
    const types = procedures.map((procedure) => Reflect.get(Object(Reflect.get(procedure, "_def")), "type"));
    expect(new Set(types)).toEqual(new Set(["query", "mutation"]));
  });

  it("is covered completely: this release of tRPC reads only the listed parts of a request", () => {
    const entry = fileURLToPath(import.meta.resolve("@trpc/server/adapters/fetch"));
    const dist = path.join(path.dirname(entry), "..", "..");
    const sources = readdirSync(dist)
      .filter((name) => /^resolveResponse-.*\.mjs$/.test(name))
      .map((name) => readFileSync(path.join(dist, name), "utf8"));
    const source = [...sources, readFileSync(entry, "utf8")].join("\n");
    const found = (pattern: RegExp) =>
      [...new Set([...source.matchAll(pattern)].map(([, name]) => String(name)))].toSorted();
    expect(sources).toHaveLength(1);
    expect(found(/headers\.(?:get|has)\("([^"]+)"\)/g)).toEqual([
      "accept",
      "content-type",
      "last-event-id",
      "trpc-accept",
    ]);
    expect(found(/searchParams\.(?:get|has|getAll)\("([^"]+)"\)/g)).toEqual([
      "Last-Event-Id",
      "batch",
      "connectionParams",
      "input",
      "lastEventId",
    ]);
    expect(found(/\breq\.(\w+)/g)).toEqual([
      "body",
      "formData",
      "headers",
      "json",
      "method",
      "signal",
      "url",
    ]);
  });
});
