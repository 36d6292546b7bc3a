import { beforeAll, describe, expect, it } from "vitest";
import { send, sendJson, type Answer } from "./exchange.ts";
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
    "database away": await sendJson(api.url, "/trpc/secrets.read", {}),
  };
  expect(Object.values(answers).map(({ status }) => status)).toEqual([
    200, 503, 404, 404, 415, 400, 413, 415, 503,
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

it("takes `__proto__` for a name that is not known, and changes no prototype", async () => {
  const inner =
    '{"amount":1,"currency":"eur","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
  await sendJson(api.url, pay, inner);
  await sendJson(
    api.url,
    "/trpc/secrets.read",
    `{"json":${inner},"meta":{"values":{"__proto__.polluted":["Date"]}}}`,
  );
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
});

it("serves nothing before the start is complete, but says that it is alive and what it waits for", async () => {
  const starting = await startApi({ started: false });
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
        infisical: "Infisical could not be reached; check its address and the network",
        notifications: "ok",
      },
    },
  ]);
});
