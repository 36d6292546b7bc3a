import { generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Webhook } from "standardwebhooks";
import { startWebhookReceiver, type WebhookReceiver } from "./webhook-receiver.ts";

let receiver: WebhookReceiver;
let lines: string[];

beforeEach(async () => {
  lines = [];
  receiver = await startWebhookReceiver({ say: (line) => lines.push(line) });
});
afterEach(() => receiver.stop());

const newSecret = () => `whsec_${randomBytes(32).toString("base64")}`;
function newPair() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  return { privateKey, publicKey: `whpk_${Buffer.from(x, "base64url").toString("base64")}` };
}

const rotated = JSON.stringify({
  type: "secret.rotated",
  data: { company: { subdomain: "acmecorp" }, secretKey: "SENDGRID_API_KEY", secretVersion: 3 },
});

interface Keys {
  readonly secrets?: readonly string[];
  readonly privateKeys?: readonly KeyObject[];
  readonly at?: Date;
}
async function deliver(body: string, { secrets = [], privateKeys = [], at = new Date() }: Keys) {
  const id = "msg_fake_1";
  const seconds = Math.floor(at.getTime() / 1000);
  const signed = Buffer.from(`${id}.${seconds}.${body}`);
  const signatures = [
    ...secrets.map((secret) => new Webhook(secret).sign(id, at, body)),
    ...privateKeys.map((key) => `v1a,${sign(null, signed, key).toString("base64")}`),
  ];
  return fetch(`${receiver.url}/hooks`, {
    method: "POST",
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": signatures.join(" "),
    },
  });
}
const newest = () => receiver.deliveries().at(-1);

test("says a line for a delivery with both signatures, and keeps it", async () => {
  const secret = newSecret();
  const { privateKey, publicKey } = newPair();
  receiver.trust({ secret, publicKey });
  const answer = await deliver(rotated, { secrets: [secret], privateKeys: [privateKey] });
  expect(answer.status).toBe(204);
  expect(lines).toEqual(["Webhook: secret.rotated  acmecorp SENDGRID_API_KEY version 3  (v1 ok, v1a ok)"]);
  expect(receiver.deliveries()).toEqual([
    {
      path: "/hooks",
      id: "msg_fake_1",
      timestamp: expect.stringMatching(/^\d{10}$/),
      body: rotated,
      signatures: expect.stringMatching(/^v1,\S+ v1a,\S+$/),
      v1: "ok",
      v1a: "ok",
    },
  ]);
});

test("any trusted key and any signature in the header is enough", async () => {
  const secrets = [newSecret(), newSecret()];
  const pairs = [newPair(), newPair()];
  receiver.trust({ secret: secrets[1] ?? "" });
  receiver.trust({ publicKey: pairs[1]?.publicKey ?? "" });
  receiver.trust({ secret: newSecret(), publicKey: newPair().publicKey });
  await deliver(rotated, { secrets, privateKeys: pairs.map(({ privateKey }) => privateKey) });
  expect(newest()).toMatchObject({ v1: "ok", v1a: "ok" });
});

test("tells a bad signature, a missing one, and one that it has no key for apart", async () => {
  const secret = newSecret();
  const { privateKey, publicKey } = newPair();
  await deliver(rotated, { secrets: [secret], privateKeys: [privateKey] });
  expect(newest()).toMatchObject({ v1: "unchecked", v1a: "unchecked" });
  receiver.trust({ secret, publicKey });
  await deliver(rotated, { secrets: [newSecret()], privateKeys: [newPair().privateKey] });
  expect(newest()).toMatchObject({ v1: "bad", v1a: "bad" });
  await deliver(rotated, { secrets: [secret] });
  expect(newest()).toMatchObject({ v1: "ok", v1a: "missing" });
  await deliver(rotated, { privateKeys: [privateKey] });
  expect(newest()).toMatchObject({ v1: "missing", v1a: "ok" });
  expect(lines.at(-1)).toContain("(v1 missing, v1a ok)");
});

test("a signature from six minutes ago is bad", async () => {
  const secret = newSecret();
  const { privateKey, publicKey } = newPair();
  receiver.trust({ secret, publicKey });
  const at = new Date(Date.now() - 6 * 60_000);
  await deliver(rotated, { secrets: [secret], privateKeys: [privateKey], at });
  expect(newest()).toMatchObject({ v1: "bad", v1a: "bad" });
});

test("a changed body has bad signatures", async () => {
  const secret = newSecret();
  const { privateKey, publicKey } = newPair();
  receiver.trust({ secret, publicKey });
  const headers = new Headers();
  const at = new Date();
  const seconds = String(Math.floor(at.getTime() / 1000));
  headers.set("webhook-id", "msg_fake_1");
  headers.set("webhook-timestamp", seconds);
  const v1a = sign(null, Buffer.from(`msg_fake_1.${seconds}.${rotated}`), privateKey).toString("base64");
  headers.set("webhook-signature", `${new Webhook(secret).sign("msg_fake_1", at, rotated)} v1a,${v1a}`);
  const send = (body: string) => fetch(receiver.url, { method: "POST", body, headers });
  await send(rotated);
  expect(newest()).toMatchObject({ v1: "ok", v1a: "ok" });
  await send(`${rotated} `);
  expect(newest()).toMatchObject({ v1: "bad", v1a: "bad" });
});

test("keeps and says what it answers wrongly, late, or not at all", async () => {
  receiver.faults.add({ fault: "status", status: 503, retryAfter: 20, headers: { "x-fake": "1" } });
  const unavailable = await deliver(rotated, {});
  expect([
    unavailable.status,
    unavailable.headers.get("retry-after"),
    unavailable.headers.get("x-fake"),
  ]).toEqual([503, "20", "1"]);
  receiver.faults.add({ fault: "status", status: 410 });
  expect((await deliver(rotated, {})).status).toBe(410);
  receiver.faults.add({ fault: "dropBefore" });
  await expect(deliver(rotated, {})).rejects.toThrow(TypeError);
  receiver.faults.add({ fault: "delay", ms: 200 });
  const startedAt = performance.now();
  expect((await deliver(rotated, {})).status).toBe(204);
  expect(performance.now() - startedAt).toBeGreaterThan(195);
  expect(receiver.deliveries()).toHaveLength(4);
  expect(lines).toHaveLength(4);
});

test.for([
  ["{", "Webhook: not a notification  (v1 missing, v1a missing)"],
  ['{"type":"webhook.test"}', "Webhook: webhook.test  (v1 missing, v1a missing)"],
  [
    '{"type":"a\\u001b[2J\\n","data":{"secretKey":7,"company":"x"}}',
    "Webhook: a\u{fffd}[2J\u{fffd}  (v1 missing, v1a missing)",
  ],
] as const)("a body that is none of ours is a line too: %s", async ([body, line]) => {
  await deliver(body, {});
  expect(lines).toEqual([line]);
});

test("a public key of another form is refused", () => {
  for (const publicKey of ["whpk_", `whsec_${"A".repeat(43)}=`, `whpk_${"A".repeat(44)}`]) {
    expect(() => receiver.trust({ publicKey })).toThrow("whpk_ and 32 bytes");
  }
});

test("only a POST is a delivery", async () => {
  expect((await fetch(receiver.url)).status).toBe(405);
  expect(receiver.deliveries()).toEqual([]);
});
