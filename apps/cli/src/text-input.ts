import type { Readable } from "node:stream";

/** Why bytes are no text, as the end of "… was refused: it …". */
type Fault = "is longer" | "is UTF-16: save it as UTF-8" | "is not well-formed UTF-8";

/**
 * Reads a stream to its end as UTF-8. A byte order mark in front is dropped: it says how the bytes are to be read, and is
 * no part of what they say.
 *
 * @param maxBytes reading ends, with "is longer", once there are more
 * @param refuse makes the error of a fault
 * @throws what `refuse` makes, and what the stream ends with
 */
export async function readText(
  stream: Readable,
  maxBytes: number,
  refuse: (fault: Fault) => Error,
): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    const buffer = Buffer.from(chunk);
    chunks.push(buffer);
    bytes += buffer.length;
    if (bytes > maxBytes) throw refuse("is longer");
  }
  const whole = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  try {
    if (isUtf16(whole)) throw refuse("is UTF-16: save it as UTF-8");
    return decode(whole, () => refuse("is not well-formed UTF-8"));
  } finally {
    whole.fill(0);
  }
}

function decode(bytes: Buffer, malformed: () => Error): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw malformed();
  }
}

/** By its byte order mark, or by the zero that every second byte of ASCII has there. */
function isUtf16(bytes: Buffer): boolean {
  if (bytes.length < 2) return false;
  const mark = bytes.readUInt16BE(0);
  if (mark === 0xfe_ff || mark === 0xff_fe) return true;
  const sample = bytes.subarray(0, 64);
  const zeros = [0, 1].map((from) => sample.filter((byte, index) => index % 2 === from && byte === 0).length);
  return bytes.length >= 4 && zeros.some((count) => count >= Math.floor(sample.length / 2));
}
