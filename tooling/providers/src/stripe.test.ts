import { afterAll, beforeAll, expect, test } from "vitest";
import { startLocalStripe, type LocalStripe } from "./stripe.ts";
import { call } from "./testing.ts";

let stripe: LocalStripe;
const seen: string[] = [];

beforeAll(async () => {
  stripe = await startLocalStripe({ onRequest: ({ method, path }) => seen.push(`${method} ${path}`) });
});
afterAll(() => stripe.stop());

const key = "sk_test_fake_acmecorp_0001";

test("the local Stripe returns a payment intent for what was asked, and charges nothing", async () => {
  const answer = await call(stripe, "POST /v1/payment_intents", {
    key,
    form: { amount: "1999", currency: "eur" },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("request-id")).toMatch(/^req_local_\d+$/);
  expect(answer.body).toMatchObject({
    id: expect.stringMatching(/^pi_local_\d+$/),
    object: "payment_intent",
    amount: 1999,
    currency: "eur",
    livemode: false,
  });
  expect(seen).toContain("POST /v1/payment_intents");
});

test("the local Stripe refuses what Stripe refuses", async () => {
  const pay = async (form: Record<string, string>) =>
    (await call(stripe, "POST /v1/payment_intents", { key, form })).status;
  expect(await pay({ amount: "0", currency: "eur" })).toBe(400);
  expect(await pay({ amount: "12.5", currency: "eur" })).toBe(400);
  expect(await pay({ amount: "12" })).toBe(400);
  expect((await call(stripe, "GET /v1/charges", { key })).status).toBe(404);
  expect((await call(stripe, "GET /v1/balance")).status).toBe(401);
});

test("a key is refused when it says that it was revoked, and when it is revoked", async () => {
  const balance = (of: string) => call(stripe, "GET /v1/balance", { key: of });
  const refused = await balance("sk_test_fake_revoked_0001");
  expect([refused.status, refused.body]).toEqual([
    401,
    { error: { type: "invalid_request_error", message: "Invalid API Key provided: sk_test_***0001" } },
  ]);
  const old = "sk_test_fake_acmecorp_0009";
  expect((await balance(old)).status).toBe(200);
  stripe.revoke(old);
  expect((await balance(old)).status).toBe(401);
  expect((await balance(key)).status).toBe(200);
});

test("the keys of a company are of one account, in both modes", async () => {
  const accountOf = async (of: string) => (await call(stripe, "GET /v1/account", { key: of })).body?.["id"];
  expect(await accountOf(key)).toBe("acct_fake_acmecorp");
  expect(await accountOf("sk_live_fake_acmecorp_0002")).toBe("acct_fake_acmecorp");
  expect(await accountOf("sk_test_fake_codewiser_0001")).toBe("acct_fake_codewiser");
});

test.for([
  [key, false],
  ["rk_live_fake_acmecorp_0001", true],
] as const)("the balance says the mode of %s", async ([of, livemode]) => {
  expect((await call(stripe, "GET /v1/balance", { key: of })).body).toMatchObject({ livemode });
});

test("a restricted key may not ask for its account", async () => {
  const answer = await call(stripe, "GET /v1/account", { key: "rk_test_fake_acmecorp_0001" });
  expect(answer.status).toBe(403);
  expect(answer.body).toMatchObject({ error: { type: "invalid_request_error" } });
});

test.for([
  [429, "rate_limit_error"],
  [500, "api_error"],
] as const)("a fault of status %i is in Stripe's form", async ([status, type]) => {
  stripe.faults.add({ fault: "status", status });
  expect((await call(stripe, "GET /v1/balance", { key })).body).toMatchObject({ error: { type } });
});
