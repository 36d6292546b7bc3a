import { beforeAll, describe, expect, it } from "vitest";
import { send, sendJson, sendRaw, type Answer } from "./exchange.ts";
import { startApi, type Api } from "./fixture.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});

const reasonOf = ({ body }: Answer) => String(/"reason":"([A-Z_]+)"/.exec(body)?.[1]);
const pay = "/api/payments/create";

describe("what is not well-formed JSON", () => {
  it.each([
    ["text/plain"],
    [""],
    ["application/jsonFOO"],
    ["application/x-www-form-urlencoded"],
    ["multipart/form-data; boundary=x"],
    ["application/octet-stream"],
    ["application/json;charset=utf-7"],
    ["application/json, text/plain"],
  ])("is refused with 415 as %j", async (type) => {
    for (const path of [pay, "/trpc/secrets.read"]) {
      const headers = type === "" ? {} : { "content-type": type };
      const answer = await send(api.url, { method: "POST", path, headers, body: "{}" });
      expect([answer.status, reasonOf(answer)]).toEqual([415, "INVALID_INPUT"]);
    }
  });

  it("is let through as application/json, with utf-8 spelt out or not", async () => {
    for (const type of [
      "application/json",
      "application/json; charset=utf-8",
      'Application/JSON;charset="UTF-8"',
    ]) {
      const answer = await send(api.url, {
        method: "POST",
        path: "/none",
        headers: { "content-type": type },
        body: "{}",
      });
      expect(answer.status).toBe(404);
    }
  });

  it("is refused, and neither echoed nor logged", async () => {
    const canary = "canary";
    for (const path of [pay, "/trpc/secrets.write", "/trpc/secrets.read,secrets.write?batch=1"]) {
      const answer = await sendJson(api.url, path, `{"amount": ${canary}`);
      expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_INPUT"]);
      expect(JSON.stringify(answer)).not.toContain("canary");
    }
    const url = await send(api.url, { path: `/trpc/secrets.list?input=%7B${canary}` });
    expect(JSON.stringify(url)).not.toContain("canary");
    expect(api.lines.join("")).not.toContain("canary");
  });

  it("is refused where its bytes are not UTF-8", async () => {
    const body = Buffer.concat([Buffer.from('{"value":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    const headers = { "content-type": "application/json" };
    const answer = await send(api.url, { method: "POST", path: pay, headers, body });
    expect(answer.status).toBe(400);
  });

  it("is refused where it nests deeper than 20 levels, however deep, and quickly", async () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect((await sendJson(api.url, "/none", nested(20))).status).toBe(404);
    const startedAt = performance.now();
    for (const depth of [21, 100_000, 262_000]) {
      expect((await sendJson(api.url, "/none", nested(depth))).status).toBe(400);
    }
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect((await sendJson(api.url, "/none", JSON.stringify({ text: `\\"${"[{".repeat(50)}` }))).status).toBe(
      404,
    );
  });
});

describe("a page of somebody else's", () => {
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
      await sendJson(api.url, "/trpc/secrets.read", "{", headers),
      await sendJson(api.url, "/trpc/secrets.write", { json: {} }, headers),
      await sendJson(api.url, pay, {}, headers),
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

describe("a method that is not served", () => {
  it.each([
    ["/healthz", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"], "GET, HEAD"],
    ["/readyz", ["POST", "PUT", "OPTIONS", "TRACE"], "GET, HEAD"],
    [pay, ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"], "POST"],
    ["/trpc/secrets.read", ["HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"], "GET, POST"],
    ["/trpc/none", ["HEAD", "PUT", "TRACE"], "GET, POST"],
    ["/none", ["PUT", "TRACE", "DELETE", "PROPFIND"], "GET, HEAD, POST"],
    ["/trpc/secrets.read", ["GET"], "POST"],
    ["/trpc/secrets.read,secrets.write?batch=1", ["GET"], "POST"],
  ])("is answered at %s with 405 and what is, with a body and without: %j", async (path, methods, allow) => {
    for (const method of methods) {
      for (const body of ["", "{}", "a=1"]) {
        const headers = body === "" ? {} : { "content-length": String(body.length) };
        const answer = await send(api.url, { method, path, headers, body });
        expect([answer.status, `${method} ${String(answer.headers["allow"])}`]).toEqual([
          405,
          `${method} ${allow}`,
        ]);
        expect(answer.headers["cache-control"]).toBe("no-store");
      }
    }
  });

  it("is, of a query, POST", async () => {
    const answer = await sendJson(api.url, "/trpc/secrets.list", { json: { company: "a" } });
    expect([answer.status, answer.headers["allow"]]).toEqual([405, "GET"]);
  });
});

describe("what is too much", () => {
  const kibibytes = (count: number) => `"${"a".repeat(count * 1024 - 2)}"`;

  it("is refused with 413 from 512 KiB on, with a length and without one", async () => {
    expect((await sendJson(api.url, "/none", kibibytes(512))).status).toBe(404);
    const headers = { "content-type": "application/json" };
    const chunked = { method: "POST", path: "/none", headers, chunkBytes: 65_536 };
    expect((await send(api.url, { ...chunked, body: kibibytes(512) })).status).toBe(404);
    expect((await sendJson(api.url, pay, kibibytes(513))).status).toBe(413);
    expect(
      (await send(api.url, { ...chunked, path: "/trpc/secrets.write", body: kibibytes(513) })).status,
    ).toBe(413);
  });

  it("is refused with 414 as a URL", async () => {
    expect((await send(api.url, { path: `/trpc/secrets.list?input=${"a".repeat(9000)}` })).status).toBe(414);
  });

  it("is refused as a batch of 5,000 calls, in a few bytes", async () => {
    const answer = await send(api.url, { path: `/trpc/${",".repeat(4999)}?batch=1` });
    expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_INPUT"]);
    expect(answer.body.length).toBeLessThan(500);
  });

  it.each([
    ["ten", Array(10).fill("secrets.list").join(","), "GET", 503],
    ["eleven", Array(11).fill("secrets.list").join(","), "GET", 400],
    ["eleven that are one", "secrets.list,".repeat(10), "GET", 400],
    ["eleven with encoded commas", Array(11).fill("secrets.list").join("%2C"), "GET", 400],
    ["5,000 of different kinds", Array(2500).fill("a,b").join(","), "GET", 414],
    ["eleven, sent with POST", Array(11).fill("secrets.write").join(","), "POST", 400],
  ])("is refused as a batch: %s", async (_, paths, method, status) => {
    const headers = { "content-type": "application/json" };
    const message = {
      method,
      path: `/trpc/${paths}?batch=1`,
      ...(method === "POST" && { headers, body: "{}" }),
    };
    const answer = await send(api.url, message);
    expect(answer.status).toBe(status);
    expect(answer.headers["cache-control"]).toBe("no-store");
  });

  it("is refused with 413 at 10 MiB, in a moment, whether or not it says how long it is", async () => {
    const body = Buffer.alloc(10 * 1024 * 1024, 0x20);
    const headers = { "content-type": "application/json" };
    const before = process.memoryUsage().rss;
    for (const chunkBytes of [undefined, 65_536]) {
      const message = { method: "POST", path: pay, headers, body, ...(chunkBytes && { chunkBytes }) };
      expect((await send(api.url, message)).status).toBe(413);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  it("is looked through quickly, with a million names or one number that is no number", async () => {
    const names = Array.from({ length: 40_000 }, (_, i) => `"${i}":0`).join(",");
    const longest = async (body: string) => {
      const startedAt = performance.now();
      expect((await sendJson(api.url, pay, body)).status).toBeGreaterThanOrEqual(400);
      return performance.now() - startedAt;
    };
    expect(await longest(`{${names}}`)).toBeLessThan(2000);
    expect(await longest(`{"amount":${"9".repeat(500_000)},"currency":"eur"}`)).toBeLessThan(2000);
    expect(await longest('{"amount":1e400,"currency":"eur"}')).toBeLessThan(2000);
  });
});

let starting: Api;
beforeAll(async () => {
  starting = await startApi({ started: false });
});

it.each([
  "/%74rpc/secrets.read",
  "//trpc/secrets.read",
  "/trpc//secrets.read",
  "/trpc/%2e%2e/trpc/secrets.read",
  "/trpc/../trpc/secrets.read",
  "/trpc/secrets.read/",
  "/trpc/secrets%2Eread",
  "/TRPC/secrets.read",
  "/api/../trpc/secrets.read",
  "/api/payments/%63reate",
  "/api//payments/create",
  "/trpc/secrets.read;x=1",
  "/trpc/secrets.read%00",
  "/trpc/%",
])("guards %s as it guards the plain path: no spelling gets round it", async (path) => {
  const fields = ["host: a", "content-type: application/json", "connection: close", "content-length: 2"];
  const answer = await sendRaw(starting.url, [`POST ${path} HTTP/1.1`, ...fields, "", "{}"].join("\r\n"));
  expect(["400", "404", "503"]).toContain(answer.split(" ")[1]);
});

it("answers every request, well or badly, with headers that let nothing be cached, framed or run", async () => {
  const huge = `"${"a".repeat(520 * 1024)}"`;
  const answers = {
    healthy: await send(api.url, { path: "/healthz" }),
    "not ready": await send(api.url, { path: "/readyz" }),
    "no route": await send(api.url, { path: "/none" }),
    "no procedure": await send(api.url, { path: "/trpc/none" }),
    "not found at all": await send(api.url, { method: "OPTIONS", path: "/trpc/secrets.list" }),
    malformed: await sendJson(api.url, pay, "{"),
    large: await sendJson(api.url, pay, huge),
    "no JSON": await send(api.url, { method: "POST", path: pay, body: "a=1" }),
    "no credential": await sendJson(api.url, "/trpc/secrets.read", {}),
    "a foreign page": await sendJson(api.url, pay, {}, { origin: "https://evil.example.com" }),
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
  const { status, headers } = await send(api.url, { path: "/healthz", headers: { host: "a b" } });
  expect([status, headers["cache-control"]]).toEqual([400, "no-store"]);
});

it("says when to come back, over tRPC too", async () => {
  for (const path of [
    "/trpc/secrets.list?input=%7B%22json%22%3A%7B%22company%22%3A%22a%22%7D%7D",
    "/trpc/secrets.list",
  ]) {
    expect((await send(api.url, { path })).headers["retry-after"]).toBe("1");
  }
});

it("serves nothing before the start is complete, but says that it is alive and what it waits for", async () => {
  for (const path of [pay, "/trpc/secrets.read"]) {
    const answer = await sendJson(starting.url, path, {});
    expect([answer.status, reasonOf(answer), answer.headers["retry-after"]]).toEqual([
      503,
      "KEY_UNAVAILABLE",
      "1",
    ]);
    expect(answer.body).toContain("The service is starting.");
  }
  expect((await send(starting.url, { path: "/healthz" })).status).toBe(200);
  const ready = await send(starting.url, { path: "/readyz" });
  expect([ready.status, JSON.parse(ready.body)]).toEqual([
    503,
    {
      status: "starting",
      checks: {
        database: "The database cannot be reached.",
        masterKey: "The master key is not loaded yet.",
        infisical: "Infisical could not be reached; check INFISICAL_SITE_URL and the network",
        notifications: "ok",
      },
    },
  ]);
});
