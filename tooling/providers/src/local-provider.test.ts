import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFaultQueue } from "./faults.ts";
import { startProvider, type LocalProvider } from "./local-provider.ts";
import { call } from "./testing.ts";

/** How many requests were carried out. */
let carriedOut = 0;
let provider: LocalProvider;

beforeEach(async () => {
  carriedOut = 0;
  provider = await startProvider(
    {},
    {
      faults: createFaultQueue(),
      refuse: (status, message) => ({ status, body: { refused: message } }),
      answer: ({ path }) => {
        carriedOut += 1;
        return { status: 201, body: { path, no: carriedOut } };
      },
    },
  );
});
afterEach(() => provider.stop());

test("a local provider answers at 127.0.0.1, and keeps what came in", async () => {
  const answer = await call(provider, "POST /keys?limit=1", { key: "fake_key", json: { name: "a" } });
  expect([answer.status, answer.body]).toEqual([201, { path: "/keys?limit=1", no: 1 }]);
  expect(new URL(provider.url).hostname).toBe("127.0.0.1");
  expect(provider.requests()).toMatchObject([
    { method: "POST", path: "/keys?limit=1", authorization: "Bearer fake_key", body: '{"name":"a"}' },
  ]);
});

test("a client that disconnects in the middle of its body ends no provider", async () => {
  const socket = connect({ host: "127.0.0.1", port: Number(new URL(provider.url).port) });
  socket.write("POST /keys HTTP/1.1\r\nhost: fake\r\ncontent-length: 100\r\n\r\n{");
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  expect((await call(provider, "GET /keys")).status).toBe(201);
  expect(carriedOut).toBe(1);
});

test("a provider that stops carries out no delayed request", async () => {
  provider.faults.add({ fault: "delay", ms: 500 });
  const delayed = Promise.allSettled([call(provider, "GET /keys")]);
  await expect.poll(() => provider.requests().length, { timeout: 60_000 }).toBe(1);
  await provider.stop();
  expect(await delayed).toMatchObject([{ status: "rejected" }]);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(carriedOut).toBe(0);
});

