import { z } from "zod";
import type { CredentialCheck } from "./credential-check.ts";

/**
 * Reads the account's balance. A restricted key may lack that permission: Stripe's answer then still shows that it knows the
 * key.
 *
 * @param url such as "https://api.stripe.com"
 */
export function createStripeCheck(url: string, timeoutMs: number): CredentialCheck {
  const { protocol, hostname, port } = new URL(url);
  return async (secretKey, signal) => {
    // The library is large, and most processes never make a check.
    const { Stripe } = await import("stripe");
    const stripe = new Stripe(secretKey, {
      protocol: protocol === "http:" ? "http" : "https",
      host: hostname,
      ...(port === "" ? {} : { port }),
      httpClient: Stripe.createFetchHttpClient(fetchObject(signal)),
      maxNetworkRetries: 0,
      timeout: timeoutMs,
      telemetry: false,
    });
    try {
      const { object } = await stripe.balance.retrieve();
      // The library accepts every object without an error in it as an answer, whatever its status.
      return object === "balance" ? "accepted" : "unknown";
    } catch (error) {
      if (error instanceof Stripe.errors.StripePermissionError) return "accepted";
      return error instanceof Stripe.errors.StripeAuthenticationError ? "rejected" : "unknown";
    }
  };
}

/**
 * A fetch that fails if the answer is no JSON object: for other JSON the library creates an unhandled rejection, which ends the
 * process. Response headers are dropped, since some make the library write to stderr.
 */
function fetchObject(signal: AbortSignal): typeof fetch {
  return async (input, init) => {
    const signals = [signal, ...(init?.signal ? [init.signal] : [])];
    const response = await fetch(input, { ...init, redirect: "manual", signal: AbortSignal.any(signals) });
    return Response.json(z.looseObject({}).parse(await response.json()), { status: response.status });
  };
}
