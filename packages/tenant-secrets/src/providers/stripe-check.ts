import { z } from "zod";
import type { CredentialCheck } from "./credential-check.ts";

/**
 * Reads the account's balance. A restricted key may not be allowed to: Stripe then says so, and so knows the key.
 *
 * @param url such as "https://api.stripe.com"
 */
export function createStripeCheck(url: string, timeoutMs: number): CredentialCheck {
  const { protocol, hostname, port } = new URL(url);
  return async (secretKey, signal) => {
    // The library is large, and most processes never ask.
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
      // The library takes every object without an error in it for an answer, whatever its status.
      return object === "balance" ? "accepted" : "unknown";
    } catch (error) {
      if (error instanceof Stripe.errors.StripePermissionError) return "accepted";
      return error instanceof Stripe.errors.StripeAuthenticationError ? "rejected" : "unknown";
    }
  };
}

/**
 * A fetch that fails where the answer is no JSON object: of other JSON, the library makes a rejection that nobody can
 * catch and that ends the process. Headers are left out, since some make it write to stderr.
 */
function fetchObject(signal: AbortSignal): typeof fetch {
  return async (input, init) => {
    const signals = [signal, ...(init?.signal ? [init.signal] : [])];
    const response = await fetch(input, { ...init, redirect: "manual", signal: AbortSignal.any(signals) });
    return Response.json(z.looseObject({}).parse(await response.json()), { status: response.status });
  };
}
