/**
 * Joins fields so that no two lists of fields give the same bytes: each is preceded by its length in bytes as an
 * unsigned 32-bit big-endian number. Text counts as its UTF-8; a lone surrogate would count as U+FFFD.
 */
export function encodeFields(fields: readonly (string | Buffer)[]): Buffer {
  const parts: Buffer[] = [];
  for (const field of fields) {
    const bytes = typeof field === "string" ? Buffer.from(field, "utf8") : field;
    parts.push(encodeLength(bytes), bytes);
  }
  return Buffer.concat(parts);
}

/** What stands before a field. */
export function encodeLength(field: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(field.length);
  return length;
}

/** base64url without padding (RFC 4648, 5). */
export function toBase64url(bytes: Buffer): string {
  return bytes.toString("base64url");
}

/** The bytes of the one canonical spelling, or undefined: Node skips what it does not know and ignores stray bits. */
export function fromBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}
