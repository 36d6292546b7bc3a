import { randomBytes } from "node:crypto";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { createAwsKms } from "./aws-kms.ts";
import { startLocalKms, type KmsFault } from "./emulator/index.ts";
import { ExternalKeyFailure, type ExternalKeys } from "./external-keys.ts";
import { parseKeyArn } from "./key-arn.ts";

const kms = await startLocalKms();
afterAll(() => kms.stop());
afterEach(() => kms.fail(undefined));

const deadlineMs = 1500;
const keys = createAwsKms({ ...kms, deadlineMs });
const context = { company: "0198c0de-5eed-7a11-8bad-0ddba11c0ffe", keyVersion: "2" };

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof ExternalKeyFailure) return `${error.fault}: ${error.message}`;
  throw error ?? new Error("nothing was refused");
}

async function encrypted(by: ExternalKeys = keys) {
  const key = kms.addKey();
  const secret = randomBytes(32);
  return { key, secret, ciphertext: await by.encrypt(key.arn, secret, context) };
}

test("what a key encrypted decrypts by the same key for the same context", async () => {
  const { key, secret, ciphertext } = await encrypted();
  expect(ciphertext.includes(secret)).toBe(false);
  expect(await keys.decrypt(key.arn, ciphertext, context)).toEqual(secret);
});

test("another key, another context and a changed ciphertext are wrong, and are not called unavailable", async () => {
  const { key, ciphertext } = await encrypted();
  const other = kms.addKey();
  const changed = Buffer.from(ciphertext);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  expect(await failure(keys.decrypt(other.arn, ciphertext, context))).toMatch(/^wrong: /);
  expect(await failure(keys.decrypt(key.arn, ciphertext, { ...context, keyVersion: "3" }))).toMatch(
    /^wrong: /,
  );
  expect(await failure(keys.decrypt(key.arn, changed, context))).toMatch(/^wrong: /);
});

test("a disabled key, a grant that was revoked and a key that is gone are denied, and open again when they are back", async () => {
  const { key, secret, ciphertext } = await encrypted();
  const open = () => keys.decrypt(key.arn, ciphertext, context);
  key.enabled = false;
  expect(await failure(open())).toBe("denied: the key is disabled");
  key.enabled = true;
  key.granted = false;
  expect(await failure(open())).toBe("denied: the key's policy does not allow it");
  key.granted = true;
  expect(await open()).toEqual(secret);
  kms.destroyKey(key.arn);
  expect(await failure(open())).toBe("denied: there is no such key");
});

test("a request that is signed by other credentials is denied", async () => {
  const { key, ciphertext } = await encrypted();
  const stranger = createAwsKms({
    url: kms.url,
    credentials: { ...kms.credentials, secretAccessKey: "fake-other-secret" },
  });
  expect(await failure(stranger.decrypt(key.arn, ciphertext, context))).toBe(
    "denied: the credentials of this deployment are not valid",
  );
});

describe("a KMS that does not work", () => {
  const faults: readonly (readonly [string, KmsFault, RegExp])[] = [
    ["fails", { kind: "status", status: 500 }, /^unavailable: /],
    ["throttles", { kind: "status", status: 400, type: "ThrottlingException" }, /^unavailable: /],
    ["resets connections", { kind: "reset" }, /^unavailable: /],
    ["never answers", { kind: "hang" }, /^unavailable: /],
    ["begins an answer and does not end it", { kind: "stall" }, /^unavailable: /],
    ["answers a page", { kind: "text", text: "<html>502 AKIAFAKE</html>" }, /^unavailable: /],
    ["answers nothing", { kind: "text", text: "{}" }, /^wrong: /],
    [
      "answers more than it may",
      { kind: "text", text: " ".repeat(70_000) },
      /^wrong: its answer is too long/,
    ],
    ["answers a key of 31 bytes", { kind: "plaintext", bytes: 31 }, /^wrong: /],
    ["answers an empty key", { kind: "plaintext", bytes: 0 }, /^wrong: /],
  ];
  test.each(faults)("%s", async (_, fault, expected) => {
    const { key, ciphertext } = await encrypted();
    kms.fail(fault);
    const startedAt = performance.now();
    const message = await failure(keys.decrypt(key.arn, ciphertext, context));
    expect(message).toMatch(expected);
    expect(message).not.toContain("AKIAFAKE");
    expect(performance.now() - startedAt).toBeLessThan(deadlineMs + 1000);
  });

  test("is tried a second time, and not a third", async () => {
    const { key, ciphertext } = await encrypted();
    const before = kms.calls.length;
    kms.fail({ kind: "status", status: 500 });
    await failure(keys.decrypt(key.arn, ciphertext, context));
    expect(kms.calls.length - before).toBe(2);
  });

  test("that cannot be reached is unavailable", async () => {
    const gone = await startLocalKms();
    await gone.stop();
    const { key, ciphertext } = await encrypted();
    const unreachable = createAwsKms({ url: gone.url, credentials: gone.credentials, deadlineMs });
    expect(await failure(unreachable.decrypt(key.arn, ciphertext, context))).toMatch(/^unavailable: /);
  });
});

const good = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

test("the ARN of a key says its region and account", () => {
  expect(parseKeyArn(good)).toEqual({ arn: good, region: "eu-central-1", account: "111122223333" });
  expect(parseKeyArn("arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234")).toBeDefined();
});

test.each([
  "",
  "1234abcd-12ab-34cd-56ef-1234567890ab",
  "alias/acme",
  "arn:aws:kms:eu-central-1:111122223333:alias/acme",
  "arn:aws:kms::111122223333:key/1234",
  "arn:aws:kms:evil.example.com#:111122223333:key/1234",
  "arn:aws:kms:eu-central-1.evil.example.com:111122223333:key/1234",
  "arn:aws:kms:../x-1:111122223333:key/1234",
  "arn:aws:s3:eu-central-1:111122223333:key/1234",
  `${good}/../other`,
  `${good}\0`,
  `${good}\n`,
  ` ${good}`,
  `arn:aws:kms:eu-central-1:111122223333:key/${"a".repeat(65_537)}`,
  "__proto__",
])("a text is not taken for the ARN of a key: %j", async (text) => {
  expect(parseKeyArn(text)).toBeUndefined();
  const before = kms.calls.length;
  expect(await failure(keys.encrypt(text, randomBytes(32), context))).toMatch(/^denied: /);
  expect(kms.calls.length).toBe(before);
});
