import { expect, test } from "vitest";
import { count, failureOf, generations, name, startFixture, value } from "./testing/fixture.ts";

const lists = /secrets\/raw$/;

test.for(generations)(
  "one company's lists use at most a quarter of a server's limit, and other companies and /hono-api are served: %s",
  async (generation) => {
    await using fixture = await startFixture({
      emulator: { generation, requestsPerMinute: "production" },
    });
    const { client } = fixture;
    await client.putSecret("/hono-api", name, value);
    let answered = 0;
    for (let i = 0; i < 300; i += 1) {
      const list = client.listSecretSummaries("/tenants/acmecorp");
      await list.then(
        () => (answered += 1),
        (error: unknown) => expect(error).toMatchObject({ code: "RATE_LIMITED", isOwnLimit: true }),
      );
    }
    expect(answered).toBe(8);
    expect(count(fixture, "GET", lists)).toBe(8);
    const refusal = await failureOf(client.listSecretSummaries("/tenants/acmecorp"));
    expect(refusal.retryAfterMs).toBeGreaterThan(0);
    expect(refusal.retryAfterMs).toBeLessThanOrEqual(60_000);
    expect(client.state()).toBe("closed");

    expect(await client.listSecretSummaries("/tenants/codewiser")).toEqual([]);
    // Also when many companies together want more than there is.
    await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => client.listSecretSummaries(`/tenants/company-${i}`)),
    );
    expect(count(fixture, "GET", lists)).toBeLessThanOrEqual(36);
    expect(await client.listSecrets("/hono-api")).toMatchObject([{ secretKey: name, value }]);
    expect(fixture.emulator.requests().every(({ status }) => status < 429 || status === 404)).toBe(true);
  },
);

test("equal reads at once are two requests, and a server without a limit limits no company", async () => {
  await using fixture = await startFixture();
  const { client } = fixture;
  await client.putSecret("/tenants/acmecorp", name, value);
  const all = await Promise.all(
    Array.from({ length: 300 }, () => client.listSecretSummaries("/tenants/acmecorp")),
  );
  expect(all.every((list) => list.length === 1)).toBe(true);
  expect(count(fixture, "GET", lists)).toBe(2);
  for (let i = 0; i < 50; i += 1) await client.listSecretSummaries("/tenants/acmecorp");
  expect(count(fixture, "GET", lists)).toBe(52);
});
