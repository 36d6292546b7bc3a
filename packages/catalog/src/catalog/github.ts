import { z } from "zod";
import { textSecret } from "./entry.ts";

/** What GitHub signs the deliveries of a webhook with. GitHub takes any text; a short one could be guessed from a delivery. */
export const githubWebhookSecret = textSecret(z.string().min(16).max(1024), {
  label: "GitHub webhook secret",
  purpose: "Proves that a delivery of the webhook comes from GitHub.",
  docsUrl: "https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries",
  rule: "is the secret of a GitHub webhook, 16 to 1024 characters",
  signatures: "github",
  generates: "random-token",
});