describe("a fault", () => {
  test("delays a request, which is carried out after it", async () => {
    provider.faults.add({ fault: "delay", ms: 300 });
    const startedAt = performance.now();
    const delayed = call(provider, "GET /keys");
    await expect.poll(() => provider.requests().length, { timeout: 60_000 }).toBe(1);
    expect(carriedOut).toBe(0);
    expect((await delayed).status).toBe(201);
    expect(performance.now() - startedAt).toBeGreaterThan(290);
  });

  test.for([
    ["dropBefore", 0],
    ["dropAfter", 1],
  ] as const)("%s ends the connection, with %i requests carried out", async ([fault, times]) => {
    provider.faults.add({ fault });
    await expect(call(provider, "POST /keys")).rejects.toThrow(TypeError);
    expect(carriedOut).toBe(times);
    expect((await call(provider, "POST /keys")).status).toBe(201);
  });

  test.for([
    [429, 7, "7"],
    [503, "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT"],
    [500, undefined, null],
  ] as const)("answers %i with Retry-After %s", async ([status, retryAfter, header]) => {
    provider.faults.add({ fault: "status", status, ...(retryAfter !== undefined && { retryAfter }) });
    const answer = await call(provider, "POST /keys");
    expect([answer.status, answer.headers.get("retry-after"), carriedOut]).toEqual([status, header, 0]);
    expect(answer.body).toEqual({ refused: expect.any(String) });
  });

  test.for([{ fault: "status", status: 500 }, { fault: "html" }] as const)(
    "of kind $fault is answered after the request was carried out where that is wanted",
    async (fault) => {
      for (const afterEffect of [false, true]) {
        provider.faults.add({ ...fault, afterEffect });
        await call(provider, "POST /keys");
        expect(carriedOut).toBe(afterEffect ? 1 : 0);
      }
    },
  );

  test("answers 200 with a page", async () => {
    provider.faults.add({ fault: "html" });
    const answer = await call(provider, "POST /keys");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/html"]);
    expect(answer.text).toContain("<html>");
  });

  test("answers half of the JSON of a request that was carried out", async () => {
    provider.faults.add({ fault: "halfJson" });
    const answer = await call(provider, "POST /keys");
    expect([answer.status, answer.headers.get("content-type"), carriedOut]).toEqual([
      201,
      "application/json",
      1,
    ]);
    expect('{"path":"/keys","no":1}'.startsWith(answer.text) && answer.text.length > 5).toBe(true);
    expect(answer.body).toBeUndefined();
  });

  test("meets only requests of its method and path, as often as it says", async () => {
    provider.faults.add({ fault: "status", status: 500, method: "delete", path: "/v1.0/keys/*", times: 2 });
    const statusOf = async (request: `${string} /${string}`) => (await call(provider, request)).status;
    expect(await statusOf("GET /v1.0/keys/a")).toBe(201);
    expect(await statusOf("DELETE /v1.0/keys")).toBe(201);
    expect(await statusOf("DELETE /v1x0/keys/a")).toBe(201);
    expect(await statusOf("DELETE /v1.0/keys/a")).toBe(500);
    expect(provider.faults.open()).toMatchObject([{ times: 1 }]);
    expect(await statusOf("DELETE /v1.0/keys/b/c")).toBe(500);
    expect(await statusOf("DELETE /v1.0/keys/a")).toBe(201);
    expect(provider.faults.open()).toEqual([]);
  });

  test("is met by its path with any query, and by no longer path", async () => {
    provider.faults.add({ fault: "status", status: 500, path: "/keys" });
    expect((await call(provider, "GET /keys/a")).status).toBe(201);
    expect((await call(provider, "GET /keys?limit=1")).status).toBe(500);
  });

  test("that is there always is met until it is cleared", async () => {
    provider.faults.add({ fault: "status", status: 500, times: "always" });
    for (const _ of [1, 2, 3]) expect((await call(provider, "GET /keys")).status).toBe(500);
    provider.faults.clear();
    expect((await call(provider, "GET /keys")).status).toBe(201);
  });

  test("waits for its turn behind an older one, and a delay for none", async () => {
    provider.faults.add({ fault: "status", status: 429 });
    provider.faults.add({ fault: "status", status: 503 });
    provider.faults.add({ fault: "delay", ms: 100 });
    const startedAt = performance.now();
    expect((await call(provider, "GET /keys")).status).toBe(429);
    expect(performance.now() - startedAt).toBeGreaterThan(95);
    expect((await call(provider, "GET /keys")).status).toBe(503);
  });
});

describe("POST /faults", () => {
  const faults = (request: "GET" | "POST" | "DELETE" | "PUT", json?: unknown) =>
    call(provider, `${request} /faults`, { json });

  test("adds a fault as the function does, and is no request to the provider", async () => {
    const fault = { fault: "status", status: 429, retryAfter: 2, method: "POST", times: 3 };
    const answer = await faults("POST", fault);
    expect([answer.status, answer.body]).toEqual([200, { faults: [{ ...fault, afterEffect: false }] }]);
    expect((await call(provider, "POST /keys")).status).toBe(429);
    expect((await faults("GET")).body).toEqual({ faults: [{ ...fault, afterEffect: false, times: 2 }] });
    expect((await faults("DELETE")).body).toEqual({ faults: [] });
    expect((await call(provider, "POST /keys")).status).toBe(201);
    expect(provider.requests()).toHaveLength(2);
  });

  test.for([
    [{ fault: "flood" }, "fault"],
    [{ fault: "delay" }, "ms"],
    [{ fault: "html", method: "POST", tims: 3 }, "tims"],
    [{ fault: "propagation", for: { seconds: 3 } }, "for"],
  ] as const)("refuses what is no fault, and names what is wrong: %j", async ([fault, named]) => {
    const answer = await faults("POST", fault);
    expect(answer.status).toBe(400);
    expect(answer.body?.["error"]).toContain(named);
    expect(provider.faults.open()).toEqual([]);
  });

  test("refuses other methods, what is no JSON, and a type that a page of another origin may send", async () => {
    expect((await faults("PUT", {})).status).toBe(405);
    const send = async (type: string, body: string) => {
      const answer = await fetch(`${provider.url}/faults`, {
        method: "POST",
        body,
        headers: { "content-type": type },
      });
      return answer.status;
    };
    expect(await send("application/json", "{")).toBe(400);
    expect(await send("text/plain", '{"fault":"html"}')).toBe(415);
    expect(provider.faults.open()).toEqual([]);
  });
});
