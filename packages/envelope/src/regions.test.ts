import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  verify,
  webcrypto,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { ed25519KeyOf } from "./derivation.ts";
import { x25519KeyOf, x25519PublicBytes } from "./hpke.ts";
import {
  type CopyState,
  decryptFromRegion,
  encryptToRegion,
  isSignedCopy,
  regionFingerprint,
  signCopy,
} from "./regions.ts";

const Hex = z.string().transform((text) => Buffer.from(text, "hex"));
const Vectors = z.strictObject({
  region: z.strictObject({
    name: z.string(),
    transportKeyVersion: z.int(),
    transportSecret: Hex,
    transportKey: Hex,
    signingKeyVersion: z.int(),
    signingSecret: Hex,
    signingKey: Hex,
    fingerprint: z.string(),
  }),
  transport: z.strictObject({
    companyId: z.string(),
    keyVersion: z.int(),
    from: z.string(),
    to: z.string(),
    transportKeyVersion: z.int(),
    ephemeralSecret: Hex,
    secret: Hex,
    encrypted: z.string(),
  }),
  copies: z.array(
    z.strictObject({
      fields: z.tuple([
        z.string(),
        z.string(),
        z.enum(["company", "key", "secret"]),
        z.string(),
        z.string(),
        z.string(),
        z.string(),
        z.string(),
      ]),
      signature: Hex,
    }),
  ),
});
const page = readFileSync(new URL("../../../docs/envelope.md", import.meta.url), "utf8");
const [, json = ""] = [...page.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text = ""]) => text);
const { region, transport, copies } = Vectors.parse(JSON.parse(json));
const { companyId, keyVersion, from, to, transportKeyVersion } = transport;
const place = { companyId, keyVersion, from, to, transportKeyVersion };
const privateKey = x25519KeyOf(region.transportSecret);

/** `F(a, b, …)` of the page. */
function encoded(...fields: readonly (string | number | Buffer)[]): Buffer {
  const parts = fields.flatMap((field) => {
    const bytes = Buffer.isBuffer(field) ? field : Buffer.from(String(field), "utf8");
    return [Buffer.from([bytes.length >>> 24, bytes.length >>> 16, bytes.length >>> 8, bytes.length]), bytes];
  });
  return Buffer.concat(parts);
}

const ascii = (text: string) => Buffer.from(text, "latin1");
const hmac = (key: Buffer, ...data: readonly Buffer[]) =>
  createHmac("sha256", key).update(Buffer.concat(data)).digest();

/** A second reader: RFC 9180 by its text, with another implementation of the cipher. */
async function openedByText(encrypted: string): Promise<Buffer> {
  const message = Buffer.from(encrypted.split(".")[3] ?? "", "base64url");
  const [enc, body] = [message.subarray(0, 32), message.subarray(32)];
  const der = (prefix: string, key: Buffer) => Buffer.concat([Buffer.from(prefix, "hex"), key]);
  const dh = diffieHellman({
    privateKey: createPrivateKey({
      key: der("302e020100300506032b656e04220420", region.transportSecret),
      format: "der",
      type: "pkcs8",
    }),
    publicKey: createPublicKey({ key: der("302a300506032b656e032100", enc), format: "der", type: "spki" }),
  });
  const kem = ascii("HPKE-v1KEM\x00\x20");
  const suite = ascii("HPKE-v1HPKE\x00\x20\x00\x01\x00\x02");
  const zeros = Buffer.alloc(32);
  const one = Buffer.from([1]);
  const prk = hmac(zeros, kem, ascii("eae_prk"), dh);
  const shared = hmac(prk, ascii("\x00\x20"), kem, ascii("shared_secret"), enc, region.transportKey, one);
  const pskIdHash = hmac(zeros, suite, ascii("psk_id_hash"));
  const infoHash = hmac(zeros, suite, ascii("info_hash"), encoded("tenant-secrets/1", "transport"));
  const context = Buffer.concat([Buffer.from([0]), pskIdHash, infoHash]);
  const secret = hmac(shared, suite, ascii("secret"));
  const key = hmac(secret, ascii("\x00\x20"), suite, ascii("key"), context, one);
  const iv = hmac(secret, ascii("\x00\x0c"), suite, ascii("base_nonce"), context, one).subarray(0, 12);
  const additionalData = encoded("tr1", companyId, keyVersion, from, to, transportKeyVersion);
  const subtleKey = await webcrypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const parameters = { name: "AES-GCM", iv, additionalData, tagLength: 128 };
  return Buffer.from(await webcrypto.subtle.decrypt(parameters, subtleKey, body));
}

