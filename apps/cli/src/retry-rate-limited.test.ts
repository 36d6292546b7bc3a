import { TenantSecretsError } from "@repo/tenant-secrets/client";
import { expect, test } from "vitest";
import { retryRateLimited } from "./retry-rate-limited.ts";

const refused = (code: "RATE_LIMITED" | "FORBIDDEN") =>
  new TenantSecretsError(code, "Not now.", { retryAfterMs: 1 });

test("a call that comes too soon is made again, as often as it takes", async () => {
  let calls = 0;
  const call = () => (++calls < 4 ? Promise.reject(refused("RATE_LIMITED")) : Promise.resolve("a page"));
  expect(await retryRateLimited(call)).toBe("a page");
  expect(calls).toBe(4);
});

test("any other refusal is the end of it", async () => {
  let calls = 0;
  const call = () => {
    calls += 1;
    return Promise.reject(refused("FORBIDDEN"));
  };
  await expect(retryRateLimited(call)).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(calls).toBe(1);
});
