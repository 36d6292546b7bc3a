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
  OAUTH_GOOGLE: oauthClient("Google"),
  OAUTH_MICROSOFT: oauthClient("Microsoft"),
  OAUTH_GITHUB: oauthClient("GitHub"),
});
