import { asTenantSecretsError } from "@repo/audit-log";
import { type Outbound, OutboundError } from "@repo/outbound";
import type { ClaimedDelivery } from "./claims.ts";
import { retryAfterMs, retryDelayMs } from "./retries.ts";
import { type EndpointSigning, signatureHeader, webhookIdOf } from "./signing.ts";

/** The result of one attempt. */
export interface Attempt {
  readonly delivery: ClaimedDelivery;
  readonly startedAt: Date;
  readonly milliseconds: number;
  /** Undefined where nothing answered. */
  readonly status: number | undefined;
  /** Undefined for an answer with a 2xx. */
  readonly failure: string | undefined;
  /** Milliseconds until the next attempt; undefined where there is none. */
  readonly retryMs: number | undefined;
}

/** Attempts a delivery. Never rejects: an error is a failed attempt. */
export type AttemptDelivery = (delivery: ClaimedDelivery) => Promise<Attempt>;

export function createAttempt(signing: EndpointSigning, outbound: Pick<Outbound, "fetch">): AttemptDelivery {
  return async (delivery) => {
    const { notificationId, body, endpoint, attempts, now } = delivery;
    const startedAt = new Date(now);
    const began = performance.now();
    const ended = (
      given: Partial<Pick<Attempt, "status" | "failure">> & { retryAfter?: number | undefined },
    ): Attempt => ({
      delivery,
      startedAt,
      milliseconds: performance.now() - began,
      status: given.status,
      failure: given.failure,
      retryMs: given.failure === undefined ? undefined : retryDelayMs(attempts + 1, given.retryAfter),
    });
    try {
      const keys = await signing.keysOf(endpoint);
      const id = webhookIdOf(notificationId);
      // The database's clock: a process whose own is wrong would send what receivers refuse.
      const timestamp = Math.floor(startedAt.getTime() / 1000);
      const { status, headers } = await outbound.fetch(endpoint.url, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "user-agent": "TenantSecrets-Webhooks/1",
          "webhook-id": id,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": signatureHeader(keys, { id, timestamp, body }),
        },
        body,
      });
      if (isSuccess(status)) return ended({ status });
      const retryAfter = retryAfterMs(headers.get("retry-after"), startedAt.getTime());
      return ended({ status, failure: "STATUS", retryAfter });
    } catch (error) {
      const { status } = error instanceof OutboundError ? error : {};
      // What follows a good status is of no interest, however long it is.
      const isLong = error instanceof OutboundError && error.code === "TOO_LARGE";
      if (isLong && status !== undefined && isSuccess(status)) return ended({ status });
      return ended({ status, failure: failureOf(error) });
    }
  };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** An error of ours by its code, such as that of a key that is out of reach; that of the sender by its own. */
function failureOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[A-Z_]{1,40}$/.test(code) ? code : asTenantSecretsError(error).code;
}
