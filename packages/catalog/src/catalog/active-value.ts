import { CredentialRejected } from "../vocabulary/credential-rejected.ts";
import type { ReadValue } from "../operations/secret-reads.ts";
import type { OpenValue, SecretTransport } from "./company-secrets.ts";

/** @param answer as the API gives it */
function openValueOf({ value, version, stage }: ReadValue): OpenValue {
  return { version, stage, bytes: new TextEncoder().encode(value) };
}

/**
 * Calls `work` with the value, and where it throws {@link CredentialRejected}, with the other values that count now: a
 * newer one, one that is pending, the earlier ones in their grace windows, each at most once and in this order. What the
 * provider refused is reported as rejected, and what it took after that as accepted. While a rotation tries its next value, a
 * share of the calls begins with that one.
 *
 * @param work gets bytes that are zeroed when it is done
 * @throws the last CredentialRejected where nothing is left to try, and whatever else `work` throws, as it is
 */
export async function withActiveValue<T>(
  transport: Pick<SecretTransport, "local" | "read" | "readActive" | "reportOutcome">,
  secretKey: string,
  work: (bytes: Uint8Array) => T | Promise<T>,
): Promise<T> {
  const reads = transport.local ?? {
    open: async (_, canary) => openValueOf(await transport.read({ secretKey, ...(canary && { canary }) })),
    openActive: async () => (await transport.readActive({ secretKey })).map(openValueOf),
  };
  const opened: OpenValue[] = [];
  const rejected: OpenValue[] = [];
  let accepted: OpenValue | undefined;

  const call = async (value: OpenValue): Promise<Outcome<T>> => {
    // A copy: the bytes stay to be compared with, whatever `work` does to its own.
    const bytes = Uint8Array.from(value.bytes);
    try {
      const result = await work(bytes);
      if (rejected.length > 0) accepted = value;
      return { result };
    } catch (error) {
      if (!(error instanceof CredentialRejected)) throw error;
      rejected.push(value);
      return { rejection: error };
    } finally {
      bytes.fill(0);
    }
  };

  try {
    const first = await reads.open(secretKey, true);
    opened.push(first);
    let outcome = await call(first);
    if ("result" in outcome) return outcome.result;
    if (first.stage === "pending") {
      // What a rotation tries is refused: the current value is at hand, also where nothing else can be asked.
      const current = await reads.open(secretKey, false).catch(() => undefined);
      if (current !== undefined) {
        opened.push(current);
        outcome = await call(current);
        if ("result" in outcome) return outcome.result;
      }
    }
    // Where no more can be had, the provider's refusal is what there is to say.
    const active = await reads.openActive(secretKey).catch(() => []);
    opened.push(...active);
    for (const value of active) {
      if (rejected.some(({ bytes }) => isSame(bytes, value.bytes))) continue;
      outcome = await call(value);
      if ("result" in outcome) return outcome.result;
    }
    throw outcome.rejection;
  } finally {
    for (const { bytes } of opened) bytes.fill(0);
    // What `work` did is done: that it cannot be reported changes nothing about it.
    for (const { version } of rejected) {
      await transport.reportOutcome({ secretKey, version, result: "rejected" }).catch(() => {});
    }
    if (accepted !== undefined) {
      const { version } = accepted;
      await transport.reportOutcome({ secretKey, version, result: "accepted" }).catch(() => {});
    }
  }
}

type Outcome<T> = { readonly result: T } | { readonly rejection: CredentialRejected };

/** By value: a version that was put back has another number, and version 0 of a hybrid company can be any. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
