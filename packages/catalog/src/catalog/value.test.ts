import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import { defineCatalog } from "./catalog.ts";
import { exampleCatalog } from "../testing/example-catalog.ts";
import { jsonSecret, textSecret } from "./entry.ts";
import { checkValueText, decodeValue, encodeValue, lastFourOf } from "./value.ts";
import { maxValueBytes } from "./value-text.ts";

const catalog = exampleCatalog;
const anything = "CUSTOM_ANYTHING";
const google = { clientId: "fake-client", clientSecret: "fake-secret" };

function refusalOf(attempt: () => unknown): string {
  try {
    attempt();
  } catch (error) {
    if (error instanceof TenantSecretsError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "taken";
}

const check = (secretKey: string, text: string) => refusalOf(() => checkValueText(catalog, secretKey, text));
const rule = (secretKey: string, text: string) =>
  `INVALID_VALUE: The value of ${secretKey} was refused: a value ${text}.`;

describe("any value", () => {
  test("has at least one byte and at most 65,536", () => {
    expect(check(anything, "")).toBe(rule(anything, "is not empty; to take a secret away, remove it"));
    expect(check(anything, "x")).toBe("taken");
    expect(check(anything, "x".repeat(maxValueBytes))).toBe("taken");
    const tooLong = rule(anything, "is at most 65536 bytes long; this one has 65537");
    expect(check(anything, "x".repeat(maxValueBytes + 1))).toBe(tooLong);
  });

  test.for(["ä", "€", "🔑"])("is measured in bytes and not in characters: %s", (character) => {
    const bytes = Buffer.byteLength(character);
    const count = Math.floor(maxValueBytes / bytes);
    const rest = "x".repeat(maxValueBytes - count * bytes);
    expect(check(anything, character.repeat(count) + rest)).toBe("taken");
    expect(check(anything, `${character.repeat(count)}${rest}x`)).toContain("this one has 65537");
  });

  test.for(["\0", "a\0b", "sk\0"])("has no NUL: %j", (text) => {
    expect(check(anything, text)).toBe(rule(anything, "has no NUL character"));
  });

  test.for(["\ud83d", "a\udd11b", "\udd11\ud83d"])(
    "has no lone surrogate, which UTF-8 cannot keep: %j",
    (text) => {
      expect(check(anything, text)).toBe(
        rule(anything, "is well-formed Unicode; this one has a lone surrogate"),
      );
    },
  );

  test.for([
    "•",
    "••••••••",
    "***",
    "●●●●",
    "•*●",
    "[redacted]",
    "[REDACTED]",
    "<redacted>",
    "<hidden-by-infisical>",
    "…0001",
    "…🔑abc",
    "••••0001",
    "****a",
  ])("is not a mask: %s", (mask) => {
    expect(check(anything, mask)).toBe(rule(anything, "is not the mask that is shown in place of one"));
    expect(refusalOf(() => encodeValue(catalog, anything, mask))).toContain("is not the mask");
  });

  test.for([
    "•••a",
    "••••00001",
    "…",
    "…00001",
    "...0001",
    "a*",
    "* *",
    "[redacted] ",
    "redacted",
    " ",
    "\n",
    "{}",
    "null",
    "__proto__",
    "${prod.x.KEY}",
  ])("may be anything else: %j", (text) => {
    expect(check(anything, text)).toBe("taken");
    expect(encodeValue(catalog, anything, text)).toBe(text);
  });

  test("is stored to the byte, as text that is checked, encoded or decoded", () => {
    const character = fc.integer({ min: 1, max: 0x10_ffff }).map((code) => String.fromCodePoint(code));
    fc.assert(
      fc.property(fc.string({ unit: character, minLength: 1 }), (text) => {
        fc.pre(check(anything, text) === "taken");
        expect(decodeValue(catalog, anything, encodeValue(catalog, anything, text))).toBe(text);
      }),
    );
  });

  test("is refused for a secret key that the catalogue does not know", () => {
    for (const secretKey of ["OTHER", "constructor", "__proto__", "../x"]) {
      expect(check(secretKey, "x")).toMatch(/^UNKNOWN_SECRET_KEY: /);
    }
  });
});

const accepted: Readonly<Record<string, readonly string[]>> = {
  STRIPE_SECRET_KEY: [
    "sk_test_fake_codewiser_0001",
    "sk_live_fake0001",
    "rk_test_fake0001",
    "rk_live_fake0001",
    "rk_live_51fake".padEnd(107, "x"),
    "sk_org_live_fake0001",
    "sk_org_fake0001",
    "sk_test_".padEnd(255, "x"),
    "fake".repeat(8),
  ],
  STRIPE_WEBHOOK_SECRET: ["whsec_fake0123456789ab", "whsec_".padEnd(255, "x")],
  SENDGRID_API_KEY: ["SG.fakefake.fakefake", `SG.${"x".repeat(64)}.${"-_".repeat(64)}`],
  WEBHOOK_SIGNING_SECRET: [24, 25, 26, 27, 32, 62, 63, 64].map(
    (n) => `whsec_${Buffer.alloc(n, 7).toString("base64")}`,
  ),
  OAUTH_GOOGLE: [
    JSON.stringify(google),
    ' { "clientSecret" : "s" , "clientId" : "c" } ',
    JSON.stringify({ clientId: "x".repeat(512), clientSecret: "x".repeat(4096) }),
  ],
};

const refused: Readonly<Record<string, readonly string[]>> = {
  STRIPE_SECRET_KEY: [
    "pk_test_fake_codewiser_0001",
    "sk_test_short",
    "sk_prod_fake_codewiser_0001",
    "SK_TEST_fake_codewiser_0001",
    " sk_test_fake_codewiser_0001",
    "sk_test_fake_codewiser_0001\n",
    "sk_test_fake-codewiser-0001",
    "sk_test_fäke_codewiser_0001",
    "sk_test_".padEnd(256, "x"),
    "whsec_fake0123456789ab",
    "acct_fake0123456789",
    '"sk_test_fake_codewiser_0001"',
    "Bearer sk_test_fake_codewiser_0001",
    "STRIPE_SECRET_KEY=sk_test_fake_codewiser_0001",
    "\ufeffsk_test_fake_codewiser_0001",
    "sk_test_fake_codewiser\u200b_0001",
    "fake".repeat(8) + "x",
  ],
  STRIPE_WEBHOOK_SECRET: [
    "whsec_short",
    "whsec_fake0123456789a+",
    "sk_test_fake_codewiser_0001",
    "whsec_".padEnd(256, "x"),
    "we_fake0123456789abcd",
  ],
  SENDGRID_API_KEY: [
    "SG.fakefake",
    "fakefakefakefakefakefa",
    "SG.short.fakefake",
    "sg.fakefake.fakefake",
    "SG.fakefake.fakefake.fakefake",
  ],
  WEBHOOK_SIGNING_SECRET: [
    ...[16, 23, 65, 66].map((n) => `whsec_${Buffer.alloc(n, 7).toString("base64")}`),
    `whsec_${"A".repeat(33)}`,
    `whsec_${"A".repeat(34)}`,
    `whsec_${"A".repeat(32)}==`,
    `whsec_${"A".repeat(33)}=`,
    `whsec_${"-".repeat(32)}`,
    Buffer.alloc(32, 7).toString("base64"),
  ],
  OAUTH_GOOGLE: [
    "{}",
    "[]",
    "null",
    "1",
    '"text"',
    "not json",
    '{"clientId":"c"}',
    '{"clientId":"c","clientSecret":""}',
    '{"clientId":"c","clientSecret":1}',
    '{"clientId":"c","clientSecret":"s","more":1}',
    '{"clientId":"c","clientSecret":"s","__proto__":{}}',
    '{"clientId":"c","clientSecret":"s","constructor":1}',
    '{"__proto__":{"clientId":"c","clientSecret":"s"}}',
    `[${JSON.stringify(google)}]`,
    `${JSON.stringify(google)}x`,
    JSON.stringify({ ...google, clientSecret: "x".repeat(4097) }),
  ],
};

const samples = (of: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(of).flatMap(([secretKey, texts]) => texts.map((text) => ({ secretKey, text })));

test.for(samples(accepted))("$secretKey takes $text", ({ secretKey, text }) => {
  expect(check(secretKey, text)).toBe("taken");
});

/** The rule that is said in place of the entry's own. */
const broken: Readonly<Record<string, string>> = {
  pk_test_fake_codewiser_0001: "is a secret key; this one is a publishable key, pk_…",
  sk_test_short: "is a whole Stripe key; this one was cut off",
  " sk_test_fake_codewiser_0001": "has no white space or line's end around it",
  "sk_test_fake_codewiser_0001\n": "has no white space or line's end around it",
  "sk_test_fake-codewiser-0001": "has only letters, digits and underscores behind its prefix",
  sk_test_fäke_codewiser_0001: "has only letters, digits and underscores behind its prefix",
  ["sk_test_".padEnd(256, "x")]: "has at most 255 characters",
  whsec_fake0123456789ab: "is a secret key; this one signs webhooks, whsec_…",
  acct_fake0123456789: "is a secret key; this is the id of something at Stripe",
  '"sk_test_fake_codewiser_0001"': "has no quotes around it",
  "Bearer sk_test_fake_codewiser_0001": "is the credential alone, without Bearer in front",
  "STRIPE_SECRET_KEY=sk_test_fake_codewiser_0001": "is the value alone, without its name and = in front",
  "\ufeffsk_test_fake_codewiser_0001": "has no invisible characters in it",
  "sk_test_fake_codewiser\u200b_0001": "has no invisible characters in it",
  sk_test_fake_codewiser_0001: "is the endpoint's signing secret, whsec_…; this is an API key",
  we_fake0123456789abcd: "is the endpoint's signing secret, whsec_…; this is the endpoint's id",
  "SG.fakefake": "is a whole SendGrid API key, SG.….…; this one has only two parts",
  fakefakefakefakefakefa: "is a SendGrid API key, SG.….…; this is the key's id",
};

test.for(samples(refused))(
  "$secretKey refuses $text, and says which rule it broke",
  ({ secretKey, text }) => {
    expect(check(secretKey, text)).toBe(rule(secretKey, broken[text] ?? catalog.get(secretKey).rule));
  },
);

test.for([
  ["undefined", "prints where it has no value"],
  ["[object Object]", "prints where it has no value"],
  ["[object Promise]", "prints where it has no value"],
  [
    "encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3dAt+Z9HPMfLEIRVz50hmLXPXRuDBXaJi/LwWYEVUNiq0HISrslzQPaoyS8Lotg3gFWJTsNCdOWnqpjF2",
    "encrypted by dotenvx",
  ],
  ["ENC[AES256_GCM,data:fake,iv:fake,tag:fake,type:str]", "encrypted by sops"],
  ["op://vault/item/field", "a reference to 1Password"],
  ["ts1.1.fakefakefakefake.fakefakefakefakefakefake", "a sealed value out of this product's database"],
  ["tsk_0123456789abcdef_fake", "a credential of this product"],
  ["tso_0123456789abcdef_fake", "a credential of this product"],
] as const)("%s is never the value of a secret, and a refusal says what it is", ([text, what]) => {
  expect(check(anything, text)).toContain(what);
  expect(refusalOf(() => encodeValue(catalog, "OAUTH_GOOGLE", { ...google, clientSecret: text }))).toContain(
    what,
  );
  expect(decodeValue(catalog, anything, text)).toBe(text);
});

test("a refusal never holds the value, nor eight characters of it in a row", () => {
  const secretKeys = fc.constantFrom(...Object.keys(catalog.entries), anything);
  // Without spaces, so that no part of a value can be a part of our own sentences.
  const values = fc.stringMatching(/^[A-Z0-9+/=\0]{16,200}$/);
  fc.assert(
    fc.property(
      secretKeys,
      values,
      fc.constantFrom("", '{"clientId":"', "whsec_", "sk_live_"),
      (secretKey, value, head) => {
        const text = head + value;
        const said = [
          check(secretKey, text),
          refusalOf(() => encodeValue(catalog, anything, text)),
          refusalOf(() =>
            encodeValue(catalog, "OAUTH_GOOGLE", { clientId: value, clientSecret: `${text}\0` }),
          ),
          refusalOf(() => decodeValue(catalog, "OAUTH_GOOGLE", text)),
        ].join("\n");
        for (let at = 0; at + 8 <= value.length; at++) expect(said).not.toContain(value.slice(at, at + 8));
      },
    ),
  );
});

describe("an object", () => {
  test("is stored as JSON and comes back as it was", () => {
    const text = encodeValue(catalog, "OAUTH_GOOGLE", google);
    expect(text).toBe('{"clientId":"fake-client","clientSecret":"fake-secret"}');
    expect(decodeValue(catalog, "OAUTH_GOOGLE", text)).toEqual(google);
  });

  test.for([
    ["a mask", "••••••••", "is not the mask"],
    ["a NUL", "a\0b", "has no NUL"],
    ["a lone surrogate", "a\ud83d", "is well-formed Unicode"],
  ] as const)("has no string with %s, which JSON would hide", ([, clientSecret, reason]) => {
    expect(refusalOf(() => encodeValue(catalog, "OAUTH_GOOGLE", { ...google, clientSecret }))).toContain(
      reason,
    );
    expect(check("OAUTH_GOOGLE", JSON.stringify({ ...google, clientSecret }))).toContain(reason);
  });

  test("is looked through to its last string, and may have empty ones where its entry says so", () => {
    const nested = defineCatalog({
      NESTED: jsonSecret(z.strictObject({ hosts: z.array(z.strictObject({ password: z.string() })) }), {
        label: "Nested",
        rule: "is a list of hosts",
      }),
    });
    const withPassword = (password: string) =>
      refusalOf(() => encodeValue(nested, "NESTED", { hosts: [{ password: "fake" }, { password }] }));
    expect(withPassword("")).toBe("taken");
    expect(withPassword("[redacted]")).toContain("is not the mask");
  });

  test("is measured as the JSON that is stored", () => {
    const large = defineCatalog({
      LARGE: jsonSecret(z.strictObject({ text: z.string() }), {
        label: "Large",
        rule: "is an object of text",
      }),
    });
    const overhead = '{"text":""}'.length;
    const encode = (length: number) =>
      refusalOf(() => encodeValue(large, "LARGE", { text: "x".repeat(length) }));
    expect(encode(maxValueBytes - overhead)).toBe("taken");
    expect(encode(maxValueBytes - overhead + 1)).toContain("this one has 65537");
  });

  test("changes the prototype of nothing", () => {
    for (const text of refused["OAUTH_GOOGLE"] ?? [])
      refusalOf(() => decodeValue(catalog, "OAUTH_GOOGLE", text));
    expect("clientId" in {}).toBe(false);
  });
});

describe("a stored text", () => {
  test("is handed out as it is where it is a string that its entry would refuse today", () => {
    expect(decodeValue(catalog, "STRIPE_SECRET_KEY", "an older form")).toBe("an older form");
    expect(decodeValue(catalog, "CUSTOM_ANYTHING", "••••")).toBe("••••");
  });

  test.for(["", "not json", "{}", '{"clientId":"c"}'])(
    "is refused where the type promises an object: %j",
    (text) => {
      const said = refusalOf(() => decodeValue(catalog, "OAUTH_GOOGLE", text));
      expect(said).toBe(rule("OAUTH_GOOGLE", catalog.get("OAUTH_GOOGLE").rule));
    },
  );
});

describe("a hint", () => {
  const open = textSecret(z.string(), { label: "x", rule: "x" });

  test("is the last four characters of a value of at least twenty", () => {
    expect(lastFourOf(open, "0123456789012345abcd")).toBe("abcd");
    expect(lastFourOf(open, "0123456789012345abc")).toBeUndefined();
  });

  test("cuts no character in two", () => {
    expect(lastFourOf(open, `${"x".repeat(20)}🔑abc`)).toBe("🔑abc");
    expect(lastFourOf(open, "🔑".repeat(20))).toBe("🔑🔑🔑🔑");
  });

  test("is not shown of objects, nor where an entry says so", () => {
    expect(
      lastFourOf(textSecret(z.string(), { label: "x", rule: "x", showsLastFour: false }), "x".repeat(30)),
    ).toBeUndefined();
    expect(lastFourOf(catalog.get("OAUTH_GOOGLE"), JSON.stringify(google))).toBeUndefined();
  });
});
