import { expect, test } from "vitest";
import type { CatalogDescription } from "../frame/catalog.ts";
import type { SecretDescription } from "./form-catalog.ts";
import { countsOf, filterRows, looksLikeValue, rowsOf } from "./list-rows.ts";

const ofText = {
  rule: "is text",
  format: "text",
  multiline: false,
  writeOnly: false,
  lastFour: true,
} as const;
const entry = (secretKey: string, label: string, more: object = {}) => ({
  ...ofText,
  secretKey,
  label,
  schema: { type: "string" },
  ...more,
});
/** As the server answers it: the tests of pages have the real one. */
const catalog: CatalogDescription = {
  secrets: [
    entry("STRIPE_SECRET_KEY", "Stripe secret key", {
      purpose: "Charges and refunds.",
      check: "stripe",
      schema: { type: "string", pattern: String.raw`^sk_test_\w{8,}$` },
    }),
    entry("SENDGRID_API_KEY", "SendGrid API key", { check: "sendgrid" }),
    entry("OAUTH_GOOGLE", "Google OAuth client", { schema: { type: "object" } }),
    entry("OAUTH_GITHUB", "GitHub OAuth client", { schema: { type: "object" } }),
  ],
  custom: {
    ...ofText,
    label: "Custom integration key",
    schema: { type: "string" },
    pattern: "^CUSTOM_",
    patternRule: "is CUSTOM_ and a name",
  },
};
const at = new Date("2026-11-29T12:00:00Z");
const secret = (secretKey: string, more: Partial<SecretDescription> = {}): SecretDescription => ({
  secretKey,
  inCatalog: true,
  version: 1,
  location: "database",
  createdAt: at,
  updatedAt: at,
  ...more,
});
const rows = rowsOf(
  {
    store: "hybrid",
    capabilities: {
      conditionalWrites: true,
      requestIds: true,
      recovery: true,
      notes: true,
      surroundingWhiteSpace: true,
      history: true,
      stages: true,
      rollback: true,
      purge: true,
      bulk: true,
      expiry: true,
      checks: true,
      rotation: true,
    },
    secrets: [
      secret("STRIPE_SECRET_KEY", { check: { result: "rejected", checkedAt: at }, lastFour: "4242" }),
      secret("SENDGRID_API_KEY", { expiresInDays: 30, pendingVersion: 2 }),
      secret("OAUTH_GOOGLE", { expiresInDays: -3 }),
      secret("CUSTOM_FAKE", { expiresInDays: 31 }),
      secret("OLD_NAME", { inCatalog: false, location: "infisical", version: 0 }),
    ],
  },
  catalog,
);

test("each secret is set, missing or not in the catalogue, with its health", () => {
  expect(rows.set.map(({ secretKey, health }) => [secretKey, health])).toEqual([
    ["STRIPE_SECRET_KEY", "rejected"],
    ["SENDGRID_API_KEY", "never"],
    ["OAUTH_GOOGLE", "none"],
    ["CUSTOM_FAKE", "none"],
  ]);
  expect(rows.missing.map(({ secretKey }) => secretKey)).toEqual(["OAUTH_GITHUB"]);
  expect(rows.unlisted.map(({ secretKey }) => secretKey)).toEqual(["OLD_NAME"]);
  expect(countsOf(rows)).toEqual({ set: 4, missing: 1, rejected: 1, expiring: 2, pending: 1 });
});

test("a search finds names, labels, purposes and hints, by all of its words", () => {
  const found = (q: string) => {
    const { set, missing, unlisted } = filterRows(rows, q, undefined);
    return [...set, ...missing, ...unlisted].map(({ secretKey }) => secretKey);
  };
  expect(found("4242")).toEqual(["STRIPE_SECRET_KEY"]);
  expect(found(" REFUNDS stripe ")).toEqual(["STRIPE_SECRET_KEY"]);
  expect(found("old_")).toEqual(["OLD_NAME"]);
  expect(found("github")).toEqual(["OAUTH_GITHUB"]);
  expect(found("github stripe")).toEqual([]);
});

test("a filter shows what it counts, and nothing of the other lists", () => {
  for (const [shown, count] of Object.entries(countsOf(rows))) {
    const filter = (["set", "missing", "rejected", "expiring", "pending"] as const).find(
      (each) => each === shown,
    );
    const { set, missing, unlisted } = filterRows(rows, "", filter);
    expect([shown, set.length + missing.length + unlisted.length]).toEqual([shown, count]);
  }
});

test("what can be a value is told from what people search for", () => {
  const searched = ["stripe", "OAUTH_GOOGLE", "charges and refunds", "sk_test", "4242"];
  expect(searched.filter((text) => looksLikeValue(text, catalog))).toEqual([]);
  const pasted = ["sk_test_fake_0001", " sk_test_fake_0002\n", "f".repeat(61)];
  expect(pasted.filter((text) => looksLikeValue(text, catalog))).toEqual(pasted);
});
