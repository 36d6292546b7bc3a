import { createHash, createPublicKey, sign, verify, type KeyObject } from "node:crypto";
import { encodeFields, fromBase64url, toBase64url } from "./encoding.ts";
import { integrityFailure } from "./envelope.ts";
import { openFrom, sealTo, x25519Bytes } from "./hpke.ts";

/** A company key on its way to another region. Every field is authenticated, and comes from the rows, not from the text. */
export interface TransportPlace {
  readonly companyId: string;
  /** Of the company key. */
  readonly keyVersion: number;
  readonly from: string;
  readonly to: string;
  /** Of the key of region `to` that it is encrypted to. */
  readonly transportKeyVersion: number;
}

const keyBytes = 32;
const tagBytes = 16;
const info = encodeFields(["tenant-secrets/1", "transport"]);

/**
 * Encrypts a company key to another region, as `tr1.<region>.<transport key version>.<encapsulation, ciphertext and tag>`.
 * docs/envelope.md. Only that region can open it; it does not say who made it, which the signature of its copy does.
 *
 * @param publicKey of region `to`, 32 bytes of X25519
 * @param key 32 bytes
 * @throws {Error} for a public key of small order
 */
export function encryptToRegion(publicKey: Buffer, place: TransportPlace, key: Buffer): string {
  if (key.length !== keyBytes) throw new RangeError(`A key for another region has ${keyBytes} bytes.`);
  const message = sealTo(publicKey, { info, aad: transportContext(place), plaintext: key });
  return `tr1.${place.to}.${place.transportKeyVersion}.${toBase64url(message)}`;
}

/**
 * Decrypts what {@link encryptToRegion} returned for the same place.
 *
 * @param privateKey of region `to`
 * @returns the 32 bytes; the caller wipes them
 * @throws {TenantSecretsError} INTEGRITY_FAILURE, with one message for every cause
 */
export function decryptFromRegion(privateKey: KeyObject, place: TransportPlace, encrypted: string): Buffer {
  const [format, region, version, body, ...rest] = encrypted.split(".");
  const expected = format === "tr1" && region === place.to && version === String(place.transportKeyVersion);
  const message = fromBase64url(body ?? "");
  if (!expected || rest.length > 0 || message?.length !== x25519Bytes + keyBytes + tagBytes)
    throw integrityFailure();
  try {
    return openFrom(privateKey, { info, aad: transportContext(place) }, message);
  } catch {
    throw integrityFailure();
  }
}

function transportContext(place: TransportPlace): Buffer {
  return encodeFields([
    "tr1",
    place.companyId,
    String(place.keyVersion),
    place.from,
    place.to,
    String(place.transportKeyVersion),
  ]);
}

/** A row of `region_copies`: what another region gets of a company. */
export interface CopyState {
  readonly targetRegion: string;
  readonly companyId: string;
  readonly kind: "company" | "key" | "secret" | "move";
  /** The number of a key or of a part, or a secret key; empty for the company itself. */
  readonly name: string;
  readonly homeRegion: string;
  readonly homeEpoch: number;
  /** Above 2^53 it would not be exact, hence text: decimal, without sign or leading zeros. */
  readonly revision: string;
  readonly body: string;
}

/** Signs a copy (Ed25519, RFC 8032). @param privateKey of the home region @returns 64 bytes */
export function signCopy(privateKey: KeyObject, copy: CopyState): Buffer {
  return sign(null, copyText(copy), privateKey);
}

/** Whether the home region signed the copy as it is. @param publicKey of the home region, 32 bytes of Ed25519 */
export function isSignedCopy(publicKey: Buffer, copy: CopyState, signature: Buffer): boolean {
  return verify(null, copyText(copy), ed25519PublicKeyOf(publicKey), signature);
}

function copyText(copy: CopyState): Buffer {
  return encodeFields([
    "tenant-secrets/copy/1",
    copy.targetRegion,
    copy.companyId,
    copy.kind,
    copy.name,
    copy.homeRegion,
    String(copy.homeEpoch),
    copy.revision,
    copy.body,
  ]);
}

/** What a region is to others. Both keys are 32 bytes. */
export interface RegionIdentity {
  readonly region: string;
  readonly transportKeyVersion: number;
  readonly transportKey: Buffer;
  readonly signingKeyVersion: number;
  readonly signingKey: Buffer;
}

/**
 * What two people compare who make two regions known to each other: SHA-256 of the identity, 64 hexadecimal digits in groups of
 * eight.
 */
export function regionFingerprint(identity: RegionIdentity): string {
  const { region, transportKeyVersion, transportKey, signingKeyVersion, signingKey } = identity;
  const numbers = [String(transportKeyVersion), transportKey, String(signingKeyVersion), signingKey];
  const digest = createHash("sha256").update(encodeFields(["tenant-secrets/region/1", region, ...numbers]));
  return (digest.digest("hex").match(/.{8}/g) ?? []).join(" ");
}

/** What comes before the 32 bytes of an Ed25519 public key in SPKI (RFC 8410, 4). */
const ed25519Spki = Buffer.from("302a300506032b6570032100", "hex");
const ed25519Bytes = 32;

function ed25519PublicKeyOf(raw: Buffer): KeyObject {
  if (raw.length !== ed25519Bytes) throw new RangeError(`A key of Ed25519 has ${ed25519Bytes} bytes.`);
  return createPublicKey({ key: Buffer.concat([ed25519Spki, raw]), format: "der", type: "spki" });
}
