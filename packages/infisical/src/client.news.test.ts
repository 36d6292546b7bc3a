import { expect, test, vi } from "vitest";
import { failureOf, generations, login, name, path, startFixture, value } from "./testing/fixture.ts";
import type { InfisicalNews } from "./watch.ts";

vi.setConfig({ testTimeout: 30_000 });

const levels = (news: readonly InfisicalNews[]) => news.map(({ level, code }) => `${level} ${code ?? "-"}`);

test("an outage of the server's database is logged once when it begins and once when it ends", async () => {
  await using fixture = await startFixture();
  const news: InfisicalNews[] = [];
  const client = fixture.clientWith({ onNews: (each) => news.push(each), maxFailures: 5, coolDownMs: 200 });
  await client.putSecret(path, name, value);
  fixture.emulator.faults.add({ kind: "answer", status: 500 }, { times: 99, path: /folders|secrets/ });
  for (let i = 0; i < 20; i += 1) await failureOf(client.findSecret(path, name));
  expect(levels(news)).toEqual(["error SERVER_ERROR"]);
  expect(client.troubles()).toEqual([news[0]?.sentence]);
  fixture.emulator.faults.clear();
  await vi.waitFor(
    async () => {
      await client.ping();
      expect(levels(news)).toEqual(["error SERVER_ERROR", "info -"]);
    },
    { timeout: 60_000, interval: 200 },
  );
  expect(client.troubles()).toEqual([]);
});

test.for(generations)("a role that may only read is told of at the first write: %s", async (generation) => {
  await using fixture = await startFixture({ emulator: { generation } });
  await fixture.client.putSecret(path, name, value);
  const identity = await fixture.emulator.addIdentity({ isReadOnly: true });
  const news: InfisicalNews[] = [];
  const client = fixture.clientWith({ ...identity, onNews: (each) => news.push(each) });
  for (let i = 0; i < 5; i += 1) {
    await client.findSecret(path, name);
    const { code, message, right } = await failureOf(client.putSecret(path, name, value));
    expect([code, right]).toEqual(["FORBIDDEN", { action: "edit", on: "secrets", place: "below /tenants" }]);
    expect(message).toContain("may not edit secrets below /tenants");
  }
  expect(levels(news)).toEqual(["error FORBIDDEN"]);
  expect(client.troubles()).toHaveLength(1);
  expect(JSON.stringify(news)).not.toContain("acmecorp");
});

test("a token whose renewal is refused is told of before it has expired", async () => {
  await using fixture = await startFixture({ emulator: { tokenTtlMs: 2_000 } });
  const news: InfisicalNews[] = [];
  const client = fixture.clientWith({ onNews: (each) => news.push(each) });
  await client.ping();
  const body = { statusCode: 401, message: "Invalid credentials", error: "UnauthorizedError" };
  fixture.emulator.faults.add({ kind: "answer", status: 401, body }, { times: 99, path: login });
  await vi.waitFor(
    async () => {
      await client.ping();
      expect(levels(news)).toEqual(["error UNAUTHORIZED"]);
    },
    { timeout: 60_000, interval: 50 },
  );
  expect(news[0]?.sentence).toContain("INFISICAL_CLIENT_SECRET");
  expect(fixture.emulator.requests().filter(({ path: at }) => login.test(at))).toHaveLength(2);
});
