import { createHash } from "node:crypto";
import { InfisicalError } from "./errors.ts";

/** Of a machine identity, at one server. */
export interface Credentials {
  readonly siteUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/**
 * Keeps a process from logging in again and again with credentials that Infisical refuses: three failures within half a
 * minute lock the identity for five minutes, for the healthy processes too.
 */
export interface LogInPause {
  /** @throws {InfisicalError} `UNAUTHORIZED` with `retryAfterMs` while it lasts */
  check(): void;
  /** Begins it, for as long as this error says. */
  begin(error: InfisicalError): void;
}

// By credentials, so that other clients of this process with the same ones wait too, and new ones do not.
const pauses = new Map<string, { readonly until: number; readonly error: InfisicalError }>();

/** One for all clients of this process with these credentials. It ends by itself, or with the process. */
export function logInPauseOf({ siteUrl, clientId, clientSecret }: Credentials): LogInPause {
  const key = createHash("sha256")
    .update(JSON.stringify([siteUrl, clientId, clientSecret]))
    .digest("base64");
  return {
    check() {
      const pause = pauses.get(key);
      if (pause === undefined) return;
      const leftMs = pause.until - performance.now();
      if (leftMs > 0) {
        throw new InfisicalError("UNAUTHORIZED", { sentence: pause.error.message, retryAfterMs: leftMs });
      }
      pauses.delete(key);
    },
    begin(error) {
      pauses.set(key, { until: performance.now() + (error.retryAfterMs ?? 0), error });
    },
  };
}
