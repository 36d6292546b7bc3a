import { timingSafeEqual } from "node:crypto";

/** Compares in constant time for inputs of one length. Text counts as its UTF-8. */
export function sameBytes(a: Uint8Array | string, b: Uint8Array | string): boolean {
  const [left, right] = [bytesOf(a), bytesOf(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function bytesOf(input: Uint8Array | string): Uint8Array {
  return typeof input === "string" ? Buffer.from(input) : input;
}
