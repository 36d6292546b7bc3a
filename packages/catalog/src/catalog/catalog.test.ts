import { describe, expect, test } from "vitest";
import { z } from "zod";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { defineCatalog } from "./catalog.ts";
import { customSecret } from "./custom.ts";
import { exampleCatalog } from "../testing/example-catalog.ts";
import { jsonSecret, textSecret } from "./entry.ts";

function refusalOf(secretKey: string): TenantSecretsError {
  try {
    exampleCatalog.get(secretKey);
  } catch (error) {
    if (error instanceof TenantSecretsError) return error;
    throw error;
  }
  throw new Error(`${secretKey} is listed.`);
}

const entry = textSecret(z.string(), { label: "Text", rule: "is text" });

describe("the catalogue", () => {
  test("finds what it lists, by its exact name", () => {
    expect(exampleCatalog.get("STRIPE_SECRET_KEY").label).toBe("Stripe secret key");
    expect(exampleCatalog.find("stripe_secret_key")).toBeUndefined();
    expect(exampleCatalog.find("STRIPE_SECRET_KEY ")).toBeUndefined();
  });

  test.for(["CUSTOM_A", "CUSTOM_POS_KEY", "CUSTOM__", `CUSTOM_${"x".repeat(93)}`])(
    "takes %s without a listing",
    (name) => {
      expect(exampleCatalog.find(name)).toBe(customSecret);
    },
  );

  test.for([
    "CUSTOM_",
    "custom_a",
    "Custom_A",
    "XCUSTOM_A",
    "CUSTOM-A",
    "CUSTOM_ä",
    `CUSTOM_${"x".repeat(94)}`,
  ])("does not take %s as a custom one", (name) => {
    expect(exampleCatalog.find(name)).toBeUndefined();
  });

  test("lets a listed CUSTOM_ name have rules of its own", () => {
    expect(defineCatalog({ CUSTOM_POS: entry }).find("CUSTOM_POS")).toBe(entry);
  });

  test.for(["constructor", "toString", "hasOwnProperty", "valueOf"])(
    "knows %s only when it is listed",
    (name) => {
      expect(exampleCatalog.find(name)).toBeUndefined();
      expect(defineCatalog({ [name]: entry }).find(name)).toBe(entry);
    },
  );

  test.for([
    "__proto__",
    "../x",
    "/",
    "",
    " ",
    "A B",
    "A\n",
    "A.B",
    "1A",
    "_A",
    "Ä",
    `A${"x".repeat(100)}`,
    "A\0",
  ])("refuses %j by saying what a secret key is, without quoting it", (name) => {
    expect(refusalOf(name)).toMatchObject({
      code: "UNKNOWN_SECRET_KEY",
      message:
        "A secret key is a letter, then up to 99 letters, digits or underscores, such as STRIPE_SECRET_KEY.",
    });
  });

  test.for([
    ["STRIPE_SECRT_KEY", "STRIPE_SECRET_KEY"],
    ["STRIPE_SECRET", "STRIPE_SECRET_KEY"],
    ["STRIPE_KEY_SECRET_KEY", "STRIPE_SECRET_KEY"],
    ["SENDGRID_KEY", "SENDGRID_API_KEY"],
    ["SEND_GRID_API_KEY", "SENDGRID_API_KEY"],
    ["OAUTH_GOGLE", "OAUTH_GOOGLE"],
    ["OAUTH_GIT_HUB", "OAUTH_GITHUB"],
  ] as const)("answers %s with: did you mean %s?", ([name, meant]) => {
    expect(refusalOf(name).message).toBe(`${name} is not in the catalogue: did you mean ${meant}?`);
  });

  test("answers a name in the wrong case with the right one", () => {
    expect(refusalOf("stripe_secret_key").message).toBe(
      "This secret key is not in the catalogue: did you mean STRIPE_SECRET_KEY?",
    );
  });

  test("suggests nothing for a name that is like none", () => {
    expect(refusalOf("TWILIO_TOKEN").message).toBe(
      "TWILIO_TOKEN is not in the catalogue: add it to the catalogue, or give it a name that begins with CUSTOM_.",
    );
    expect(() => defineCatalog({}).get("A")).toThrow("A is not in the catalogue: add it");
  });

  test.for(["sk_test_fake_codewiser_0001", "whsec_fake0123456789ab"])(
    "does not quote a value that was passed in place of a name: %s",
    (value) => {
      expect(refusalOf(value).message).not.toContain(value.slice(8));
    },
  );
});

describe("defining a catalogue", () => {
  test.for(["A B", "1A", "", "A-B", "../x", `A${"x".repeat(100)}`])(
    "fails at once for the name %j",
    (name) => {
      expect(() => defineCatalog({ [name]: entry })).toThrow(TypeError);
    },
  );

  test("fails for __proto__, which is no letter first", () => {
    expect(() => defineCatalog(Object.fromEntries([["__proto__", entry]]))).toThrow(TypeError);
  });

  test("gives text a hint and JSON none, unless told otherwise", () => {
    const json = jsonSecret(z.strictObject({}), { label: "x", rule: "x" });
    expect([entry.showsLastFour, json.showsLastFour]).toEqual([true, false]);
    const told = textSecret(z.string(), { label: "x", rule: "x", showsLastFour: false });
    expect(told.showsLastFour).toBe(false);
  });

  test("has a label and a rule that completes the sentence for every entry of Delivery Chat", () => {
    for (const { label, rule } of Object.values(exampleCatalog.entries)) {
      expect(label).toMatch(/^[A-Z]/);
      expect(rule).toMatch(/^is .*[^.]$/);
    }
  });
});
