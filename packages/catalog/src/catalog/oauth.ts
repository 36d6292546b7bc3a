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
