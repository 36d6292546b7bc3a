import { createHmac, createSecretKey, randomBytes, sign } from "node:crypto";
import { deriveEndpointKeys } from "@repo/envelope";
import { Webhook } from "standardwebhooks";
import { describe, expect, test } from "vitest";
import { publicKeyText, secretText, signatureHeader } from "./notifications/signing.ts";
import { parseNotification, verifyNotification, type NotificationRequest } from "./verify-notification.ts";

const root = { keyVersion: 1, root: createSecretKey(randomBytes(32)) };
const keys = deriveEndpointKeys(root, "0192f0c0-0000-4000-8000-000000000001", 1);
const others = deriveEndpointKeys(root, "0192f0c0-0000-4000-8000-000000000002", 1);
const ours = { secrets: [secretText(keys)], publicKeys: [publicKeyText(keys)] };
const sealed = { secrets: ours.secrets };
const open = { publicKeys: ours.publicKeys };

const notification = {
  type: "secret.updated",
  version: 1,
  timestamp: "2026-11-29T08:00:00.000Z",
  data: {
    company: { id: "0192f0c0-0000-4000-8000-000000000003", subdomain: "acmecorp" },
    secretKey: "CUSTOM_Ä",
    secretVersion: 2,
    actor: { kind: "job", id: "test" },
    event: "0192f0c0-0000-7000-8000-000000000004",
  },
};
// With a space that serialising again would drop.
const body = JSON.stringify(notification).replace(",", ", ");
const id = "msg_0192f0c000007000800000000000000a";
const now = Date.parse("2026-11-29T08:00:01.000Z");
const timestamp = String(now / 1000);
const signature = signatureHeader([keys], { id, timestamp: Number(timestamp), body });
const [v1 = "", v1a = ""] = signature.split(" ");

const given = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
const sent = (headers: Record<string, string | undefined> = {}, more: Partial<NotificationRequest> = {}) => ({
  headers: { ...given, ...headers },
  body,
  now,
  ...more,
});
const refusal = { name: "TenantSecretsError", code: "UNAUTHENTICATED" };
const signedAt = (at: string, of = id, what = body) =>
  sent({
    "webhook-id": of,
    "webhook-timestamp": at,
    "webhook-signature": `v1,${createHmac("sha256", keys.secret).update(`${of}.${at}.${what}`).digest("base64")} v1a,${sign(
      null,
      Buffer.from(`${of}.${at}.${what}`),
      keys.privateKey,
    ).toString("base64")}`,
  });

describe.each([
  ["a secret", sealed],
  ["a public key", open],
])("with %s", (_, trusted) => {
  test.each([
    ["text and an object of headers", sent()],
    ["bytes", sent({}, { body: new TextEncoder().encode(body) })],
    ["Headers", sent({}, { headers: new Headers(given) })],
    [
      "headers in other letters",
      sent(
        {},
        { headers: { "Webhook-Id": id, "WEBHOOK-TIMESTAMP": timestamp, "Webhook-Signature": signature } },
      ),
    ],
    ["300 seconds late", sent({}, { now: now + 300_000 })],
    ["300 seconds early", sent({}, { now: now - 300_000 })],
    [
      "its signatures behind those of another key and an unknown version",
      sent({
        "webhook-signature": `${signatureHeader([others], { id, timestamp: 1, body })} v2,AAAA ${signature}`,
      }),
    ],
  ])("a notification is verified from %s", async (_name, request) => {
    expect(await verifyNotification(trusted, request)).toEqual({ id, notification });
  });

  test.each<[string, NotificationRequest]>([
    ["another body", sent({}, { body: body.replace("acmecorp", "codewiser") })],
    ["a body that was parsed and serialised again", sent({}, { body: JSON.stringify(notification) })],
    ["a body with one more line", sent({}, { body: `${body}\n` })],
    ["another id", sent({ "webhook-id": `${id}b` })],
    ["another timestamp", sent({ "webhook-timestamp": String(Number(timestamp) + 1) })],
    ["no id", sent({ "webhook-id": undefined })],
    ["no timestamp", sent({ "webhook-timestamp": undefined })],
    ["no signature", sent({ "webhook-signature": undefined })],
    ["an empty signature", sent({ "webhook-signature": "" })],
    ["two headers of signatures", sent({}, { headers: { ...given, "Webhook-Signature": signature } })],
    ["a list in place of a header", sent({}, { headers: { ...given, "webhook-id": [id] } })],
    ["301 seconds late", sent({}, { now: now + 301_000 })],
    ["301 seconds early", sent({}, { now: now - 301_000 })],
    ["a clock that is none", sent({}, { now: Number.NaN })],
    ["a timestamp with a fraction", signedAt(`${timestamp}.5`)],
    ["a timestamp with an exponent", signedAt("1.76e9")],
    ["a timestamp with a space", signedAt(` ${timestamp}`)],
    ["a timestamp with a leading zero", signedAt(`0${timestamp}`)],
    ["a negative timestamp", signedAt(`-${timestamp}`)],
    ["an id with a full stop, which could be a part of what else is signed", signedAt(timestamp, `${id}.1`)],
    ["an id with a space", signedAt(timestamp, "msg 1")],
    [
      "signatures of another endpoint",
      sent({ "webhook-signature": signatureHeader([others], { id, timestamp: Number(timestamp), body }) }),
    ],
    ["v2 alone", sent({ "webhook-signature": `v2,${v1.slice(3)} v2,${v1a.slice(4)}` })],
    ["the versions exchanged", sent({ "webhook-signature": `v1a,${v1.slice(3)} v1,${v1a.slice(4)}` })],
    ["no version", sent({ "webhook-signature": `${v1.slice(3)} ${v1a.slice(4)} , v1, v1a,` })],
    ["signatures that are cut", sent({ "webhook-signature": `${v1.slice(0, -4)} ${v1a.slice(0, -4)}` })],
    ["signatures that are longer", sent({ "webhook-signature": `${v1}AAAA ${v1a}AAAA` })],
    ["signatures without padding", sent({ "webhook-signature": signature.replaceAll("=", "") })],
    [
      "signatures with other bits in the padding",
      sent({
        "webhook-signature": signature.replaceAll(
          /(.)(=+)(?= |$)/g,
          (_all, last: string, end: string) => `${following(last)}${end}`,
        ),
      }),
    ],
    ["signatures in base64url", sent({ "webhook-signature": `${urlSafe(v1)} ${urlSafe(v1a)}-_` })],
    [
      "signatures in hexadecimal",
      sent({
        "webhook-signature": signature.replaceAll(
          /,(\S+)/g,
          (_all, text: string) => `,${Buffer.from(text, "base64").toString("hex")}`,
        ),
      }),
    ],
    ["signatures with commas between them", sent({ "webhook-signature": `${v1},${v1a}` })],
  ])("%s is refused", async (_name, request) => {
    await expect(verifyNotification(trusted, request)).rejects.toMatchObject(refusal);
  });
});

