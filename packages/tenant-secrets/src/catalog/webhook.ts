import { z } from "zod";
import { textSecret } from "./entry.ts";

/** A symmetric secret of the Standard Webhooks specification: `whsec_` and base64 of 24 to 64 bytes. */
export const webhookSigningSecret = textSecret(z.string().regex(/^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/), {
  label: "Webhook signing secret",
  rule: "is a Standard Webhooks secret, whsec_ and 24 to 64 bytes in base64",
});
