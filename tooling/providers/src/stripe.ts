import { createFaultQueue } from "./faults.ts";
import {
  bearerOf,
  startProvider,
  type Answer,
  type LocalProvider,
  type ProviderOptions,
  type ProviderRequest,
} from "./local-provider.ts";

export type { ProviderRequest } from "./local-provider.ts";

export interface LocalStripe extends LocalProvider {
  /** Refuses this key from now on, as after a revocation on Stripe's pages. */
  revoke(secretKey: string): void;
}

/**
 * Emulates Stripe's API: returns payment intents without a charge, and rejects a revoked key and one that contains "revoked"
 * like Stripe does. What stands in a key between its prefix and its last part names the account: `sk_test_fake_acmecorp_0001`
 * and `rk_live_fake_acmecorp_7` are of the same one.
 *
 * @throws {Error} when the port is taken
 */
export async function startLocalStripe(options: ProviderOptions = {}): Promise<LocalStripe> {
  const revoked = new Set<string>();
  const isRevoked = (key: string) => key.includes("revoked") || revoked.has(key);
  let served = 0;
  const local = await startProvider(options, {
    faults: createFaultQueue(),
    refuse: refusal,
    answer(request) {
      served += 1;
      const answer = answerTo(request, isRevoked, served);
      return { ...answer, headers: { "request-id": `req_local_${served}` } };
    },
  });
  return { ...local, revoke: (secretKey) => void revoked.add(secretKey) };
}

function answerTo(request: ProviderRequest, isRevoked: (key: string) => boolean, no: number): Answer {
  const { method, path } = request;
  const key = bearerOf(request);
  if (key === undefined) return refusal(401, "You did not provide an API key.");
  // Stripe quotes the key too, all but its middle.
  if (isRevoked(key)) return refusal(401, `Invalid API Key provided: ${quote(key)}`);
  if (method === "GET" && path === "/v1/balance") {
    return {
      status: 200,
      body: { object: "balance", available: [], pending: [], livemode: isLive(key) },
    };
  }
  if (method === "GET" && path === "/v1/account") return account(key);
  if (method === "POST" && path === "/v1/payment_intents") return paymentIntent(request, key, no);
  return refusal(404, `Unrecognized request URL (${method}: ${path}).`);
}

/** A restricted key may do what it was made for, which is rarely this. */
function account(key: string): Answer {
  if (key.startsWith("rk_")) {
    return refusal(
      403,
      `The provided key '${quote(key)}' does not have the required permissions for this endpoint on account '${accountOf(key)}'.`,
    );
  }
  return { status: 200, body: { id: accountOf(key), object: "account", type: "standard" } };
}

function paymentIntent({ body }: ProviderRequest, key: string, no: number): Answer {
  const form = new URLSearchParams(body);
  const amount = Number(form.get("amount"));
  const currency = form.get("currency");
  if (!Number.isInteger(amount) || amount <= 0) return refusal(400, "Invalid integer: amount");
  if (currency === null) return refusal(400, "Missing required param: currency.");
  return {
    status: 200,
    body: {
      id: `pi_local_${no}`,
      object: "payment_intent",
      amount,
      currency,
      status: "requires_payment_method",
      client_secret: `pi_local_${no}_secret_fake`,
      created: Math.floor(Date.now() / 1000),
      livemode: isLive(key),
      metadata: {},
    },
  };
}

const accountOf = (key: string): string =>
  `acct_${key.replace(/^[rs]k_(?:live|test)_/, "").replace(/_[^_]*$/, "")}`;
const isLive = (key: string): boolean => /^[rs]k_live_/.test(key);
const quote = (key: string): string => `${key.slice(0, 8)}***${key.slice(-4)}`;

function refusal(status: number, message: string): Answer {
  const type = status === 429 ? "rate_limit_error" : status >= 500 ? "api_error" : "invalid_request_error";
  return { status, body: { error: { type, message } } };
}
