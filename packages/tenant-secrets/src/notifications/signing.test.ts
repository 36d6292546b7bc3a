import { createPublicKey, createSecretKey, randomUUID, verify } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import { createEndpointSigning, publicKeyText, secretText, signatureHeader, webhookIdOf } from "./signing.ts";

const loads: (number | undefined)[] = [];
const signing = createEndpointSigning(async (keyVersion) => {
  loads.push(keyVersion);
  return { keyVersion: keyVersion ?? 2, root: createSecretKey(Buffer.alloc(32, keyVersion ?? 2)) };
});
const body = '{"type":"webhook.test"}';
const endpoint = { id: randomUUID(), secretNumber: 2, secretKeyVersion: 2, previousKeyVersion: 1 };

function sent(signature: string, timestamp: number): Record<string, string> {
  return { "webhook-id": "msg_1", "webhook-timestamp": String(timestamp), "webhook-signature": signature };
}

test("the library of Standard Webhooks accepts the header by the current and by the previous secret", async () => {
  const keys = await signing.keysOf(endpoint);
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = signatureHeader(keys, { id: "msg_1", timestamp, body });
  for (const each of keys)
    expect(new Webhook(secretText(each)).verify(body, sent(signature, timestamp))).toEqual(JSON.parse(body));
  const [other] = await signing.keysOf({ ...endpoint, id: randomUUID() });
  expect(() => new Webhook(secretText(other)).verify(body, sent(signature, timestamp))).toThrow(
    "No matching signature found",
  );
});

test("a previous secret that has ended signs nothing", async () => {
  const [, previous] = await signing.keysOf(endpoint);
  const current = await signing.keysOf({ ...endpoint, previousKeyVersion: null });
  expect(current).toHaveLength(1);
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = signatureHeader(current, { id: "msg_1", timestamp, body });
  if (previous === undefined) throw new Error("an overlap has two pairs");
  expect(() => new Webhook(secretText(previous)).verify(body, sent(signature, timestamp))).toThrow(
    "No matching signature found",
  );
});

test("each v1a is an Ed25519 signature of the id, the time and the exact body", async () => {
  const [keys] = await signing.keysOf(endpoint);
  const header = signatureHeader([keys], { id: "msg_1", timestamp: 1_764_460_800, body });
  const raw = Buffer.from(publicKeyText(keys).replace("whpk_", ""), "base64");
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
  const signature = Buffer.from(/v1a,(\S+)/.exec(header)?.[1] ?? "", "base64");
  const verifies = (text: string) => verify(null, Buffer.from(text, "utf8"), publicKey, signature);
  expect(verifies(`msg_1.1764460800.${body}`)).toBe(true);
  expect(verifies(`msg_1.1764460801.${body}`)).toBe(false);
  expect(verifies(`msg_1.1764460800.${body} `)).toBe(false);
});

test("secrets differ by endpoint, number and key, and are the same each time", async () => {
  const texts = await Promise.all(
    [
      endpoint,
      endpoint,
      { ...endpoint, id: randomUUID() },
      { ...endpoint, secretNumber: 3 },
      { ...endpoint, secretKeyVersion: 1 },
    ].map(async (each) => secretText((await signing.keysOf(each))[0])),
  );
  expect(new Set(texts).size).toBe(4);
  expect(texts[0]).toBe(texts[1]);
});

test("each key is loaded once, and a failed load is tried again", async () => {
  const before = loads.length;
  await signing.keysOf(endpoint);
  expect(loads.length).toBe(before);
  let fails = true;
  const failing = createEndpointSigning(async (keyVersion = 1) => {
    if (fails) throw new Error("unavailable");
    return { keyVersion, root: createSecretKey(Buffer.alloc(32, 1)) };
  });
  await expect(failing.keysOf(endpoint)).rejects.toThrow("unavailable");
  fails = false;
  await expect(failing.keysOf(endpoint)).resolves.toHaveLength(2);
});

test("the id of a message holds no full stop", () => {
  expect(webhookIdOf("0192f0c0-0000-7000-8000-000000000001")).toBe("msg_0192f0c0000070008000000000000001");
});
