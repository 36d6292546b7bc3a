import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Plaintext } from "@repo/envelope";
import { createOutbound } from "@repo/outbound";
import { type LocalStripe, startLocalStripe } from "@repo/providers/stripe";
import { createStripeCheck } from "../../../providers/stripe-check.ts";
import type { PersonDriver } from "../driver.ts";
import { parseSettings } from "../drivers.ts";
import { createGuidedDriver } from "./guided.ts";

let stripe: LocalStripe;
beforeEach(async () => {
  stripe = await startLocalStripe();
});
afterEach(() => stripe.stop());

const driver = () => createGuidedDriver({ stripe: stripe.url });
type Call = Parameters<PersonDriver<{ provider: "stripe" | "google" }>["test"]>[0];
const call = (provider: "stripe" | "google" = "stripe"): Call => {
  const check = createStripeCheck(stripe.url, 5000);
  const outbound = createOutbound({ allow: [new URL(stripe.url).host] });
  return {
    settings: { provider },
    marker: "ts-456789abcdef-1",
    check: (value) => check(value.reveal(), AbortSignal.timeout(5000)),
    fetch: (url, request) => outbound.fetch(url, request),
    signal: AbortSignal.timeout(30_000),
  };
};
const value = (text: string): Plaintext => Plaintext.fromText(text);
const current = value("sk_test_fake_acmecorp_0001");

describe("a credential that a person supplies", () => {
  test("is tested by the check of its catalogue entry", async () => {
    expect(await driver().test(call(), value("sk_test_fake_acmecorp_0002"))).toBe("accepted");
    expect(await driver().test(call(), value("sk_test_fake_revoked_0002"))).toBe("rejected");
    const failing = { ...call(), check: () => Promise.reject(new Error("sk_test_fake_acmecorp_0002")) };
    expect(await driver().test(failing, current)).toBe("unknown");
  });

  test("is of the same account and mode of Stripe, of another one, or of one that the key may not ask for", async () => {
    const same = (text: string) => driver().sameAccount?.(call(), current, value(text));
    expect(await same("sk_test_fake_acmecorp_0002")).toBe(true);
    expect(await same("sk_test_fake_codewiser_0001")).toBe(false);
    expect(await same("sk_live_fake_acmecorp_0002")).toBe(false);
    expect(await same("rk_test_fake_acmecorp_0003")).toBe("unknown");
    expect(await same("sk_test_fake_revoked_0001")).toBe("unknown");
    for (const fault of [{ fault: "html" }, { fault: "halfJson" }, { fault: "dropBefore" }] as const) {
      stripe.faults.add(fault);
      expect(await same("sk_test_fake_codewiser_0001")).toBe("unknown");
    }
  });

  test("is not compared where the provider has no such question, and no value is sent to Stripe then", async () => {
    expect(await driver().sameAccount?.(call("google"), current, current)).toBe("unknown");
    expect(stripe.requests()).toEqual([]);
  });

  test("is confirmed as forgotten when it is rejected, and not while that cannot be asked", async () => {
    const confirm = () => driver().confirm?.(call(), { value: current });
    expect(await confirm()).toBe(false);
    stripe.faults.add({ fault: "status", status: 500, times: 3 });
    expect(await confirm()).toBe(false);
    stripe.faults.clear();
    stripe.revoke(current.reveal());
    expect(await confirm()).toBe(true);
    expect(await driver().confirm?.(call(), {})).toBe(false);
  });
});

test("a guide says its steps as sentences, with a link to the provider's page where there is one", () => {
  const known = createGuidedDriver();
  const guides = (["stripe", "google", "github", "any"] as const).map((provider) =>
    known.guide({ provider }),
  );
  for (const { link = "https://", create, retire } of guides) {
    expect(new URL(`${link}x`).protocol).toBe("https:");
    for (const step of [...create, ...retire]) expect(step).toMatch(/^[A-Z].+\.$/);
  }
  expect(new Set(guides.map(({ provider }) => provider)).size).toBe(4);
  expect(() => parseSettings(known, { provider: "acme" })).toThrow(/settings/);
});
