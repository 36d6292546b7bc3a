import { createCipheriv, createHash, createHmac, createSecretKey, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import {
  companyKeyCheck,
  deriveCompanyKey,
  deriveMasterKey,
  expandMasterKey,
  fingerprint,
  requestMac,
} from "./derivation.ts";
import { decryptValue, unwrapExternal, unwrapKey } from "./envelope.ts";
import { headMac, isGenuineHead, type HeadState } from "./head-mac.ts";
import { isGenuineRow, rowMac, type RowState } from "./row-mac.ts";

// All of this file but its imports follows the text of docs/envelope.md, and shares no line with the product.

const Vectors = z.strictObject({
  masterKeys: z.array(
    z.strictObject({
      text: z.string(),
      region: z.string(),
      version: z.int(),
      wrappingKey: z.string(),
      checkValue: z.string(),
    }),
  ),
  wraps: z.array(
    z.strictObject({
      kind: z.enum(["company-key", "audit-key"]),
      owner: z.string(),
      keyVersion: z.int(),
      region: z.string(),
      masterKeyVersion: z.int(),
      secret: z.string(),
      iv: z.string(),
      wrapped: z.string(),
    }),
  ),
  externalWrap: z.strictObject({
    owner: z.string(),
    keyVersion: z.int(),
    region: z.string(),
    masterKeyVersion: z.int(),
    externalKey: z.string(),
    ciphertext: z.string(),
    check: z.string(),
    iv: z.string(),
    wrapped: z.string(),
  }),
  companyKey: z.strictObject({
    companyId: z.string(),
    keyVersion: z.int(),
    secret: z.string(),
    valueKey: z.string(),
    fingerprintKey: z.string(),
    headKey: z.string(),
  }),
  values: z.array(
    z.strictObject({
      secretKey: z.string(),
      version: z.int(),
      iv: z.string(),
      plaintext: z.string(),
      encrypted: z.string(),
      fingerprint: z.string(),
    }),
  ),
  request: z.strictObject({ fields: z.array(z.string()), mac: z.string() }),
  heads: z.array(z.strictObject({ fields: z.array(z.string()), mac: z.string() })),
  rowKey: z.strictObject({
    keyVersion: z.int(),
    secret: z.string(),
    rows: z.array(
      z.strictObject({ revision: z.int(), kind: z.string(), fields: z.array(z.string()), mac: z.string() }),
    ),
  }),
});

const page = readFileSync(new URL("../../../docs/envelope.md", import.meta.url), "utf8");
const vectors = Vectors.parse(JSON.parse(/^```json\n(.*?)^```$/ms.exec(page)?.[1] ?? ""));
const { companyKey } = vectors;
const hex = (text: string) => Buffer.from(text, "hex");

/** `F(a, b, …)` of the page. */
function encoded(...fields: readonly (string | number | Buffer)[]): Buffer {
  const bytes: number[] = [];
  for (const field of fields) {
    const utf8 = [...(Buffer.isBuffer(field) ? field : new TextEncoder().encode(String(field)))];
    for (const shift of [24, 16, 8, 0]) bytes.push((utf8.length >>> shift) & 255);
    bytes.push(...utf8);
  }
  return Buffer.from(bytes);
}

const hmac = (key: Buffer, data: Buffer) => createHmac("sha256", key).update(data).digest();

/** RFC 5869: extract, then expand block by block. */
function hkdf(
  secret: Buffer,
  salt: Buffer,
  { info, length }: { readonly info: Buffer; readonly length: number },
): Buffer {
  const pseudorandomKey = hmac(salt.length === 0 ? Buffer.alloc(32) : salt, secret);
  let block = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  for (let counter = 1; output.length < length; counter++) {
    block = hmac(pseudorandomKey, Buffer.concat([block, info, Buffer.from([counter])]));
    output = Buffer.concat([output, block]);
  }
  return output.subarray(0, length);
}

/** `H(secret, purpose…)` of the page. */
const derived = (secret: string, ...purpose: readonly (string | number)[]) =>
  hkdf(hex(secret), Buffer.alloc(0), { info: encoded("tenant-secrets/1", ...purpose), length: 32 });

/** Encrypts with a given IV, which the product never does. */
function encryptedWith(
  key: Buffer,
  iv: Buffer,
  { context, plaintext }: { readonly context: Buffer; readonly plaintext: Buffer },
): string {
  const cipher = createCipheriv("aes-256-gcm", key, iv, { authTagLength: 16 }).setAAD(context);
  const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return `${iv.toString("base64url")}.${body.toString("base64url")}`;
}

/** A second reader: another implementation of the cipher, with a base64url decoder of its own. */
async function openedWith(
  key: Buffer,
  head: string,
  { context, text }: { readonly context: Buffer; readonly text: string },
): Promise<Buffer> {
  if (!text.startsWith(`${head}.`)) throw new Error("another head");
  const parts = text.slice(head.length + 1).split(".");
  const [iv, body] = parts.map(decoded);
  if (parts.length !== 2 || iv?.length !== 12 || body === undefined || body.length <= 16)
    throw new Error("another form");
  const subtleKey = await webcrypto.subtle.importKey("raw", key, "AES-GCM", false, ["decrypt"]);
  const parameters = { name: "AES-GCM", iv, additionalData: context, tagLength: 128 };
  return Buffer.from(await webcrypto.subtle.decrypt(parameters, subtleKey, body));
}

function decoded(text: string): Buffer<ArrayBuffer> {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of text) {
    const sextet = alphabet.indexOf(character);
    if (sextet < 0) throw new Error("not base64url");
    held = (held << 6) | sextet;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push(held >>> bits);
      held &= (1 << bits) - 1;
    }
  }
  if (held !== 0 || bits === 6) throw new Error("not canonical");
  return Buffer.from(bytes);
}

