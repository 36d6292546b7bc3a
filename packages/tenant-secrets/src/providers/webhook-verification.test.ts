import { createHmac, randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { Stripe } from "stripe";
import { describe, expect, test } from "vitest";
import {
  defineCatalog,
  githubWebhookSecret,
  slackSigningSecret,
  TenantSecretsError,
  textSecret,
} from "@repo/catalog";
import { webhookVerifiers } from "./webhook-schemes.ts";
import {
  getVerifier,
  requireVerifiers,
  verifyWebhook,
  type SigningSecret,
  type WebhookVerifier,
} from "./webhook-verification.ts";

const verifiers = webhookVerifiers();
const now = 1_731_705_121_000;
const seconds = now / 1000;
const body = Buffer.from('{"event": "ping",\n"n": 1.0}');
/** A text that is a valid secret in both schemes. */
const newSecret = () => `whsec_${randomBytes(32).toString("hex")}`;
const [current, previous, another] = [newSecret(), newSecret(), newSecret()];
const active: readonly SigningSecret[] = [
  { version: 4, text: current },
  { version: 3, text: previous },
];

/** The version that verified, or the reason why none did. */
function outcome(
  scheme: string,
  headers: Record<string, string>,
  {
    bytes = body,
    secrets = active,
    ...options
  }: { bytes?: Buffer; secrets?: readonly SigningSecret[]; now?: number } = {},
): number | string {
  try {
    const request = { headers: new Headers(headers), body: bytes };
    return verifyWebhook(verifiers[scheme] ?? never, secrets, { request, now, ...options }).version;
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === "UNAUTHENTICATED") return error.message;
    throw error;
  }
}
const never: WebhookVerifier = () => {
  throw new Error("there is no such scheme");
};
const malformed = "The webhook was refused: its signature headers are missing or malformed.";
const wrongTime = "The webhook was refused: the time of its signature is too far from now.";
const wrongSignature = "The webhook was refused: no secret that counts now made its signature.";

interface Signed {
  readonly id?: string;
  readonly timestamp?: string;
  readonly bytes?: Buffer;
}
function standardSignature(
  secret: string,
  { id = "msg_1", timestamp = `${seconds}`, bytes = body }: Signed = {},
) {
  const key = Buffer.from(secret.slice(6), "base64");
  return createHmac("sha256", key).update(`${id}.${timestamp}.`).update(bytes).digest("base64");
}
const standard = (
  secret: string,
  signed: Signed = {},
  signature = `v1,${standardSignature(secret, signed)}`,
) => ({
  "webhook-id": signed.id ?? "msg_1",
  "webhook-timestamp": signed.timestamp ?? `${seconds}`,
  "webhook-signature": signature,
});
function stripeSignature(secret: string, { timestamp = `${seconds}`, bytes = body }: Signed = {}) {
  return createHmac("sha256", secret).update(`${timestamp}.`).update(bytes).digest("hex");
}
const stripe = (
  secret: string,
  signed: Signed = {},
  header = `t=${signed.timestamp ?? seconds},v1=${stripeSignature(secret, signed)}`,
) => ({ "stripe-signature": header });

const svix = (secret: string, signed: Signed = {}) =>
  Object.fromEntries(
    Object.entries(standard(secret, signed)).map(([name, value]) => [name.replace("webhook", "svix"), value]),
  );

const schemes = [
  ["standard-webhooks", standard],
  ["standard-webhooks", svix],
  ["stripe", stripe],
] as const;

