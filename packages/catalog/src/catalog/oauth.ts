import { z } from "zod";
import { jsonSecret } from "./entry.ts";

export const OAuthClient = z.strictObject({
  clientId: z.string().min(1).max(512).meta({ title: "Client ID", secret: false }),
  clientSecret: z.string().min(1).max(4096).meta({ title: "Client secret" }),
});
export type OAuthClient = z.infer<typeof OAuthClient>;

/**
 * @param provider for people, such as "Google"
 * @param docsUrl where the provider says how to register a client
 */
export function oauthClient(provider: string, docsUrl?: string) {
  return jsonSecret(OAuthClient, {
    label: `${provider} OAuth client`,
    purpose: `Lets people sign in with their ${provider} account, in the name of the company.`,
    ...(docsUrl !== undefined && { docsUrl }),
    rule: "is an object of clientId and clientSecret, and nothing else",
  });
}

/** What a program that acts for a person has of their provider. */
export const OAuthTokens = z.strictObject({
  accessToken: z.string().min(1).max(16_384).meta({ title: "Access token" }),
  /** Left out with client credentials. */
  refreshToken: z.string().min(1).max(4096).optional().meta({ title: "Refresh token" }),
  expiresAt: z.iso.datetime().optional().meta({ title: "Expires", secret: false }),
  scope: z.string().max(4096).optional().meta({ title: "Scope", secret: false }),
});
export type OAuthTokens = z.infer<typeof OAuthTokens>;

/** @param provider for people, such as "Acme" */
export function oauthTokens(provider: string) {
  return jsonSecret(OAuthTokens, {
    label: `${provider} OAuth tokens`,
    purpose: `Acts at ${provider} for the person who allowed it.`,
    rule: "is an object of accessToken and, where there are any, refreshToken, expiresAt and scope",
  });
}
