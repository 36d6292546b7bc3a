import { expect, test } from "vitest";
import { z } from "zod";
import { exampleCatalog } from "../testing/example-catalog.ts";
import { catalogOperations } from "../operations/catalog.ts";
import { defineCatalog } from "./catalog.ts";
import { describeCatalog } from "./describe.ts";
import { jsonSecret, textSecret } from "./entry.ts";
import { webhookSigningSecret } from "./webhook.ts";

const text = { label: "Text", rule: "is text" };
const described = describeCatalog(exampleCatalog);

test("each entry is described by its key, its rule and a JSON Schema that has its bounds and its pattern", () => {
  expect(described.secrets.map(({ secretKey }) => secretKey)).toEqual(Object.keys(exampleCatalog.entries));
  const of = (secretKey: string) => described.secrets.find((each) => each.secretKey === secretKey);
  expect(of("STRIPE_SECRET_KEY")).toMatchObject({
    label: "Stripe secret key",
    docsUrl: "https://docs.stripe.com/keys",
    format: "text",
    schema: { type: "string", maxLength: 255, pattern: expect.stringContaining("sk_org_") },
    multiline: false,
    writeOnly: false,
    lastFour: true,
    check: "stripe",
  });
  expect(of("STRIPE_WEBHOOK_SECRET")).toMatchObject({ writeOnly: true });
  expect(of("WEBHOOK_SIGNING_SECRET")).toMatchObject({ generates: "standard-webhooks" });
  expect(of("OAUTH_GOOGLE")).toMatchObject({
    format: "json",
    lastFour: false,
    schema: {
      type: "object",
      required: ["clientId", "clientSecret"],
      additionalProperties: false,
      properties: {
        clientId: { title: "Client ID", secret: false },
        clientSecret: { title: "Client secret" },
      },
    },
  });
});

test("the pattern of CUSTOM_ secret keys fits what the catalogue finds, and nothing else", () => {
  const pattern = new RegExp(described.custom.pattern);
  for (const key of [
    "CUSTOM_A",
    `CUSTOM_${"x".repeat(93)}`,
    "CUSTOM_",
    "custom_a",
    `CUSTOM_${"x".repeat(94)}`,
  ]) {
    expect(pattern.test(key), key).toBe(exampleCatalog.find(key) !== undefined);
  }
  expect(described.custom).toMatchObject({ multiline: true, rule: "is text", schema: { type: "string" } });
});

test("an entry that names a rotation driver says which, without its settings", () => {
  const rotation = { driver: "guided", settings: { provider: "stripe" } };
  const catalog = defineCatalog({
    ROTATED: textSecret(z.string(), { ...text, rotation }),
    OTHER: textSecret(z.string(), text),
  });
  const [rotated, other] = describeCatalog(catalog).secrets;
  expect(rotated?.rotation).toBe("guided");
  expect(other?.rotation).toBeUndefined();
  expect(JSON.stringify(rotated)).not.toContain("stripe");
});

test("the rule says what a JSON Schema cannot say", () => {
  const even = z.string().refine((value) => value.length % 2 === 0);
  const catalog = defineCatalog({ EVEN: textSecret(even, { label: "Even", rule: "has an even length" }) });
  const [entry] = describeCatalog(catalog).secrets;
  expect(entry).toMatchObject({ rule: "has an even length", schema: { type: "string" } });
});

test("a description is JSON of the operation's answer, also for schemas that have no JSON Schema", () => {
  const catalog = defineCatalog({
    DATED: jsonSecret(z.strictObject({ since: z.date() }), text),
    PIPED: textSecret(
      z.string().transform((value) => value.trim()),
      text,
    ),
    SIGNING: webhookSigningSecret,
  });
  const answer = catalogOperations.describe.output.parse(describeCatalog(catalog));
  expect(JSON.parse(JSON.stringify(answer))).toEqual(answer);
  expect(answer.secrets.map(({ schema }) => schema["type"])).toEqual(["object", "string", "string"]);
});

test.for(["http://example.com", "javascript:alert(1)", "data:text/html,x", "docs.example.com", ""])(
  "a catalogue with the docsUrl %j is refused",
  (docsUrl) => {
    const entry = textSecret(z.string(), { ...text, docsUrl });
    expect(() => defineCatalog({ LINKED: entry })).toThrow(
      "The docsUrl of LINKED is not an address with https",
    );
  },
);
