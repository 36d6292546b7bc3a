import { describe, expect, test, vi } from "vitest";
import {
  business,
  calls,
  count,
  failureOf,
  generations,
  login,
  name,
  path,
  startFixture,
} from "./fixture.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

describe.for(generations)("a server: %s", (generation) => {
  test("logs in once for 50 calls at once, and once more when the token is refused", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const all = () => Promise.all(Array.from({ length: 50 }, () => fixture.client.findSecret(path, name)));
    await all();
    expect(count(fixture, "POST", login)).toBe(1);
    fixture.emulator.faults.expireTokens();
    await all();
    expect(count(fixture, "POST", login)).toBe(2);
  });

  test("replaces the token before it expires, without a call that fails or waits", async () => {
    await using fixture = await startFixture({ emulator: { generation, tokenTtlMs: 1_000 } });
    const until = performance.now() + 2_000;
    while (performance.now() < until) {
      await fixture.client.listFolders("/");
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(count(fixture, "POST", login)).toBeGreaterThanOrEqual(3);
    expect(count(fixture, "POST", login)).toBeLessThanOrEqual(5);
    expect(fixture.emulator.requests().every(({ status }) => status === 200)).toBe(true);
  });

  test("logs in anew after it has been idle for longer than a token lives", async () => {
    await using fixture = await startFixture({ emulator: { generation, tokenTtlMs: 300 } });
    await fixture.client.ping();
    await new Promise((resolve) => setTimeout(resolve, 350));
    await fixture.client.ping();
    expect(fixture.emulator.requests().every(({ status }) => status === 200)).toBe(true);
  });

  test("gives up after one more log-in when the server refuses every token", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const body = {
      statusCode: 403,
      message: "Your token has expired. Please re-authenticate.",
      error: "TokenError",
    };
    for (const [, call] of calls) {
      fixture.emulator.faults.add({ kind: "answer", status: 403, body }, { times: 99, path: business });
      const before = count(fixture, "POST", login);
      expect((await failureOf(call(fixture.client))).code).toBe("UNAUTHORIZED");
      expect(count(fixture, "POST", login) - before).toBeLessThanOrEqual(2);
      fixture.emulator.faults.clear();
    }
  });

  test("may not enter a project that the identity does not belong to", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const { clientId, clientSecret } = fixture.emulator.outsider;
    const outsider = fixture.clientWith({ clientId, clientSecret });
    for (const [, call] of calls) expect((await failureOf(call(outsider))).code).toBe("FORBIDDEN");
    await expect(fixture.clientWith(fixture.emulator.outsider).ping()).resolves.toBeUndefined();
  });
});
