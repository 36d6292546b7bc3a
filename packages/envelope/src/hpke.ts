import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";

// RFC 9180, base mode, one message for each encapsulation (6.1): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

const kemSuite = Buffer.from("KEM\x00\x20", "latin1");
const hpkeSuite = Buffer.from("HPKE\x00\x20\x00\x01\x00\x02", "latin1");
const baseMode = 0;
const none = Buffer.alloc(0);
/** Nh of HKDF-SHA256, Nsecret of the KEM and Nk of the cipher. */
const keyBytes = 32;
/** Nn of AES-256-GCM. */
const nonceBytes = 12;
const cipher = "aes-256-gcm";
const withFullTag = { authTagLength: 16 } as const;

/** The bytes of a public key of X25519 (RFC 7748), which is also what an encapsulation is. */
export const x25519Bytes = 32;
const tagBytes = 16;
/** What comes before the 32 bytes in SPKI and in PKCS #8 (RFC 8410, 4 and 7). */
const spkiPrefix = Buffer.from("302a300506032b656e032100", "hex");
const pkcs8Prefix = Buffer.from("302e020100300506032b656e04220420", "hex");

/** What a message is bound to: both are authenticated, and neither is in the message. */
export interface HpkeContext {
  readonly info: Buffer;
  readonly aad: Buffer;
}

/** @param secret the 32 bytes of a private key of X25519 */
export function x25519KeyOf(secret: Buffer): KeyObject {
  const key = Buffer.concat([pkcs8Prefix, secret]);
  try {
    return createPrivateKey({ key, format: "der", type: "pkcs8" });
  } finally {
    key.fill(0);
  }
}

/** @param privateKey of X25519 @returns the 32 bytes of its public half */
export function x25519PublicBytes(privateKey: KeyObject): Buffer {
  return rawOf(createPublicKey(privateKey));
}

/**
 * Encrypts one message to the holder of a private key. It proves nothing about its sender.
 *
 * @param publicKey 32 bytes
 * @param ephemeral for test vectors alone; default: a new pair
 * @returns the encapsulation of 32 bytes, then the ciphertext, then the tag of 16 bytes
 * @throws {Error} for a public key of small order, whose shared secret everybody knows
 */
export function sealTo(
  publicKey: Buffer,
  { info, aad, plaintext }: HpkeContext & { readonly plaintext: Buffer },
  ephemeral: KeyObject = generateKeyPairSync("x25519").privateKey,
): Buffer {
  const enc = x25519PublicBytes(ephemeral);
  const shared = sharedSecretOf(ephemeral, publicKey, Buffer.concat([enc, publicKey]));
  return withKeys(shared, info, ({ key, nonce }) => {
    const sealing = createCipheriv(cipher, key, nonce, withFullTag).setAAD(aad);
    return Buffer.concat([enc, sealing.update(plaintext), sealing.final(), sealing.getAuthTag()]);
  });
}

/**
 * Decrypts what `sealTo` returned for the same context.
 *
 * @param privateKey of X25519
 * @throws {Error} for every message that was not encrypted to this key and context
 */
export function openFrom(privateKey: KeyObject, { info, aad }: HpkeContext, message: Buffer): Buffer {
  if (message.length < x25519Bytes + tagBytes) throw new Error("The message is too short.");
  const enc = message.subarray(0, x25519Bytes);
  const context = Buffer.concat([enc, x25519PublicBytes(privateKey)]);
  return withKeys(sharedSecretOf(privateKey, enc, context), info, ({ key, nonce }) => {
    const opening = createDecipheriv(cipher, key, nonce, withFullTag).setAAD(aad);
    opening.setAuthTag(message.subarray(-tagBytes));
    const plaintext = opening.update(message.subarray(x25519Bytes, -tagBytes));
    try {
      opening.final();
      return plaintext;
    } catch (error) {
      plaintext.fill(0);
      throw error;
    }
  });
}

/** ExtractAndExpand (4.1). node:crypto refuses a shared secret of zeros, as 7.1.4 asks. */
function sharedSecretOf(privateKey: KeyObject, publicKey: Buffer, context: Buffer): Buffer {
  const dh = diffieHellman({ privateKey, publicKey: publicKeyOf(publicKey) });
  const prk = labeledExtract(kemSuite, none, { label: "eae_prk", ikm: dh });
  dh.fill(0);
  return labeledExpand(kemSuite, prk, { label: "shared_secret", info: context, length: keyBytes });
}

/** KeySchedule (5.1) of the first message. @param shared wiped here, as are the keys after `use` */
function withKeys<T>(
  shared: Buffer,
  info: Buffer,
  use: (keys: { readonly key: Buffer; readonly nonce: Buffer }) => T,
): T {
  const pskIdHash = labeledExtract(hpkeSuite, none, { label: "psk_id_hash", ikm: none });
  const infoHash = labeledExtract(hpkeSuite, none, { label: "info_hash", ikm: info });
  const context = Buffer.concat([Buffer.from([baseMode]), pskIdHash, infoHash]);
  const secret = labeledExtract(hpkeSuite, shared, { label: "secret", ikm: none });
  const key = labeledExpand(hpkeSuite, secret, { label: "key", info: context, length: keyBytes });
  const nonce = labeledExpand(hpkeSuite, secret, { label: "base_nonce", info: context, length: nonceBytes });
  try {
    return use({ key, nonce });
  } finally {
    for (const bytes of [shared, secret, key]) bytes.fill(0);
  }
}

/** LabeledExtract (4). */
function labeledExtract(
  suite: Buffer,
  salt: Buffer,
  { label, ikm }: { readonly label: string; readonly ikm: Buffer },
): Buffer {
  const labeled = Buffer.concat([Buffer.from("HPKE-v1"), suite, Buffer.from(label), ikm]);
  // RFC 5869, 2.2: no salt is as many zeros as a hash has bytes, to which HMAC pads an empty key as well.
  const prk = createHmac("sha256", salt).update(labeled).digest();
  labeled.fill(0);
  return prk;
}

/** LabeledExpand (4), of at most one block of SHA-256. */
function labeledExpand(
  suite: Buffer,
  prk: Buffer,
  { label, info, length }: { readonly label: string; readonly info: Buffer; readonly length: number },
): Buffer {
  const head = Buffer.from([length >>> 8, length & 0xff]);
  const labeled = [head, Buffer.from("HPKE-v1"), suite, Buffer.from(label), info, Buffer.from([1])];
  return createHmac("sha256", prk).update(Buffer.concat(labeled)).digest().subarray(0, length);
}

function publicKeyOf(raw: Buffer): KeyObject {
  if (raw.length !== x25519Bytes) throw new RangeError(`A public key of X25519 has ${x25519Bytes} bytes.`);
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: "der", type: "spki" });
}

function rawOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" }).subarray(-x25519Bytes);
}
