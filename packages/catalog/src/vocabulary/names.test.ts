import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SecretKey, SecretKeyPattern, SecretStoreName, Subdomain } from "./names.ts";
import { patternCovers } from "./patterns.ts";

const takes = (schema: { safeParse(text: unknown): { success: boolean } }, text: unknown) =>
  schema.safeParse(text).success;

describe("a subdomain", () => {
  test.for(["a", "1", "acmecorp", "acme-corp", "a--b", "1acme", "x".repeat(63)])("may be %s", (text) => {
    expect(takes(Subdomain, text)).toBe(true);
  });

  test.for([
    "",
    "-a",
    "a-",
    "Acme",
    "a.b",
    "a_b",
    "a b",
    "a\n",
    "ä",
    "../x",
    "a/b",
    "a\0",
    "x".repeat(64),
    "%2e",
    null,
    1,
  ])("may not be %j", (text) => {
    expect(takes(Subdomain, text)).toBe(false);
  });
});

describe("a secret key", () => {
  test.for(["A", "a", "STRIPE_SECRET_KEY", "a1_", "constructor", "x".repeat(100)])("may be %s", (text) => {
    expect(takes(SecretKey, text)).toBe(true);
  });

  test.for([
    "",
    "_A",
    "1A",
    "A-B",
    "A.B",
    "A B",
    "A\n",
    "Ä",
    "__proto__",
    "../x",
    "A*",
    "*",
    "A\0",
    "x".repeat(101),
  ])("may not be %j", (text) => {
    expect(takes(SecretKey, text)).toBe(false);
  });
});

describe("a pattern of secret keys", () => {
  test.for(["*", "A", "A*", "STRIPE_*", "STRIPE_SECRET_KEY", `${"x".repeat(99)}*`, "x".repeat(100)])(
    "may be %s",
    (text) => {
      expect(takes(SecretKeyPattern, text)).toBe(true);
    },
  );

  test.for([
    "",
    "**",
    "*A",
    "A*B",
    "A**",
    "_*",
    "?",
    "A?",
    "A.*",
    "[A]*",
    "(A)",
    "A|B",
    "A\n",
    "^A",
    `${"x".repeat(100)}*`,
  ])("may not be %j", (text) => {
    expect(takes(SecretKeyPattern, text)).toBe(false);
  });

  test.for([
    ["*", "STRIPE_SECRET_KEY", true],
    ["*", "a", true],
    ["STRIPE_*", "STRIPE_SECRET_KEY", true],
    ["STRIPE_*", "STRIPE_", true],
    ["STRIPE_*", "STRIPE", false],
    ["STRIPE_*", "stripe_secret_key", false],
    ["STRIPE_*", "XSTRIPE_SECRET_KEY", false],
    ["STRIPE_*", "STRIPE-SECRET", false],
    ["STRIPE_", "STRIPE_SECRET_KEY", false],
    ["STRIPE_", "STRIPE_", true],
    ["STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", true],
    ["STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY_2", false],
    ["STRIPE_SECRET_KEY", "STRIPE_SECRET_KE", false],
    ["STRIPE_SECRET_KEY", "Stripe_Secret_Key", false],
  ] as const)("%s against %s: %s", ([pattern, secretKey, covered]) => {
    expect(patternCovers(pattern, secretKey)).toBe(covered);
  });

  test.for([
    "S*_KEY",
    "*_KEY",
    "S?RIPE_SECRET_KEY",
    "STRIPE.*",
    "^STRIPE_",
    ".*",
    "[A-Z]*",
    "STRIPE_SECRET_KEY|A",
    "",
    "STRIPE_**",
  ])("has no other sign: %j covers nothing of the sort", (pattern) => {
    expect(patternCovers(pattern, "STRIPE_SECRET_KEY")).toBe(false);
  });

  test("covers exactly what begins like it, or is it", () => {
    const names = fc.stringMatching(/^[AB_]{1,6}$/);
    fc.assert(
      fc.property(names, names, (head, name) => {
        expect(patternCovers(`${head}*`, name)).toBe(name.slice(0, head.length) === head);
        expect(patternCovers(head, name)).toBe(head === name);
      }),
    );
  });
});

test("a store is one of three", () => {
  expect(["infisical", "hybrid", "database"].every((name) => takes(SecretStoreName, name))).toBe(true);
  expect(takes(SecretStoreName, "vault")).toBe(false);
});
