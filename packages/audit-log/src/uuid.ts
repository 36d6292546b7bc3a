import { randomUUID } from "node:crypto";

/** A UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits. Sorts by time. */
export function uuidv7(nowMs: number = Date.now()): string {
  const time = nowMs.toString(16).padStart(12, "0");
  // Node keeps random bytes at hand for these alone; asking for some each time costs more than the MAC does.
  const random = randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