describe.for(vectors.masterKeys)("the page's master key as version $version of region $region", (vector) => {
  const { text, region, version } = vector;

  test("derives to the wrapping key and the check value of the page", () => {
    const key = expandMasterKey(hex(text), region, version);
    expect(key.wrappingKey.export().toString("hex")).toBe(vector.wrappingKey);
    expect(key.checkValue).toBe(vector.checkValue);
  });

  test("derives to the same by the page's text alone", () => {
    expect(derived(text, "wrap", region, version).toString("hex")).toBe(vector.wrappingKey);
    expect(derived(text, "check", region, version).subarray(0, 16).toString("base64url")).toBe(
      vector.checkValue,
    );
  });

  test("is refused as a key of the product", () => {
    for (const spelling of [text, text.toUpperCase()]) {
      expect(() => deriveMasterKey(spelling, region, version)).toThrow(
        "is a sample or a pattern, not a random key",
      );
    }
  });
});

describe.for(vectors.wraps)(
  "the page's $kind under version $masterKeyVersion of region $region",
  (vector) => {
    const { kind, owner, keyVersion, region, masterKeyVersion, wrapped } = vector;
    const master = vectors.masterKeys.find(
      (key) => key.region === region && key.version === masterKeyVersion,
    );
    const wrappingKey = hex(master?.wrappingKey ?? "");
    const context = encoded("tk1", kind, owner, keyVersion, region, masterKeyVersion);

    test("unwraps", () => {
      const place = { kind, owner, keyVersion, region, masterKeyVersion };
      expect(unwrapKey(createSecretKey(wrappingKey), place, wrapped)).toEqual(hex(vector.secret));
    });

    test("is unwrapped by a second reader, and wrapped again to the same bytes", async () => {
      const head = `tk1.${region}.${masterKeyVersion}`;
      expect(await openedWith(wrappingKey, head, { context, text: wrapped })).toEqual(hex(vector.secret));
      expect(
        `${head}.${encryptedWith(wrappingKey, hex(vector.iv), { context, plaintext: hex(vector.secret) })}`,
      ).toBe(wrapped);
    });
  },
);

describe("the page's key that an external key has encrypted", () => {
  const { owner, keyVersion, region, masterKeyVersion, externalKey, ciphertext, check, iv, wrapped } =
    vectors.externalWrap;
  const master = vectors.masterKeys.find((key) => key.region === region && key.version === masterKeyVersion);
  const wrappingKey = hex(master?.wrappingKey ?? "");

  test("unwraps to the external key's name, ciphertext and check value", () => {
    const place = { kind: "company-key", owner, keyVersion, region, masterKeyVersion } as const;
    expect(unwrapExternal(createSecretKey(wrappingKey), place, wrapped)).toEqual({
      externalKey,
      ciphertext: hex(ciphertext),
      check: hex(check),
    });
    expect(companyKeyCheck(hex(companyKey.secret), owner, keyVersion)).toEqual(hex(check));
  });

  test("is wrapped by a second reader to the same bytes", () => {
    expect(derived(companyKey.secret, "check", owner, keyVersion).subarray(0, 16)).toEqual(hex(check));
    const context = encoded("tx1", "company-key", owner, keyVersion, region, masterKeyVersion);
    const plaintext = encoded(externalKey, hex(ciphertext), hex(check));
    const text = encryptedWith(wrappingKey, hex(iv), { context, plaintext });
    expect(`tx1.${region}.${masterKeyVersion}.${text}`).toBe(wrapped);
  });
});