/** The next one of the alphabet: the same bytes in a lenient decoder. */
const following = (character: string) => String.fromCharCode(character.charCodeAt(0) + 1);
const urlSafe = (text: string) => text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

test("either of two secrets verifies, as while one is rolled", async () => {
  const both = { secrets: [secretText(others), ...sealed.secrets] };
  expect((await verifyNotification(both, sent())).id).toBe(id);
  const onlyOther = verifyNotification({ secrets: [secretText(others)] }, sent());
  await expect(onlyOther).rejects.toMatchObject(refusal);
});

test.each([
  {},
  { secrets: [], publicKeys: [] },
  { secrets: [""] },
  { secrets: ["whsec_"] },
  { secrets: ["whsec_AAAA"] },
  { secrets: [secretText(keys).slice(6)] },
  { secrets: [secretText(keys).replace("=", "")] },
  { secrets: [...sealed.secrets, "whsec_"] },
  { publicKeys: ["whpk_"] },
  { publicKeys: [`whpk_${Buffer.alloc(31).toString("base64")}`] },
  { publicKeys: sealed.secrets },
])("keys of another form are an error of the receiver, whatever is signed: %j", async (trusted) => {
  const empty = createHmac("sha256", "").update(`${id}.${timestamp}.${body}`).digest("base64");
  const request = sent({ "webhook-signature": `v1,${empty} ${signature}` });
  await expect(verifyNotification(trusted, request)).rejects.toMatchObject({ code: "INVALID_INPUT" });
});

test("standardwebhooks verifies what we sign, and we verify what it signs", async () => {
  const at = new Date();
  const library = new Webhook(secretText(keys));
  const seconds = Math.floor(at.getTime() / 1000);
  const headers = (signatures: string) => ({
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": signatures,
  });
  const ourSignatures = signatureHeader([keys], { id, timestamp: seconds, body });
  expect(library.verify(body, headers(ourSignatures))).toEqual(notification);
  const request = { headers: headers(library.sign(id, at, body)), body };
  expect(await verifyNotification(sealed, request)).toEqual({ id, notification });
});

test("a type or a version of a later release is verified, and is no notification", async () => {
  const later = JSON.stringify({ ...notification, type: "secret.invented" });
  const signatures = signatureHeader([keys], { id, timestamp: Number(timestamp), body: later });
  const request = sent({ "webhook-signature": signatures }, { body: later });
  expect(await verifyNotification(ours, request)).toEqual({ id, notification: undefined });
  expect(parseNotification(JSON.stringify({ ...notification, version: 2 }))).toBeUndefined();
});

test("a body is a notification of its type, and nothing else is one", () => {
  const parsed = parseNotification(body);
  expect(parsed).toEqual(notification);
  if (parsed?.type === "secret.updated")
    expect(parsed.data.secretVersion satisfies number | undefined).toBe(2);
  for (const text of [
    "",
    "null",
    "[]",
    "{}",
    "{",
    '{"type":"__proto__"}',
    '{"type":"constructor","version":1}',
  ])
    expect(parseNotification(text)).toBeUndefined();
  expect(parseNotification(new Uint8Array([0xff, 0xfe]))).toBeUndefined();
  expect(parseNotification(new TextEncoder().encode(body))).toEqual(notification);
});
