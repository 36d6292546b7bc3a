import { expect, test } from "vitest";
import { exampleCatalog as catalog } from "../testing/example-catalog.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { planImport, type Comparison } from "./import-plan.ts";

const now: ReadonlyMap<string, string> = new Map([
  ["STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001"],
  ["CUSTOM_B", "old"],
]);
const asked: string[] = [];
function compare(secretKey: string, text: string): Comparison {
  asked.push(secretKey);
  const current = now.get(secretKey);
  return current === undefined ? "absent" : current === text ? "same" : "different";
}

const plan = (...entries: readonly (readonly [secretKey: string, text: string])[]) =>
  planImport(
    catalog,
    entries.map(([secretKey, text], index) => ({ secretKey, text, line: index + 1 })),
    compare,
  ).map((planned) =>
    planned.change === "refused"
      ? [planned.line, planned.secretKey, planned.error.message]
      : [planned.line, planned.secretKey, planned.change],
  );

test("a plan says what is added, changed and unchanged, by secret key", () => {
  expect(
    plan(
      ["STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001"],
      ["CUSTOM_C", "new"],
      ["CUSTOM_B", "new"],
      ["OAUTH_GOOGLE", '{"clientId":"c","clientSecret":"s"}'],
    ),
  ).toEqual([
    [3, "CUSTOM_B", "changed"],
    [2, "CUSTOM_C", "added"],
    [4, "OAUTH_GOOGLE", "added"],
    [1, "STRIPE_SECRET_KEY", "unchanged"],
  ]);
});

test("a plan refuses what the catalogue refuses, with its rule and without the value, and compares it with no stored value", () => {
  asked.length = 0;
  expect(
    plan(
      ["TWILIO_TOKEN", "fake-value"],
      ["SENDGRID_API_KEY", "fake-value"],
      ["CUSTOM_EMPTY", ""],
      ["CUSTOM_A", "a"],
      ["CUSTOM_A", "a"],
      ["constructor", "fake-value"],
    ),
  ).toEqual([
    [4, "CUSTOM_A", "added"],
    [5, "CUSTOM_A", "CUSTOM_A is there more than once."],
    [3, "CUSTOM_EMPTY", expect.stringContaining("is not empty")],
    [2, "SENDGRID_API_KEY", expect.stringContaining("a value is a SendGrid API key")],
    [1, undefined, expect.stringContaining("TWILIO_TOKEN is not in the catalogue")],
    [6, undefined, expect.stringContaining("This secret key is not in the catalogue")],
  ]);
  expect(asked).toEqual(["CUSTOM_A"]);
});

test.for(["••••••••", "****", "…0001", "••••0001", "<redacted>", "[redacted]", "<hidden-by-infisical>"])(
  "a plan refuses what a list shows in place of a value: %s",
  (mask) => {
    expect(plan(["CUSTOM_A", mask])).toEqual([
      [1, "CUSTOM_A", expect.stringContaining("is not the mask that is shown in place of one")],
    ]);
  },
);

test("a plan repeats no value that stands in the place of a name", () => {
  for (const value of ["sk_test_fake_codewiser_0001", "c2VjcmV0fake", "../x"]) {
    expect(JSON.stringify(plan([value, "x"]))).not.toContain(value.slice(3));
  }
});

test("what the company's store refuses of one secret is a refusal in the plan, and any other error ends it", () => {
  const entries = [{ secretKey: "CUSTOM_A", text: " a", line: 7 }];
  const notHere = new TenantSecretsError("NOT_SUPPORTED", "Not here.");
  expect(
    planImport(catalog, entries, () => {
      throw notHere;
    }),
  ).toEqual([{ line: 7, secretKey: "CUSTOM_A", change: "refused", error: notHere }]);
  expect(() =>
    planImport(catalog, entries, () => {
      throw new RangeError("fault");
    }),
  ).toThrow(RangeError);
});