test("the page's company key derives to the three keys of the page, also by its text alone", () => {
  const { secret, companyId, keyVersion, valueKey, fingerprintKey, headKey } = companyKey;
  const key = deriveCompanyKey(hex(secret), companyId, keyVersion);
  expect(key.valueKey.export().toString("hex")).toBe(valueKey);
  expect(key.fingerprintKey.export().toString("hex")).toBe(fingerprintKey);
  expect(key.headKey.export().toString("hex")).toBe(headKey);
  expect(derived(secret, "value", companyId, keyVersion).toString("hex")).toBe(valueKey);
  expect(derived(secret, "fingerprint", companyId, keyVersion).toString("hex")).toBe(fingerprintKey);
  expect(derived(secret, "head", companyId, keyVersion).toString("hex")).toBe(headKey);
});

const untouched = {
  canary: null,
  pendingVersion: null,
  expiresAtMs: null,
  recoverUntilMs: null,
  removed: false,
  purged: false,
};
/** The heads of the page, in its order, as the product has them. */
const headStates: readonly Omit<HeadState, "companyId">[] = [
  {
    ...untouched,
    secretKey: "STRIPE_SECRET_KEY",
    currentVersion: 2,
    lastVersion: 2,
    origin: "written",
    graceWindows: null,
  },
  {
    ...untouched,
    secretKey: "OAUTH_GOOGLE",
    currentVersion: 5,
    pendingVersion: 6,
    lastVersion: 6,
    origin: "infisical",
    expiresAtMs: Date.UTC(2027, 0, 1),
    graceWindows: [
      { version: 4, until: "2026-12-01T00:00:00.000Z" },
      { version: 3, until: "2026-11-30T12:00:00.000Z" },
    ],
  },
  {
    ...untouched,
    secretKey: "CUSTOM_POS",
    currentVersion: 13,
    lastVersion: 13,
    origin: "written",
    removed: true,
    recoverUntilMs: Date.UTC(2026, 11, 1),
    graceWindows: [],
  },
  {
    ...untouched,
    secretKey: "CUSTOM_GONE",
    currentVersion: null,
    lastVersion: 0,
    origin: "written",
    removed: true,
    graceWindows: null,
  },
  {
    ...untouched,
    secretKey: "SENDGRID_API_KEY",
    currentVersion: 7,
    pendingVersion: 8,
    lastVersion: 8,
    origin: "written",
    graceWindows: null,
    canary: { version: 8, beside: 7, percent: 10, until: "2026-12-01T00:00:00.000Z" },
  },
];

test.for(vectors.heads.map((vector, i) => [vector.fields[0], vector, headStates[i]] as const))(
  "the page's head of %s has the MAC of the page, also by its text alone, and no other state has it",
  ([, { fields, mac }, state]) => {
    const { secret, companyId, keyVersion } = companyKey;
    if (state === undefined) throw new Error("the page has a head that this test does not know");
    const key = deriveCompanyKey(hex(secret), companyId, keyVersion);
    const head = { companyId, ...state };
    expect(headMac(key, head).toString("hex")).toBe(mac);
    const text = encoded("tenant-secrets/head/1", keyVersion, companyId, ...fields);
    expect(hmac(hex(companyKey.headKey), text).toString("hex")).toBe(mac);
    expect(isGenuineHead(key, head, { macKeyVersion: keyVersion, mac: hex(mac) })).toBe(true);
    expect(isGenuineHead(key, head, { macKeyVersion: keyVersion + 1, mac: hex(mac) })).toBe(false);
    expect(isGenuineHead(key, { ...head, purged: true }, { macKeyVersion: keyVersion, mac: hex(mac) })).toBe(
      false,
    );
    const canary = { version: 8, beside: 7, percent: 50, until: "2026-12-01T00:00:00.000Z" };
    expect(isGenuineHead(key, { ...head, canary }, { macKeyVersion: keyVersion, mac: hex(mac) })).toBe(false);
    expect(
      isGenuineHead(key, { ...head, companyId: other }, { macKeyVersion: keyVersion, mac: hex(mac) }),
    ).toBe(false);
  },
);

