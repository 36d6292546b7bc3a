import { argon2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import {
  bulkhead,
  BulkheadRejectedError,
  TaskCancelledError,
  timeout,
  TimeoutStrategy,
  wrap,
} from "cockatiel";
import { TenantSecretsError } from "@repo/catalog";

const argon2Async = promisify(argon2);

/** Argon2id with 19 MiB, 2 passes and 1 lane: OWASP Password Storage Cheat Sheet. */
const current = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const prefix = `$argon2id$v=19$m=${current.memory},t=${current.passes},p=${current.parallelism}$`;
const saltBytes = 16;
const hashBytes = 32;

/** A hash takes 19 MiB and a core for tens of milliseconds: four at once, and a queue of what two seconds can serve. */
const atOnce = 4;
const waitMs = 2000;
const queueLength = 200;
const limited = wrap(timeout(waitMs, TimeoutStrategy.Aggressive), bulkhead(atOnce, queueLength));

/**
 * @returns a PHC string with its parameters and salt
 * @throws {TenantSecretsError} OVERLOADED after two seconds in the queue
 */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, salt, current);
  return `${prefix}${unpadded(salt)}$${unpadded(hash)}`;
}

/** The only form that is read: parameters of another size would let a changed row choose the work. */
const form = /^\$argon2id\$v=19\$m=(\d{4,6}),t=(\d),p=(\d)\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})$/;

/** @throws {TenantSecretsError} as {@link hashPassword} */
export async function verifyPassword(hash: string, password: string): Promise<boolean> {
  const [, memory, passes, parallelism, salt = "", expected = ""] = form.exec(hash) ?? [];
  if (memory === undefined) return false;
  const parameters = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const derived = await derive(password, Buffer.from(salt, "base64"), parameters);
  return timingSafeEqual(derived, Buffer.from(expected, "base64"));
}

/** Whether a hash was made with other parameters than a new one. */
export function isOutdated(hash: string): boolean {
  return !hash.startsWith(prefix);
}

async function derive(
  password: string,
  nonce: Buffer,
  parameters: Readonly<Record<keyof typeof current, number>>,
): Promise<Buffer> {
  try {
    return await limited.execute(() =>
      argon2Async("argon2id", {
        message: normalized(password),
        nonce,
        tagLength: hashBytes,
        ...parameters,
      }),
    );
  } catch (error) {
    if (!(error instanceof BulkheadRejectedError || error instanceof TaskCancelledError)) throw error;
    throw new TenantSecretsError("OVERLOADED", "Too many people sign in at once. Try again in a moment.", {
      retryAfterMs: 1000,
    });
  }
}

/** Keyboards send the same password as different code points: NIST SP 800-63B, 3.1.1.2. */
export function normalized(password: string): string {
  return password.normalize("NFKC");
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}
