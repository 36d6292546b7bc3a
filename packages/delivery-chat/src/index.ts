import {
  defineCatalog,
  oauthClient,
  sendgridApiKey,
  stripeSecretKey,
  stripeWebhookSecret,
  webhookSigningSecret,
} from "@repo/catalog";

/** The secrets that the companies of Delivery Chat entrust to it. */
export const deliveryChatCatalog = defineCatalog({
  STRIPE_SECRET_KEY: stripeSecretKey,
  STRIPE_WEBHOOK_SECRET: stripeWebhookSecret,
  SENDGRID_API_KEY: sendgridApiKey,
  WEBHOOK_SIGNING_SECRET: webhookSigningSecret,
  OAUTH_GOOGLE: oauthClient("Google", "https://developers.google.com/identity/protocols/oauth2"),
  OAUTH_MICROSOFT: oauthClient(
    "Microsoft",
    "https://learn.microsoft.com/entra/identity-platform/quickstart-register-app",
  ),
  OAUTH_GITHUB: oauthClient(
    "GitHub",
    "https://docs.github.com/apps/oauth-apps/building-oauth-apps/creating-an-oauth-app",
  ),
});
