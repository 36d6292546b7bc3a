import { beforeAll, describe, expect, it } from "vitest";
import { send, sendJson, sendRaw, type Answer } from "../testing/raw-http.ts";
import { startApi, type Api } from "../testing/fixture.ts";

let api: Api;
beforeAll(async () => {
  api = await startApi();
});

const reasonOf = ({ body }: Answer) => String(/"reason":"([A-Z_]+)"/.exec(body)?.[1]);
const pay = "/api/payments/create";

describe("malformed JSON", () => {
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
      const answer = await sendJson(api.url, { path, body: `{"amount": ${canary}` });
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
    expect((await sendJson(api.url, { path: "/none", body: nested(20) })).status).toBe(404);
    const startedAt = performance.now();
    for (const depth of [21, 100_000, 262_000]) {
      expect((await sendJson(api.url, { path: "/none", body: nested(depth) })).status).toBe(400);
    }
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(
      (await sendJson(api.url, { path: "/none", body: JSON.stringify({ text: `\\"${"[{".repeat(50)}` }) }))
        .status,
    ).toBe(404);
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
  ])(
    "other methods at %s get 405 with the allowed ones, with a body and without: %j",
    async (path, methods, allow) => {
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
    },
  );

  it("is, of a query, POST", async () => {
    const answer = await sendJson(api.url, { path: "/trpc/secrets.list", body: { json: { company: "a" } } });
    expect([answer.status, answer.headers["allow"]]).toEqual([405, "GET"]);
  });
});

describe("oversized requests", () => {
  const kibibytes = (count: number) => `"${"a".repeat(count * 1024 - 2)}"`;

  it("is refused with 413 from 512 KiB on, with a length and without one", async () => {
    expect((await sendJson(api.url, { path: "/none", body: kibibytes(512) })).status).toBe(404);
    const headers = { "content-type": "application/json" };
    const chunked = { method: "POST", path: "/none", headers, chunkBytes: 65_536 };
    expect((await send(api.url, { ...chunked, body: kibibytes(512) })).status).toBe(404);
    expect((await sendJson(api.url, { path: pay, body: kibibytes(513) })).status).toBe(413);
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

  it.for<[string, string, string, number]>([
    ["ten", Array(10).fill("secrets.list").join(","), "GET", 503],
    ["eleven", Array(11).fill("secrets.list").join(","), "GET", 400],
    ["eleven that are one", "secrets.list,".repeat(10), "GET", 400],
    ["eleven with encoded commas", Array(11).fill("secrets.list").join("%2C"), "GET", 400],
    ["5,000 of different kinds", Array(2500).fill("a,b").join(","), "GET", 414],
    ["eleven, sent with POST", Array(11).fill("secrets.write").join(","), "POST", 400],
  ])("is refused as a batch: %s", async ([, paths, method, status]) => {
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
      expect((await sendJson(api.url, { path: pay, body })).status).toBeGreaterThanOrEqual(400);
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
    const answer = await sendJson(starting.url, { path, body: {} });
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
        database: "The database cannot be reached (DATABASE_URL).",
        maintenance: "The database cannot be reached (DATABASE_MAINTENANCE_URL).",
        masterKey: "The master key is not loaded yet.",
        infisical: "Infisical could not be reached; check INFISICAL_SITE_URL and the network",
        notifications: "ok",
        regions: "The database cannot be reached.",
      },
    },
  ]);
});
