/**
 * Joins fields injectively: each one is preceded by its length in bytes, an unsigned 32-bit big-endian number. Text is
 * encoded as UTF-8; a lone surrogate becomes U+FFFD.
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

/** The fields of what {@link encodeFields} returned; undefined for anything else. */
export function decodeFields(encoded: Buffer): readonly Buffer[] | undefined {
  const fields: Buffer[] = [];
  for (let at = 0; at < encoded.length;) {
    const start = at + lengthBytes;
    if (start > encoded.length) return undefined;
    at = start + encoded.readUInt32BE(at);
    if (at > encoded.length) return undefined;
    fields.push(encoded.subarray(start, at));
  }
  return fields;
}

/** The length prefix of a field. */
export function encodeLength(field: Buffer): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(field.length);
  return length;
}

/** base64url without padding (RFC 4648, 5). */
export function toBase64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** Groups of four characters, and a last group whose unused bits are zero. */
const canonicalBase64url =
  /^(?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$/;

/** @returns undefined for all but the canonical spelling: Node skips unknown characters and ignores stray bits */
export function fromBase64url(text: string): Buffer | undefined {
  return canonicalBase64url.test(text) ? Buffer.from(text, "base64url") : undefined;
}