describe.for(vectors.values)("the page's value of $secretKey, version $version", (vector) => {
  const { secretKey, version, encrypted } = vector;
  const { companyId, keyVersion } = companyKey;
  const plaintext = Buffer.from(vector.plaintext, "utf8");
  const context = encoded("ts1", companyId, secretKey, version, keyVersion);

  test("decrypts", () => {
    const key = createSecretKey(hex(companyKey.valueKey));
    expect(
      decryptValue(key, { companyId, secretKey, version, companyKeyVersion: keyVersion }, encrypted),
    ).toEqual(plaintext);
  });

  test("is decrypted by a second reader, and encrypted again to the same bytes", async () => {
    expect(
      await openedWith(hex(companyKey.valueKey), `ts1.${keyVersion}`, { context, text: encrypted }),
    ).toEqual(plaintext);
    expect(
      `ts1.${keyVersion}.${encryptedWith(hex(companyKey.valueKey), hex(vector.iv), { context, plaintext })}`,
    ).toBe(encrypted);
  });

  test("has the fingerprint of the page, also by its text alone", () => {
    expect(fingerprint(deriveCompanyKey(hex(companyKey.secret), companyId, keyVersion), plaintext)).toBe(
      vector.fingerprint,
    );
    const byText = hmac(hex(companyKey.fingerprintKey), encoded("value", vector.plaintext));
    expect(byText.toString("base64url")).toBe(vector.fingerprint);
  });
});

test("the page's request has the MAC of the page, also by its text alone", () => {
  const { fields, mac } = vectors.request;
  const key = deriveCompanyKey(hex(companyKey.secret), companyKey.companyId, companyKey.keyVersion);
  expect(requestMac(key, fields)).toBe(mac);
  expect(hmac(hex(companyKey.fingerprintKey), encoded("request", ...fields)).toString("base64url")).toBe(mac);
});

const [company, other] = [companyKey.companyId, "0198c0de-5eed-7a11-8bad-0ddba11c0fff"];
const user = "0198c0de-5eed-7a22-8bad-0ddba11c0ffe";
const operator = "0198c0de-5eed-7a44-8bad-0ddba11c0ffe";
const hash = createHash("sha256").update("fake").digest("hex");
const lasting = { expiresAtMs: Date.UTC(2027, 0, 1), revoked: false };
const apiKey = { id: "0198c0de-5eed-7a33-8bad-0ddba11c0ffe", prefix: "0123456789abcdef", hash, ...lasting };
/** The rows of the page, in its order, as the product has them. */
const rowStates: readonly RowState[] = [
  {
    kind: "company",
    id: company,
    subdomain: "acmecorp",
    infisicalFolder: "acmecorp",
    secretStore: "hybrid",
    storeEpoch: 3,
    status: "active",
    secondFactorRequired: true,
    homeRegion: "default",
    homeEpoch: 1,
  },
  {
    kind: "api-key",
    ...apiKey,
    companyId: null,
    verbs: ["use", "describe"],
    keyPatterns: ["STRIPE_*"],
    addresses: null,
    companyIds: [other, company],
    createdByKind: "operator",
    createdById: operator,
  },
  {
    kind: "api-key",
    ...apiKey,
    companyId: company,
    verbs: ["use"],
    keyPatterns: ["*"],
    addresses: ["192.0.2.0/24", "2001:db8::/32"],
    companyIds: [],
    createdByKind: "user",
    createdById: user,
    revoked: true,
  },
  {
    kind: "operator",
    id: operator,
    tokenPrefix: "fedcba9876543210",
    tokenHash: hash,
    userId: null,
    ...lasting,
  },
  {
    kind: "operator",
    id: "0198c0de-5eed-7a88-8bad-0ddba11c0ffe",
    tokenPrefix: null,
    tokenHash: null,
    userId: user,
    ...lasting,
  },
  { kind: "user", id: user, email: "owner@example.com", disabled: false },
  { kind: "membership", companyId: company, userId: user, role: "owner" },
  {
    kind: "invitation",
    id: "0198c0de-5eed-7a55-8bad-0ddba11c0ffe",
    companyId: company,
    email: "admin@example.com",
    role: "admin",
    tokenHash: hash,
    invitedByKind: "user",
    invitedById: user,
    expiresAtMs: 1798761600000,
    closed: false,
  },
  {
    kind: "approval",
    id: "0198c0de-5eed-7a66-8bad-0ddba11c0ffe",
    action: "key.destroy",
    parameters: '{"region":"default","version":1}',
    requestedBy: operator,
    expiresAtMs: 1798761600000,
    givenBy: "0198c0de-5eed-7a77-8bad-0ddba11c0ffe",
    refusedBy: null,
    used: true,
  },
  {
    kind: "region",
    region: "us",
    address: "https://us.example.com",
    transportKeyVersion: 2,
    transportKey: "pAOyUaT85cy9Jop0a3c68JTLgpxUFjcPG9-I4aZM6hU",
    signingKeyVersion: 1,
    signingKey: "TAufkLk39WxxGatXHAkiyVPC16q2FlrdbFFuXS8W7H0",
    removed: false,
  },
  { kind: "company-region", companyId: company, region: "us" },
  {
    kind: "company",
    id: company,
    subdomain: "acmecorp",
    infisicalFolder: "acmecorp",
    secretStore: "database",
    storeEpoch: 4,
    status: "active",
    secondFactorRequired: true,
    homeRegion: "us",
    homeEpoch: 2,
  },
];