describe.for(schemes)("a webhook in the way of %s", ([scheme, sign]) => {
  test("a webhook is accepted with any active secret, and its version is returned", () => {
    expect(outcome(scheme, sign(current))).toBe(4);
    expect(outcome(scheme, sign(previous))).toBe(3);
    expect(outcome(scheme, sign(another))).toBe(wrongSignature);
    expect(outcome(scheme, sign(current), { secrets: [] })).toBe(wrongSignature);
    expect(outcome(scheme, {}, { secrets: [] })).toBe(wrongSignature);
  });

  test.for([-300, -1, 0, 1, 300])("is taken %i seconds away from now", (offset) => {
    expect(outcome(scheme, sign(current, { timestamp: `${seconds + offset}` }))).toBe(4);
  });

  test.for([-301, 301, -1e9])("is refused %i seconds away from now", (offset) => {
    expect(outcome(scheme, sign(current, { timestamp: `${seconds + offset}` }))).toBe(wrongTime);
  });

  test("a webhook is refused if the clock is invalid", () => {
    expect(outcome(scheme, sign(current), { now: Number.NaN })).toBe(wrongTime);
  });

  test.for([
    `${seconds}.0`,
    `${seconds}.5`,
    `0${seconds}`,
    `+${seconds}`,
    `${seconds}x`,
    `x`,
    "",
    "-1",
    "1e9",
    "\u00b2",
    "0",
  ])("is refused with the time %j, though it was signed so", (timestamp) => {
    expect(outcome(scheme, sign(current, { timestamp }))).toBe(malformed);
  });

  test("a webhook is refused if its body differs by a byte, or was parsed and serialized again", () => {
    const headers = sign(current);
    const others = [
      Buffer.from(JSON.stringify(JSON.parse(body.toString()))),
      Buffer.concat([body, Buffer.from("\n")]),
      Buffer.concat([Buffer.from("\ufeff"), body]),
      body.subarray(1),
      Buffer.alloc(0),
    ];
    for (const bytes of others) expect(outcome(scheme, headers, { bytes })).toBe(wrongSignature);
  });

  test("a webhook is compared by its bytes, not by decoded text", () => {
    const [bytes, other] = [Buffer.from([0x22, 0xff, 0x22]), Buffer.from([0x22, 0xfe, 0x22])];
    const headers = sign(current, { bytes });
    expect(outcome(scheme, headers, { bytes })).toBe(4);
    expect(outcome(scheme, headers, { bytes: other })).toBe(wrongSignature);
    expect(bytes.toString()).toBe(other.toString());
    expect(outcome(scheme, sign(current, { bytes: Buffer.alloc(0) }), { bytes: Buffer.alloc(0) })).toBe(4);
  });

  test("a webhook is refused without its signature headers", () => {
    expect(outcome(scheme, {})).toBe(malformed);
    for (const name of Object.keys(sign(current))) {
      const { [name]: _, ...others } = { ...sign(current) } as Record<string, string>;
      expect(outcome(scheme, others)).toMatch(/malformed|no secret/);
    }
  });

  test.for(["", "whsec_", "whsec_=", "whsec_AAAA", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!"])(
    "a webhook is not accepted with %j, which is no valid secret",
    (text) => {
      expect(outcome(scheme, sign(text), { secrets: [{ version: 1, text }] })).toBe(wrongSignature);
    },
  );

  test("a refusal contains nothing of the secret or of the signed content", () => {
    const said = outcome(scheme, sign(another, { timestamp: `${seconds}` }));
    expect(said).toBe(wrongSignature);
    for (const secret of [current, previous, another]) expect(said).not.toContain(secret.slice(6, 14));
  });

  test("a verification leaves the caller's secrets unchanged", () => {
    outcome(scheme, sign(current));
    expect(outcome(scheme, sign(current))).toBe(4);
  });
});

describe("Standard Webhooks signatures", () => {
  test.for([
    [
      "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      "msg_p5jXN8AQM9LWM0D4loKWxJek",
      1614265330,
      '{"test": 2432232314}',
      "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ],
    [
      "plJ3nmyCDGBKInavdOK15jsl",
      "msg_loFOjxBNrRLzqYUf",
      1731705121,
      '{"event_type":"ping","data":{"success":true}}',
      "rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=",
    ],
    [
      "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
      "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
      1649367553,
      '{"email":"test@example.com","username":"test_user"}',
      "tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ],
  ] as const)("that was published is taken: %s", ([base64, id, at, text, signature]) => {
    const headers = {
      "webhook-id": id,
      "webhook-timestamp": `${at}`,
      "webhook-signature": `v1,${signature}`,
    };
    const secrets = [{ version: 7, text: `whsec_${base64}` }];
    expect(outcome("standard-webhooks", headers, { bytes: Buffer.from(text), secrets, now: at * 1000 })).toBe(
      7,
    );
  });

  test("a Standard Webhooks signature equals the one of the scheme's own library", () => {
    const sign = new Webhook(current).sign("msg_1", new Date(now), body.toString());
    expect(outcome("standard-webhooks", standard(current, {}, sign))).toBe(4);
  });

  const good = standardSignature(current);
  test.for([
    ["second of a list", `v1,${standardSignature(another)} v1,${good}`, 4],
    ["beside another version's", `v1a,AAAA v2,${good} v1,${good}`, 4],
    ["of another version", `v2,${good}`, wrongSignature],
    ["without a version", good, wrongSignature],
    ["empty", "", wrongSignature],
    ["empty with its version", "v1,", wrongSignature],
    ["cut", `v1,${good.slice(0, -1)}`, wrongSignature],
    ["cut to its first characters", `v1,${good.slice(0, 4)}`, wrongSignature],
    ["with more behind it", `v1,${good}=`, wrongSignature],
    ["in base64url", `v1,${Buffer.from(good, "base64").toString("base64url")}`, wrongSignature],
    ["in hexadecimal", `v1,${Buffer.from(good, "base64").toString("hex")}`, wrongSignature],
    ["in other case", `v1,${good.toLowerCase()}`, wrongSignature],
    ["with a comma in the list", `v1,${good},v1,${good}`, wrongSignature],
  ] as const)("%s", ([, header, wanted]) => {
    expect(outcome("standard-webhooks", standard(current, {}, header))).toBe(wanted);
  });

  test.for(["msg.1", "", "msg 1", "a".repeat(257)])("is refused with the id %j", (id) => {
    expect(outcome("standard-webhooks", standard(current, { id }))).toBe(malformed);
  });

  test("a Standard Webhooks signature is refused with another message's id or time", () => {
    const headers = standard(current);
    expect(outcome("standard-webhooks", { ...headers, "webhook-id": "msg_2" })).toBe(wrongSignature);
    expect(outcome("standard-webhooks", { ...headers, "webhook-timestamp": `${seconds + 1}` })).toBe(
      wrongSignature,
    );
  });
});

describe("Stripe signatures", () => {
  test("a Stripe signature equals the one of Stripe's own library", () => {
    const header = Stripe.webhooks.generateTestHeaderString({
      payload: body.toString(),
      secret: current,
      timestamp: seconds,
    });
    expect(outcome("stripe", stripe(current, {}, header))).toBe(4);
  });

  const good = stripeSignature(current);
  test.for([
    ["second of a list", `t=${seconds},v1=${stripeSignature(another)},v1=${good},v0=00`, 4],
    ["before its time", `v1=${good},t=${seconds}`, 4],
    ["of another version", `t=${seconds},v0=${good}`, wrongSignature],
    ["missing", `t=${seconds}`, wrongSignature],
    ["empty", `t=${seconds},v1=`, wrongSignature],
    ["cut", `t=${seconds},v1=${good.slice(0, -1)}`, wrongSignature],
    ["in upper case", `t=${seconds},v1=${good.toUpperCase()}`, wrongSignature],
    ["in base64", `t=${seconds},v1=${Buffer.from(good, "hex").toString("base64")}`, wrongSignature],
    ["without a time", `v1=${good}`, malformed],
    ["with two times", `t=${seconds},t=${seconds},v1=${good}`, malformed],
  ] as const)("%s", ([, header, wanted]) => {
    expect(outcome("stripe", stripe(current, {}, header))).toBe(wanted);
  });

  test("a Stripe signature is refused with another message's time", () => {
    expect(outcome("stripe", stripe(current, {}, `t=${seconds + 1},v1=${good}`))).toBe(wrongSignature);
  });
});

describe("Standard Webhooks signatures under Svix's header names", () => {
  test("a signature under one brand's headers is not verified with the other brand's id or time", () => {
    const { "webhook-signature": signature } = standard(current);
    const { "svix-id": id = "", "svix-timestamp": timestamp = "" } = svix(current);
    const mixed = { "svix-id": id, "svix-timestamp": timestamp, "webhook-signature": signature };
    expect(outcome("standard-webhooks", mixed)).toBe(malformed);
  });
});

const hex = "0123456789abcdef0123456789abcdef";
const hexSecrets = [{ version: 2, text: hex }];

describe("GitHub signatures", () => {
  test("GitHub's published test signature is accepted", () => {
    const secrets = [{ version: 1, text: "It's a Secret to Everybody" }];
    const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const bytes = Buffer.from("Hello, World!");
    expect(outcome("github", { "x-hub-signature-256": signature }, { bytes, secrets })).toBe(1);
    expect(outcome("github", { "x-hub-signature-256": signature }, { secrets })).toBe(wrongSignature);
  });

  const good = createHmac("sha256", hex).update(body).digest("hex");
  test.for([
    [`sha256=${good}`, 2],
    [`sha256=${good.toUpperCase()}`, malformed],
    [`sha256=${good.slice(1)}`, malformed],
    [`sha256=${good},sha256=${good}`, malformed],
    [good, malformed],
    ["sha256=", malformed],
    [`sha1=${createHmac("sha1", hex).update(body).digest("hex")}`, malformed],
    [`sha256=${createHmac("sha256", another).update(body).digest("hex")}`, wrongSignature],
  ] as const)("in the header %s", ([header, wanted]) => {
    expect(outcome("github", { "x-hub-signature-256": header }, { secrets: hexSecrets })).toBe(wanted);
  });

  test("a GitHub webhook with only the SHA-1 header, or with a short secret, is refused", () => {
    const sha1 = createHmac("sha1", hex).update(body).digest("hex");
    expect(outcome("github", { "x-hub-signature": `sha1=${sha1}` }, { secrets: hexSecrets })).toBe(malformed);
    const short = createHmac("sha256", "short").update(body).digest("hex");
    const secrets = [{ version: 1, text: "short" }];
    expect(outcome("github", { "x-hub-signature-256": `sha256=${short}` }, { secrets })).toBe(wrongSignature);
  });
});

describe("Slack signatures", () => {
  const slack = (timestamp = `${seconds}`, secret = hex) => ({
    "x-slack-request-timestamp": timestamp,
    "x-slack-signature": `v0=${createHmac("sha256", secret).update(`v0:${timestamp}:`).update(body).digest("hex")}`,
  });

  test("Slack's published test signature is accepted", () => {
    const headers = {
      "x-slack-request-timestamp": "1531420618",
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    };
    const bytes = Buffer.from(
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
    );
    const secrets = [{ version: 1, text: "8f742231b10e8888abcd99yyyzzz85a5" }];
    expect(outcome("slack", headers, { bytes, secrets, now: 1_531_420_618_000 })).toBe(1);
    expect(outcome("slack", slack(), { secrets: hexSecrets })).toBe(2);
  });

  test.for([
    [{ ...slack(), "x-slack-request-timestamp": `${seconds + 1}` }, wrongSignature],
    [slack(`${seconds - 301}`), wrongTime],
    [slack(`${seconds + 301}`), wrongTime],
    [slack("1e9"), malformed],
    [{ "x-slack-signature": slack()["x-slack-signature"] }, malformed],
    [{ ...slack(), "x-slack-signature": slack()["x-slack-signature"].replace("v0", "v1") }, malformed],
    [slack(`${seconds}`, another), wrongSignature],
  ] as const)("is refused with other headers: %j", ([headers, wanted]) => {
    expect(outcome("slack", headers, { secrets: hexSecrets })).toBe(wanted);
  });
});

describe("a product's own verifier", () => {
  const catalog = defineCatalog({
    ACME_TOKEN: textSecret(githubWebhookSecret.schema, {
      label: "Acme",
      rule: "is text",
      signatures: "acme",
    }),
    GITHUB_WEBHOOK_SECRET: githubWebhookSecret,
    SLACK_SIGNING_SECRET: slackSigningSecret,
  });
  const acme: WebhookVerifier = ({ headers }, secret) =>
    headers.get("x-acme-token") === secret ? "verified" : "wrong-signature";
  const verify = (verifier: WebhookVerifier) =>
    verifyWebhook(verifier, active, { request: { headers: new Headers({ "x-acme-token": previous }), body } })
      .version;

  test("a product's own verifier is called with each active version, and its errors reveal nothing", () => {
    expect(verify(getVerifier(catalog, { ...verifiers, acme }, "ACME_TOKEN"))).toBe(3);
    expect(() => verify(never)).toThrow(wrongSignature);
  });

  test("a product's own verifier must exist when the catalogue names it, and is not looked up in prototypes", () => {
    expect(() => requireVerifiers(catalog, { ...verifiers, acme })).not.toThrow();
    expect(() => requireVerifiers(catalog, verifiers)).toThrow('names the webhook verifier "acme"');
    const named = defineCatalog({
      A: textSecret(githubWebhookSecret.schema, { label: "A", rule: "is", signatures: "constructor" }),
    });
    expect(() => requireVerifiers(named, verifiers)).toThrow(TypeError);
    expect(() => getVerifier(named, verifiers, "A")).toThrow("is nothing that webhooks are signed with");
  });
});
