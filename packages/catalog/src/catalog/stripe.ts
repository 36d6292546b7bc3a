import { z } from "zod";
import { textSecret } from "./entry.ts";

/**
 * Secret, restricted (`rk_`) and organisation (`sk_org_`) keys, live or test, and keys of accounts from before prefixes, 32
 * letters and digits. Stripe asks for room for 255 characters: https://docs.stripe.com/keys.
 */
const secretKey = /^(?:(?:sk|rk)_(?:live|test)_\w{8,}|sk_org_\w{8,}|[A-Za-z0-9]{32})$/;

/** What authenticates a company's calls of the Stripe API. */
export const stripeSecretKey = textSecret(z.string().max(255).regex(secretKey), {
  label: "Stripe secret key",
  purpose: "Charges and refunds in the company's Stripe account.",
  docsUrl: "https://docs.stripe.com/keys",
  rule: "is a Stripe secret, restricted or organisation key, sk_live_…, sk_test_…, rk_live_…, rk_test_… or sk_org_…",
  mistakes: [
    { pattern: /^pk_/, rule: "is a secret key; this one is a publishable key, pk_…" },
    { pattern: /^whsec_/, rule: "is a secret key; this one signs webhooks, whsec_…" },
    {
      pattern: /^(?:acct|cus|pi|price|prod|ca|ek|seti|mk)_/,
      rule: "is a secret key; this is the id of something at Stripe",
    },
    { pattern: /^.{256,}$/s, rule: "has at most 255 characters" },
    {
      pattern: /^(?:[rs]k_(?:live|test)_|sk_org_)\w{0,7}$/,
      rule: "is a whole Stripe key; this one was cut off",
    },
    {
      pattern: /^(?:[rs]k_(?:live|test)_|sk_org_)/,
      rule: "has only letters, digits and underscores behind its prefix",
    },
  ],
  check: "stripe",
});

/** The signing secret of a Stripe webhook endpoint. */
export const stripeWebhookSecret = textSecret(z.string().regex(/^whsec_\w{16,249}$/), {
  label: "Stripe webhook signing secret",
  purpose: "Proves that an event of the endpoint comes from Stripe.",
  docsUrl: "https://docs.stripe.com/webhooks#verify-official-libraries",
  // Stripe shows it again in its dashboard.
  writeOnly: true,
  rule: "is a signing secret of a Stripe webhook endpoint, whsec_…",
  mistakes: [
    { pattern: /^we_/, rule: "is the endpoint's signing secret, whsec_…; this is the endpoint's id" },
    { pattern: /^[rsp]k_/, rule: "is the endpoint's signing secret, whsec_…; this is an API key" },
  ],
  signatures: "stripe",
});
