import { once } from "node:events";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { createInfisicalClient } from "./client.ts";
import { failureOf, name, path, reads, startFixture, value } from "./testing/fixture.ts";

vi.setConfig({ testTimeout: 30_000 });

const tooLarge = { code: "INVALID_RESPONSE", message: expect.stringContaining("larger than 32 MiB") };

test.for(Object.entries(reads))("%s is refused an answer of more than 32 MiB", async ([, read]) => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  const answer = { kind: "answer", status: 200, body: "x".repeat(33 * 1024 * 1024) } as const;
  fixture.emulator.faults.add(answer, { times: 9, path: /folders|secrets/ });
  expect(await failureOf(read(fixture.client))).toMatchObject(tooLarge);
  expect(fixture.emulator.requests().filter(({ method }) => method === "GET")).toHaveLength(2);
  fixture.emulator.faults.clear();
  expect(await fixture.client.findSecret(path, name)).toMatchObject({ value });
});

test("a write with too large an answer is looked at again, as any without a proper answer", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret(path, name, value);
  const answer = { kind: "answer", status: 200, body: "x".repeat(33 * 1024 * 1024) } as const;
  fixture.emulator.faults.add({ ...answer, afterApply: true }, { method: "PATCH" });
  expect(await fixture.client.putSecret(path, name, "fake-0002")).toEqual({ created: false, version: 2 });
});

test("answers that a few bytes unpack to are not unpacked", async () => {
  const bomb = gzipSync(Buffer.alloc(256 * 1024 * 1024));
  expect(bomb.byteLength).toBeLessThan(1024 * 1024);
  const asked: (string | string[] | undefined)[] = [];
  const server = createServer((request, response) => {
    if (request.url?.endsWith("login")) {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ accessToken: "fake.fake.fake" }));
    } else if (request.url?.endsWith("status")) response.end("{}");
    else {
      asked.push(request.headers["accept-encoding"]);
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" });
      response.end(bomb);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const siteUrl = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const client = createInfisicalClient({
    siteUrl,
    clientId: "fake-id",
    clientSecret: "fake-secret",
    projectId: "fake-project",
    environment: "dev",
    maxFailures: 100,
  });
  try {
    const before = process.memoryUsage().rss;
    const asking = [client.findSecret(path, name), client.listSecrets(path), client.ping()];
    for (const failure of await Promise.all(asking.map((call) => failureOf(call)))) {
      expect(failure).toMatchObject(tooLarge);
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
    expect(new Set(asked)).toContain("identity");
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
