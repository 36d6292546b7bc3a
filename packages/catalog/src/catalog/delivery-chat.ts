import { defineCatalog } from "./catalog.ts";
import { oauthClient } from "./oauth.ts";
import { sendgridApiKey } from "./sendgrid.ts";
import { stripeSecretKey, stripeWebhookSecret } from "./stripe.ts";
import { webhookSigningSecret } from "./webhook.ts";

/** The secrets that Delivery Chat's companies bring. Another product defines its own. */
export const deliveryChatCatalog = defineCatalog({
  STRIPE_SECRET_KEY: stripeSecretKey,
  STRIPE_WEBHOOK_SECRET: stripeWebhookSecret,
  SENDGRID_API_KEY: sendgridApiKey,
  WEBHOOK_SIGNING_SECRET: webhookSigningSecret,
  OAUTH_GOOGLE: oauthClient("Google"),
  OAUTH_MICROSOFT: oauthClient("Microsoft"),
  OAUTH_GITHUB: oauthClient("GitHub"),
});
