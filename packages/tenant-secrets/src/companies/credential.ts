import { hash, randomBytes } from "node:crypto";
import { crc32 } from "node:zlib";
import { sameBytes } from "@repo/envelope";

/** `tsk` is an API key, `tso` an operator's token. */
export type CredentialKind = "tsk" | "tso";

export interface NewCredential {
  /** Shown once and stored nowhere. */
  readonly text: string;
  readonly prefix: string;
  readonly hash: string;
}

export interface PresentedCredential {
  readonly kind: CredentialKind;
  readonly prefix: string;
  readonly hash: string;
}

/**
 * `<kind>_<16 hex: for look-up>_<43 base64url: 256 random bits>_<8 hex: CRC-32 of all before it>`. The checksum lets leak
 * scanners, and this module, recognize a typing error without a query.
 */
export function makeCredential(kind: CredentialKind): NewCredential {
  const prefix = randomBytes(8).toString("hex");
  const body = `${kind}_${prefix}_${randomBytes(32).toString("base64url")}`;
  const text = `${body}_${checksum(body)}`;
  return { text, prefix, hash: hashOf(text) };
}

/** @returns the parts to look up and compare, or undefined if the text cannot be one of our credentials */
export function parseCredential(text: string): PresentedCredential | undefined {
  const match = /^(tsk|tso)_([0-9a-f]{16})_[A-Za-z0-9_-]{43}_([0-9a-f]{8})$/.exec(text);
  const [, kind, prefix, sum] = match ?? [];
  if ((kind !== "tsk" && kind !== "tso") || prefix === undefined) return undefined;
  return sum === checksum(text.slice(0, -9)) ? { kind, prefix, hash: hashOf(text) } : undefined;
}

export function sameHash(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "hex"), Buffer.from(b, "hex")];
  return left.length === 32 && sameBytes(left, right);
}

/** 256 random bits need no slow hash and no salt: they cannot be guessed. */
function hashOf(text: string): string {
  return hash("sha256", text);
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, "0");
}
