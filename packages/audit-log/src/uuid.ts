import { randomUUID } from "node:crypto";

/** A UUID of version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits. Sorts by time. */
export function uuidv7(nowMs: number = Date.now()): string {
  const time = nowMs.toString(16).padStart(12, "0");
  // randomUUID draws from a pool of random bytes; drawing them for each event would cost more than its MAC.
  const random = randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
}
