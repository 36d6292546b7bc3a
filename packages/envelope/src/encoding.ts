/**
 * Joins fields so that no two lists of fields give the same bytes: each is preceded by its length in bytes as an
 * unsigned 32-bit big-endian number. Text counts as its UTF-8; a lone surrogate would count as U+FFFD.
 */
export function encodeFields(fields: readonly (string | Buffer)[]): Buffer {
  let size = 0;
  for (const field of fields) size += lengthBytes + Buffer.byteLength(field);
  const encoded = Buffer.allocUnsafe(size);
  let at = 0;
  for (const field of fields) {
    const start = at + lengthBytes;
    const length =
      typeof field === "string" ? encoded.write(field, start, "utf8") : field.copy(encoded, start);
    encoded.writeUInt32BE(length, at);
    at = start + length;
  }
  return encoded;
}

const lengthBytes = 4;

/** What stands before a field. */
export function encodeLength(field: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(field.length);
  return length;
}

/** base64url without padding (RFC 4648, 5). */
export function toBase64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** Groups of four, and an end whose unused bits are zero. */
const canonicalBase64url =
  /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$/;

/** The bytes of the one canonical spelling, or undefined: Node skips what it does not know and ignores stray bits. */
export function fromBase64url(text: string): Buffer | undefined {
  return canonicalBase64url.test(text) ? Buffer.from(text, "base64url") : undefined;
}
