import { z } from "zod";
import { textSecret } from "./entry.ts";

const form =
  /^whsec_(?:[A-Za-z0-9+/]{4}){8,20}(?:[A-Za-z0-9+/]{4}(?:[A-Za-z0-9+/]{2}==)?|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?$/;

/** A symmetric secret of the Standard Webhooks specification: `whsec_` and base64 of 24 to 64 bytes. */
export const webhookSigningSecret = textSecret(z.string().regex(form), {
  label: "Webhook signing secret",
  purpose:
    "Signs the webhooks that the product sends to the company's systems, or proves that a received one is genuine.",
  docsUrl: "https://www.standardwebhooks.com",
  rule: "is a Standard Webhooks secret, whsec_ and 24 to 64 bytes in base64",
  signatures: "standard-webhooks",
  generates: "standard-webhooks",
});
