import { answerTooLarge } from "./answer-size.ts";
import type { Slots } from "./concurrency.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { waitOf } from "./outcome.ts";
import type { Outcome, Refusal } from "./outcome.ts";
import type { RateState } from "./rate-budget.ts";
import { witnessed } from "./sighting.ts";
import type { Sighting } from "./sighting.ts";

interface SdkCallOptions {
  readonly slots: Slots;
  readonly deadline: Deadline;
  /** Receives the rate limit that a response states. */
  readonly onRate?: (state: RateState) => void;
  /** Takes the next free slot, ahead of calls that wait. */
  readonly isUrgent?: boolean;
}

/**
 * Makes one call of the SDK under our deadline. The SDK retries network failures and 429 for up to 65 s and
 * cannot be cancelled, so a call that we give up on runs on in the background.
 *
 * @returns the answer as the SDK hands it on (not validated), or the refusal
 * @throws {InfisicalError} `TIMEOUT`, `UNREACHABLE`, `RATE_LIMITED`, `INVALID_RESPONSE`
 */
export async function callSdk(
  work: () => Promise<unknown>,
  { slots, deadline, onRate, ...options }: SdkCallOptions,
): Promise<Outcome> {
  let last: Sighting | undefined;
  let hasRedirect = false;
  let isTooLarge = false;
  const { promise: hopeless, reject: giveUp } = Promise.withResolvers<never>();
  hopeless.catch(() => undefined);
  const witness = (sighting: Sighting) => {
    last = sighting;
    if (sighting.kind === "too-large") {
      isTooLarge = true;
      // The SDK would take the broken connection for a reason to ask again.
      giveUp(answerTooLarge());
    }
    if (sighting.kind !== "status") return;
    if (sighting.rate !== undefined) onRate?.(sighting.rate);
    if (sighting.status >= 300 && sighting.status < 400) hasRedirect = true;
    if (sighting.status === 429 && (sighting.retryAfterMs ?? 0) > deadline.remainingMs())
      giveUp(limited(sighting));
  };
  try {
    const body = await slots.run(deadline, () => witnessed(witness, work), { ...options, hopeless });
    if (!hasRedirect && !isTooLarge) return { kind: "answered", body };
  } catch (error) {
    if (!hasRedirect) return refusedOrThrow(error, last);
  }
  if (isTooLarge) throw answerTooLarge();
  throw new InfisicalError("INVALID_RESPONSE", {
    sentence: "the address of Infisical answers with a redirect; set the final address",
  });
}

function refusedOrThrow(error: unknown, last: Sighting | undefined): Outcome {
  if (error instanceof InfisicalError) {
    if (error.code !== "TIMEOUT") throw error;
    if (last?.kind === "network-failure") throw new InfisicalError("UNREACHABLE");
    if (last?.kind === "status" && last.status === 429) throw limited(last);
    throw error;
  }
  const message = error instanceof Error ? error.message : "";
  const told = /^\[URL=.*?\] \[Method=[A-Z]+\] \[StatusCode=(\d{3})\] ([\s\S]*)$/.exec(message);
  const bare = /^Request failed with status (\d{3})$/.exec(message);
  const status = Number(told?.[1] ?? bare?.[1]);
  if (Number.isNaN(status))
    throw new InfisicalError(last?.kind === "status" ? "INVALID_RESPONSE" : "UNREACHABLE");
  const retryAfterMs = last?.kind === "status" ? last.retryAfterMs : undefined;
  return {
    kind: "refused",
    refusal: {
      status,
      message: told?.[2] ?? "",
      label: "",
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  };
}

function limited({ status, retryAfterMs }: { status: number; retryAfterMs?: number }): InfisicalError {
  const refusal: Refusal = {
    status,
    message: "",
    label: "",
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  return new InfisicalError("RATE_LIMITED", { retryAfterMs: waitOf(refusal) });
}
