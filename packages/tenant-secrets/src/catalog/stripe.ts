import { z } from "zod";
import { textSecret } from "./entry.ts";

/** A secret or restricted key of the Stripe API, live or test. */
export const stripeSecretKey = textSecret(z.string().regex(/^(?:sk|rk)_(?:live|test)_[A-Za-z0-9_]{8,240}$/), {
  label: "Stripe secret key",
  rule: "is a Stripe secret or restricted key, sk_live_…, sk_test_…, rk_live_… or rk_test_…",
  check: "stripe",
});

/** The signing secret of a Stripe webhook endpoint. */
export const stripeWebhookSecret = textSecret(z.string().regex(/^whsec_[A-Za-z0-9_]{16,240}$/), {
  label: "Stripe webhook signing secret",
  // Stripe shows it again to whoever may see it there.
  writeOnly: true,
  rule: "is a signing secret of a Stripe webhook endpoint, whsec_…",
  signatures: "stripe",
});
