import { describe, expect, test } from "vitest";
import { entryOf, type CatalogDescription, type EntryDescription } from "./catalog.ts";
import { breaks, mistakesOf, partsOf, partsOfText, valueOf } from "./value-form.ts";

const ofText = { format: "text", multiline: false, writeOnly: false, lastFour: true } as const;

/** As the server answers it: the tests of pages have the real one. */
const catalog: CatalogDescription = {
  secrets: [
    {
      ...ofText,
      secretKey: "STRIPE_SECRET_KEY",
      label: "Stripe secret key",
      rule: "is a Stripe secret key, sk_test_…",
      schema: { type: "string", maxLength: 255, pattern: String.raw`^sk_test_\w{8,}$` },
    },
    {
      ...ofText,
      secretKey: "OAUTH_GOOGLE",
      format: "json",
      label: "Google OAuth client",
      rule: "is an object of clientId and clientSecret, and nothing else",
      schema: {
        type: "object",
        properties: {
          clientId: { title: "Client ID", secret: false, type: "string", minLength: 1, maxLength: 512 },
          clientSecret: { title: "Client secret", type: "string", minLength: 1, maxLength: 4096 },
        },
        required: ["clientId", "clientSecret"],
        additionalProperties: false,
      },
    },
  ],
  custom: {
    ...ofText,
    pattern: String.raw`^CUSTOM_\w{1,93}$`,
    patternRule: "is CUSTOM_ and a name",
    label: "Custom integration key",
    rule: "is text",
    schema: { type: "string" },
    multiline: true,
  },
};
const entry = (secretKey: string): EntryDescription => {
  const found = entryOf(catalog, secretKey);
  if (found === undefined) throw new Error(`${secretKey} is not in the catalogue`);
  return found;
};
const stripe = entry("STRIPE_SECRET_KEY");
const oauth = entry("OAUTH_GOOGLE");
const custom = entry("CUSTOM_A");

describe("a value of the wrong form is told from its description", () => {
  test.for([
    ["sk_test_fake_acmecorp_0001", undefined],
    ["pk_test_fake_acmecorp_0001", stripe.rule],
    ["sk_test_fake_acmecorp_0001\n", "has no white space or line's end around it"],
    ["'sk_test_fake_acmecorp_0001'", "has no quotes around it"],
    ["Bearer sk_test_fake_acmecorp_0001", "is the credential alone, without Bearer in front"],
    ["••••••••", "is not the mask that is shown in place of one"],
    ["sk_test_fake\0acmecorp", "has no NUL character"],
    ["sk_test_fake\ud800acmecorp", "is well-formed Unicode; this one has a lone surrogate"],
    [`sk_test_${"x".repeat(65_529)}`, "is at most 65536 bytes long; this one has 65537"],
  ])("%j", ([value, rule]) => {
    expect(mistakesOf(stripe, { "": value ?? "" })[""]).toBe(rule);
  });

  test("an empty one", () => {
    expect(mistakesOf(stripe, {})).toEqual({ "": "is not empty; to take a secret away, remove it" });
    expect(mistakesOf(oauth, { clientId: "fake" })).toEqual({ clientSecret: "is not empty" });
  });

  test("an object's fields each", () => {
    const parts = { clientId: "x".repeat(513), clientSecret: "********" };
    expect(mistakesOf(oauth, parts)).toEqual({
      clientId: "has at most 512 characters",
      clientSecret: "is not the mask that is shown in place of one",
    });
    expect(mistakesOf(oauth, { clientId: "fake-id", clientSecret: "fake-secret" })).toEqual({});
  });
});

test("a value may have what its entry allows", () => {
  expect(mistakesOf(custom, { "": "-----BEGIN FAKE KEY-----\nabc\n-----END FAKE KEY-----\n" })).toEqual({});
  expect(mistakesOf(custom, { "": "x".repeat(65_536) })).toEqual({});
});

test("an object has a field for each property, masked unless the catalogue says that it is no secret", () => {
  expect(partsOf(oauth)).toMatchObject([
    { name: "clientId", label: "Client ID", isSecret: false },
    { name: "clientSecret", label: "Client secret", isSecret: true },
  ]);
  expect(partsOf(custom)).toMatchObject([{ name: "", isSecret: true, isMultiline: true }]);
  expect(valueOf(oauth, { clientSecret: "s", clientId: "i" })).toBe('{"clientId":"i","clientSecret":"s"}');
});

test("an object of other things than texts has one field, for its JSON", () => {
  const nested: EntryDescription = {
    ...oauth,
    schema: { type: "object", properties: { key: { type: "object" } }, required: ["key"] },
  };
  expect(partsOf(nested)).toMatchObject([{ name: "", isMultiline: true }]);
  expect(mistakesOf(nested, { "": '{"key":{}}' })).toEqual({});
  expect(mistakesOf(nested, { "": '{"key":1}' })).toEqual({ "": oauth.rule });
  expect(mistakesOf(nested, { "": "no JSON" })).toEqual({ "": oauth.rule });
});

test("a pasted object fills the fields, and no other text does", () => {
  const pasted = '{"clientId":"fake-id","clientSecret":"fake-secret"}';
  expect(partsOfText(oauth, pasted)).toEqual({ clientId: "fake-id", clientSecret: "fake-secret" });
  for (const text of ["fake", "{", "{}", '{"clientId":1}', '{"web":{"clientId":"a"}}']) {
    expect(partsOfText(oauth, text), text).toBeUndefined();
  }
  expect(partsOfText(custom, pasted)).toBeUndefined();
});

test("a keyword that the check does not know refuses nothing", () => {
  expect(breaks({ format: "uri", multipleOf: 2 }, "x")).toBeUndefined();
  expect(breaks({ type: "number" }, 1)).toBeUndefined();
  expect(breaks({ enum: ["a", "b"] }, "c")).toBe("is one of the listed ones");
  expect(breaks({ type: "string", minLength: 2 }, "c")).toBe("has at least 2 characters");
});
