import { checkDeadlineMs, type CredentialChecks } from "./credential-check.ts";
import { createSendgridCheck } from "./sendgrid-check.ts";
import { createStripeCheck } from "./stripe-check.ts";

export interface ProviderUrls {
  /** Default: https://api.stripe.com */
  readonly stripe?: string | undefined;
  /** Default: https://api.sendgrid.com; accounts of the EU are at https://api.eu.sendgrid.com */
  readonly sendgrid?: string | undefined;
}

/** The built-in checks: "stripe" and "sendgrid". */
export function providerChecks(urls: ProviderUrls = {}): CredentialChecks {
  return {
    stripe: createStripeCheck(urls.stripe ?? "https://api.stripe.com", checkDeadlineMs),
    sendgrid: createSendgridCheck(urls.sendgrid ?? "https://api.sendgrid.com", checkDeadlineMs),
  };
}