test.for(vectors.rowKey.rows.map((vector, i) => [vector.kind, vector, rowStates[i]] as const))(
  "the page's %s has the MAC of the page, also by its text alone, and no other revision has it",
  ([kind, { revision, fields, mac }, state]) => {
    const { keyVersion, secret } = vectors.rowKey;
    const key = { keyVersion, macKey: createSecretKey(hex(secret)) };
    if (state === undefined) throw new Error("the page has a row that this test does not know");
    expect(rowMac(key, state, revision).toString("hex")).toBe(mac);
    const text = encoded("tenant-secrets/row/1", keyVersion, revision, kind, ...fields);
    expect(hmac(hex(secret), text).toString("hex")).toBe(mac);
    expect(isGenuineRow(key, state, { revision, mac: hex(mac) })).toBe(true);
    expect(isGenuineRow(key, state, { revision: revision + 1, mac: hex(mac) })).toBe(false);
    expect(isGenuineRow({ ...key, keyVersion: keyVersion + 1 }, state, { revision, mac: hex(mac) })).toBe(
      false,
    );
    expect(isGenuineRow(key, state, { revision, mac: hex(mac).subarray(0, 16) })).toBe(false);
  },
);

// RFC 5869, appendix A.1 to A.3.
test.for([
  {
    secret: "0b".repeat(22),
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  },
  {
    secret: Buffer.from(Array.from({ length: 80 }, (_, i) => i)).toString("hex"),
    salt: Buffer.from(Array.from({ length: 80 }, (_, i) => 0x60 + i)).toString("hex"),
    info: Buffer.from(Array.from({ length: 80 }, (_, i) => 0xb0 + i)).toString("hex"),
    output:
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c" +
      "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    secret: "0b".repeat(22),
    salt: "",
    info: "",
    output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  },
])("the derivation of this test is the standard's: $output", ({ secret, salt, info, output }) => {
  expect(hkdf(hex(secret), hex(salt), { info: hex(info), length: output.length / 2 }).toString("hex")).toBe(
    output,
  );
});

// McGrew and Viega, The Galois/Counter Mode of Operation, test cases 14 to 16.
const gcmPlaintext =
  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const gcmCiphertext =
  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
const gcmKey = "feffe9928665731c6d6a8f9467308308".repeat(2);
test.for([
  {
    key: "00".repeat(32),
    iv: "00".repeat(12),
    context: "",
    plaintext: "00".repeat(16),
    body: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
  },
  {
    key: gcmKey,
    iv: "cafebabefacedbaddecaf888",
    context: "",
    plaintext: gcmPlaintext,
    body: `${gcmCiphertext}b094dac5d93471bdec1a502270e3cc6c`,
  },
  {
    key: gcmKey,
    iv: "cafebabefacedbaddecaf888",
    context: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    plaintext: gcmPlaintext.slice(0, -8),
    body: `${gcmCiphertext.slice(0, -8)}76fc6ece0f4e1768cddf8853bb2d551b`,
  },
])(
  "the two ciphers of this test are the standard's: $body",
  async ({ key, iv, context, plaintext, body }) => {
    const text = encryptedWith(hex(key), hex(iv), { context: hex(context), plaintext: hex(plaintext) });
    expect(text).toBe(`${hex(iv).toString("base64url")}.${hex(body).toString("base64url")}`);
    expect(await openedWith(hex(key), "x", { context: hex(context), text: `x.${text}` })).toEqual(
      hex(plaintext),
    );
  },
);
