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
} from "./testing/fixture.ts";

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

  test("a client that was idle for longer than the token's lifetime logs in again", async () => {
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

  test("tries a refused log-in once for all callers and clients of a process, and not again for minutes", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const wrong = { clientSecret: "fake-revoked-secret" };
    const [one, another] = [fixture.clientWith(wrong), fixture.clientWith(wrong)];
    const failures = await Promise.all(
      Array.from({ length: 20 }, () => failureOf(one.findSecret(path, name))),
    );
    for (const client of [one, another, one]) {
      for (const [, call] of calls) failures.push(await failureOf(call(client)));
    }
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(["UNAUTHORIZED"]));
    expect(count(fixture, "POST", login)).toBe(1);
    const last = failures.at(-1);
    expect(last?.retryAfterMs).toBeGreaterThan(4 * 60_000);
    expect(last?.message).toMatch(/INFISICAL_CLIENT_SECRET.*No other log-in is tried for \d+ minutes/);

    // The identity is not locked, and a corrected configuration is tried at once.
    await expect(fixture.client.ping()).resolves.toBeUndefined();
    expect(count(fixture, "POST", login)).toBe(2);
  });

  test("logs in again by itself when the time after a refused log-in is over", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const body = { statusCode: 401, message: "Invalid credentials", error: "UnauthorizedError" };
    fixture.emulator.faults.add({ kind: "answer", status: 401, body }, { path: login });
    const client = fixture.clientWith({ refusedLogInMs: 200 });
    expect((await failureOf(client.ping())).code).toBe("UNAUTHORIZED");
    expect((await failureOf(client.ping())).retryAfterMs).toBeLessThanOrEqual(400);
    await vi.waitFor(() => client.ping(), { timeout: 60_000, interval: 50 });
    expect(count(fixture, "POST", login)).toBe(2);
  });

  test("does not log in at every call when the server refuses each new token", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const body = { statusCode: 401, message: "No identity access token found", error: "UnauthorizedError" };
    fixture.emulator.faults.add({ kind: "answer", status: 401, body }, { times: 99, path: business });
    for (let i = 0; i < 20; i += 1) {
      expect((await failureOf(fixture.client.findSecret(path, name))).code).toBe("UNAUTHORIZED");
    }
    expect(count(fixture, "POST", login)).toBe(1);
  });

  test("says of a locked identity that it is locked, and leaves it alone", async () => {
    await using fixture = await startFixture({ emulator: { generation } });
    const message = "This identity auth method is temporarily locked, please try again later";
    const body = { statusCode: 401, message, error: "UnauthorizedError" };
    fixture.emulator.faults.add({ kind: "answer", status: 401, body }, { times: 99, path: login });
    for (let i = 0; i < 5; i += 1) {
      expect((await failureOf(fixture.client.ping())).message).toMatch(/has locked the machine identity/);
    }
    expect(count(fixture, "POST", login)).toBe(1);
  });
});