describe("the page's company key for another region", () => {
  test("decrypts, also by its text alone", async () => {
    expect(decryptFromRegion(privateKey, place, transport.encrypted)).toEqual(transport.secret);
    expect(await openedByText(transport.encrypted)).toEqual(transport.secret);
  });

  test("is encrypted differently each time, in the same form, and that opens by the text as well", async () => {
    const encrypted = encryptToRegion(region.transportKey, place, transport.secret);
    expect(encrypted).not.toBe(transport.encrypted);
    expect(encrypted).toMatch(/^tr1\.us\.2\.[\w-]{107}$/);
    expect(await openedByText(encrypted)).toEqual(transport.secret);
  });

  test("opens for no other company, number, region on either side, or transport key", () => {
    for (const other of [
      { companyId: companyId.replace("c0ffe", "c0fff") },
      { keyVersion: 4 },
      { from: "us" },
      { to: "eu" },
      { transportKeyVersion: 1 },
    ])
      expect(() => decryptFromRegion(privateKey, { ...place, ...other }, transport.encrypted)).toThrow(
        expect.objectContaining({ code: "INTEGRITY_FAILURE" }),
      );
    expect(() =>
      decryptFromRegion(x25519KeyOf(transport.ephemeralSecret), place, transport.encrypted),
    ).toThrow(expect.objectContaining({ code: "INTEGRITY_FAILURE" }));
  });

  test("has one spelling", () => {
    const [head, body] = [transport.encrypted.slice(0, 9), transport.encrypted.slice(9)];
    for (const spelling of [
      "",
      head,
      `tr2${transport.encrypted.slice(3)}`,
      ` ${transport.encrypted}`,
      `${transport.encrypted}\n`,
      `${transport.encrypted}=`,
      `${transport.encrypted}.`,
      `${transport.encrypted}A`,
      `tr1.us.02.${body}`,
      `tr1.US.2.${body}`,
      `tr1.us.2.${body.slice(0, -1)}`,
      // The last character has four bits to spare.
      `tr1.us.2.${body.slice(0, -1)}p`,
      `tr1.us.2.${Buffer.from(body, "base64url").toString("base64")}`,
    ])
      expect(() => decryptFromRegion(privateKey, place, spelling), spelling).toThrow(
        expect.objectContaining({ code: "INTEGRITY_FAILURE" }),
      );
  });

  test("is a key of 32 bytes, and nothing else is encrypted", () => {
    expect(() => encryptToRegion(region.transportKey, place, Buffer.alloc(31, 1))).toThrow(RangeError);
  });
});

test.for(copies.map((vector) => [vector.fields[2], vector] as const))(
  "the page's copy of kind %s has the signature of the page, also by its text alone, and no other copy has it",
  ([, { fields, signature }]) => {
    const [targetRegion, ofCompany, kind, name, homeRegion, homeEpoch, revision, body] = fields;
    const copy: CopyState = {
      targetRegion,
      companyId: ofCompany,
      kind,
      name,
      homeRegion,
      homeEpoch: Number(homeEpoch),
      revision,
      body,
    };
    expect(signCopy(ed25519KeyOf(region.signingSecret), copy)).toEqual(signature);
    const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), region.signingKey]);
    const publicKey = createPublicKey({ key: spki, format: "der", type: "spki" });
    expect(verify(null, encoded("tenant-secrets/copy/1", ...fields), publicKey, signature)).toBe(true);
    expect(isSignedCopy(region.signingKey, copy, signature)).toBe(true);
    const others: readonly Partial<CopyState>[] = [
      { targetRegion: "eu" },
      { companyId: ofCompany.replace("c0ffe", "c0fff") },
      { kind: "secret" },
      { name: `${name}0` },
      { homeRegion: "us" },
      { homeEpoch: copy.homeEpoch + 1 },
      { revision: `${revision}0` },
      { body: `${body} ` },
      // The same characters, parted elsewhere.
      { homeRegion: `${homeRegion}${homeEpoch.slice(0, 1)}` },
    ];
    for (const other of others)
      expect(isSignedCopy(region.signingKey, { ...copy, ...other }, signature)).toBe(false);
    expect(isSignedCopy(region.transportKey, copy, signature)).toBe(false);
    expect(isSignedCopy(region.signingKey, copy, signature.subarray(1))).toBe(false);
    expect(isSignedCopy(region.signingKey, copy, Buffer.alloc(0))).toBe(false);
  },
);

test("the page's region has the keys and the fingerprint of the page, also by its text alone", () => {
  expect(x25519PublicBytes(privateKey)).toEqual(region.transportKey);
  const { name, transportKey, signingKey, signingKeyVersion, fingerprint } = region;
  expect(regionFingerprint({ ...region, region: name })).toBe(fingerprint);
  const text = encoded(
    "tenant-secrets/region/1",
    name,
    region.transportKeyVersion,
    transportKey,
    signingKeyVersion,
    signingKey,
  );
  expect(createHash("sha256").update(text).digest("hex")).toBe(fingerprint.replaceAll(" ", ""));
  expect(regionFingerprint({ ...region, region: "eu" })).not.toBe(fingerprint);
});
