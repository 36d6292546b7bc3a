import { z } from "zod";
import { jsonSecret } from "./entry.ts";

export const OAuthClient = z.strictObject({
  clientId: z.string().min(1).max(512),
  clientSecret: z.string().min(1).max(4096),
});
export type OAuthClient = z.infer<typeof OAuthClient>;

/** @param provider for people, such as "Google" */
export function oauthClient(provider: string) {
  return jsonSecret(OAuthClient, {
    label: `${provider} OAuth client`,
    rule: "is an object of clientId and clientSecret, and nothing else",
  });
}
