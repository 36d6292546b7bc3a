import { expect, test } from "vitest";
import { describePayment } from "./payments.ts";

const request = { method: "POST", path: "/v1/payment_intents", body: "amount=1999&currency=eur" };

test("shows the whole of a key that says it is fake", () => {
  expect(describePayment({ ...request, authorization: "Bearer sk_test_fake_acmecorp_0001" })).toBe(
    "Local Stripe: POST /v1/payment_intents, 1999 eur, with key sk_test_fake_acmecorp_0001",
  );
});

test("shows no more of any other key than its last four characters", () => {
  const line = describePayment({ ...request, authorization: "Bearer sk_test_51Canary1234" });
  expect(line).toContain("key …1234");
  expect(line).not.toContain("Canary");
});

test("lets nothing in a request give orders to the terminal", () => {
  const line = describePayment({
    ...request,
    authorization: undefined,
    body: "amount=%1b[2J%0a1&currency=eur",
  });
  expect(line).toMatch(/^\P{Cc}+$/u);
  expect(line).toContain("no key");
});
