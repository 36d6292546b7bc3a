import { beforeAll, describe, expect, it } from "vitest";
import { startApi, type Api } from "../testing/fixture.ts";
import { send, sendJson, type Answer } from "../testing/raw-http.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});

const reasonOf = ({ body }: Answer) => String(/"reason":"([A-Z_]+)"/.exec(body)?.[1]);
const pay = "/api/payments/create";

describe("a page of another origin", () => {
  const json = { "content-type": "application/json" };
  const post = (headers: Record<string, string>, path = "/trpc/keys.rotate") =>
    send(api.url, { method: "POST", path, headers: { ...json, ...headers }, body: "{}" });

  it.each([
    [{ "sec-fetch-site": "cross-site" }],
    [{ "sec-fetch-site": "same-site" }],
    [{ "sec-fetch-site": "SAME-ORIGIN" }],
    [{ "sec-fetch-site": "" }],
    [{ origin: "https://evil.example.com" }],
    [{ origin: "null" }],
    [{ origin: "" }],
    [{ origin: "https://admin.example.com.evil.example" }],
    [{ origin: "https://admin.example.com:444" }],
    [{ origin: "HTTPS://ADMIN.EXAMPLE.COM" }],
    [{ origin: "https://evil.example.com", "sec-fetch-site": "same-origin" }],
  ])("is refused with 403 before anything runs: %j", async (headers) => {
    for (const path of ["/trpc/keys.rotate", "/trpc/secrets.write", pay, "/none"]) {
      const answer = await post(headers, path);
      expect([answer.status, reasonOf(answer)]).toEqual([403, "FORBIDDEN"]);
    }
    for (const method of ["PUT", "PATCH", "DELETE", "PROPFIND"]) {
      expect((await send(api.url, { method, path: "/none", headers })).status).toBe(403);
    }
  });

  it("is not what a server, the address bar or a page of an allowed origin is, wherever that is", async () => {
    const origin = "https://admin.example.com";
    const fromThere = ["same-origin", "same-site", "cross-site"].map((site) => ({
      origin,
      "sec-fetch-site": site,
    }));
    for (const headers of [{}, { "sec-fetch-site": "none" }, { origin }, ...fromThere]) {
      expect((await post(headers, "/none")).status).toBe(404);
    }
  });

  it("may look, but reads nothing of it: no answer lets another origin in", async () => {
    const headers = { origin: "https://evil.example.com", "sec-fetch-site": "cross-site" };
    const answers = [
      await send(api.url, { path: "/healthz", headers }),
      await send(api.url, { method: "HEAD", path: "/healthz", headers }),
      await send(api.url, {
        method: "OPTIONS",
        path: "/trpc/secrets.read",
        headers: { ...headers, "access-control-request-method": "POST" },
      }),
    ];
    for (const answer of answers) {
      expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  it("cannot send a mutation that takes no input as a form, nor any as a link or an image", async () => {
    const form = "--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\n";
    for (const type of [
      "multipart/form-data; boundary=x",
      "application/x-www-form-urlencoded",
      "text/plain",
    ]) {
      const headers = { "content-type": type };
      const answer = await send(api.url, { method: "POST", path: "/trpc/keys.rotate", headers, body: form });
      expect([answer.status, reasonOf(answer)]).toEqual([415, "INVALID_INPUT"]);
    }
    const input = encodeURIComponent('{"json":{"company":"a","secretKey":"CUSTOM_A","value":"x"}}');
    for (const path of [
      "/trpc/keys.rotate",
      "/trpc/keys.rotate?batch=1",
      `/trpc/secrets.write?input=${input}`,
      `/trpc/secrets.read?input=${input}`,
      "/trpc/secrets.read,secrets.list?batch=1",
    ]) {
      expect([400, 405], path).toContain((await send(api.url, { path })).status);
      expect((await send(api.url, { method: "HEAD", path })).status, path).toBe(405);
    }
  });
});

describe("a page of an allowed origin", () => {
  const origin = "https://admin.example.com";
  const names = (answer: Answer) =>
    Object.keys(answer.headers).filter((name) => name.startsWith("access-control"));
  const preflight = (from: string, path: string, headers: Record<string, string> = {}) =>
    send(api.url, {
      method: "OPTIONS",
      path,
      headers: {
        origin: from,
        "access-control-request-method": "POST",
        "sec-fetch-site": "cross-site",
        ...headers,
      },
    });

  it("is told beforehand that it may send what the typed client sends, and others are told nothing", async () => {
    for (const path of ["/trpc/secrets.read", pay, "/none"]) {
      const answer = await preflight(origin, path, {
        "access-control-request-headers": "authorization,content-type",
      });
      expect([answer.status, answer.body]).toEqual([204, ""]);
      expect(answer.headers).toMatchObject({
        "access-control-allow-origin": origin,
        "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "authorization,content-type,idempotency-key,traceparent",
        "access-control-max-age": "600",
        "cache-control": "no-store",
        vary: expect.stringContaining("Origin"),
      });
      expect(answer.headers).not.toHaveProperty("access-control-allow-credentials");
      for (const other of ["https://evil.example.com", "null", `${origin}.evil.example`, `${origin}:444`]) {
        const refused = await preflight(other, path);
        expect([refused.status, names(refused)]).toEqual([405, []]);
      }
    }
  });

  it("reads every answer, also one of its refusal, and when to come back", async () => {
    const headers = { origin, "sec-fetch-site": "same-site" };
    for (const answer of [
      await send(api.url, { path: "/healthz", headers }),
      await sendJson(api.url, { path: "/trpc/secrets.read", body: "{", headers }),
      await sendJson(api.url, { path: "/trpc/secrets.write", body: { json: {} }, headers }),
      await sendJson(api.url, { path: pay, body: {}, headers }),
      await send(api.url, { method: "PUT", path: "/none", headers }),
    ]) {
      expect(answer.headers).toMatchObject({
        "access-control-allow-origin": origin,
        "access-control-expose-headers": "retry-after,x-request-id",
        vary: expect.stringContaining("Origin"),
      });
    }
  });
});

it("answers every request, well or badly, with headers that let nothing be cached, framed or run", async () => {
  const huge = `"${"a".repeat(520 * 1024)}"`;
  const answers = {
    healthy: await send(api.url, { path: "/healthz" }),
    "not ready": await send(api.url, { path: "/readyz" }),
    "no route": await send(api.url, { path: "/none" }),
    "no procedure": await send(api.url, { path: "/trpc/none" }),
    "not found at all": await send(api.url, { method: "OPTIONS", path: "/trpc/secrets.list" }),
    malformed: await sendJson(api.url, { path: pay, body: "{" }),
    large: await sendJson(api.url, { path: pay, body: huge }),
    "no JSON": await send(api.url, { method: "POST", path: pay, body: "a=1" }),
    "no credential": await sendJson(api.url, { path: "/trpc/secrets.read", body: {} }),
    "a foreign page": await sendJson(api.url, {
      path: pay,
      body: {},
      headers: { origin: "https://evil.example.com" },
    }),
    "by GET": await send(api.url, { path: "/trpc/secrets.read" }),
    "a condition": await send(api.url, { path: "/healthz", headers: { "if-none-match": "*" } }),
    "a range": await send(api.url, { path: "/healthz", headers: { range: "bytes=0-1" } }),
    "a head": await send(api.url, { method: "HEAD", path: "/healthz" }),
  };
  expect(Object.values(answers).map(({ status }) => status)).toEqual([
    200, 503, 404, 404, 405, 400, 413, 415, 503, 403, 405, 200, 200, 200,
  ]);
  for (const [name, { headers, body }] of Object.entries(answers)) {
    expect(headers, name).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy":
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      "content-type": expect.stringMatching(/^application\/json/),
      "referrer-policy": "no-referrer",
      "strict-transport-security": "max-age=31536000; includeSubDomains",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect(headers).not.toHaveProperty("x-powered-by");
    if (body.includes("reason"))
      expect(body, name).toContain(`"requestId":"${String(headers["x-request-id"])}"`);
  }
});

it("refuses a host that is none, and lets nothing of that be cached", async () => {
  const { status, headers } = await send(api.url, { path: "/", headers: { host: "a b" } });
  expect([status, headers["cache-control"]]).toEqual([400, "no-store"]);
});
