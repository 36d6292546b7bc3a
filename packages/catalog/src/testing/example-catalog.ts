import {
  defineCatalog,
  oauthClient,
  sendgridApiKey,
  stripeSecretKey,
  stripeWebhookSecret,
  webhookSigningSecret,
} from "../index.ts";

/** A catalogue with entries of every provider, for the tests of this package. */
export const exampleCatalog = defineCatalog({
  STRIPE_SECRET_KEY: stripeSecretKey,
  STRIPE_WEBHOOK_SECRET: stripeWebhookSecret,
  SENDGRID_API_KEY: sendgridApiKey,
  WEBHOOK_SIGNING_SECRET: webhookSigningSecret,
  OAUTH_GOOGLE: oauthClient("Google"),
  OAUTH_MICROSOFT: oauthClient("Microsoft"),
  OAUTH_GITHUB: oauthClient("GitHub"),
});
