import type sendgrid from "@sendgrid/client";
import { z } from "zod";
import type { CredentialCheck } from "./credential-check.ts";

/** Without them it was not SendGrid that answered, but something on the way there. */
const Scopes = z.object({ scopes: z.array(z.string()) });
const Refusal = z.object({ errors: z.array(z.unknown()) });

/**
 * Reads what the key may do, which every key may.
 *
 * @param url such as "https://api.sendgrid.com"
 */
export function createSendgridCheck(url: string, timeoutMs: number): CredentialCheck {
  return async (apiKey, signal) => {
    // The library is large, and most processes never ask.
    const client = newClient((await import("@sendgrid/client")).default);
    const limits = {
      url: "/v3/scopes",
      baseUrl: url,
      signal,
      timeout: timeoutMs,
      maxRedirects: 0,
      maxContentLength: 1_048_576,
      // The client's own error for a status makes a pattern of the working directory, and can end the process by it.
      validateStatus: () => true,
    };
    client.setDefaultRequest(limits);
    // A header, since `setApiKey` writes to the console about keys that it does not like.
    const [{ statusCode, body }] = await client.request({
      url: limits.url,
      headers: { Authorization: `Bearer ${apiKey}` },
    });
    if (statusCode === 200) return Scopes.safeParse(body).success ? "accepted" : "unknown";
    if (!Refusal.safeParse(body).success) return "unknown";
    return statusCode === 401 ? "rejected" : statusCode === 403 ? "accepted" : "unknown";
  };
}

/** The package exports one client for all, with its class as a property that its types leave out. */
function newClient(common: typeof sendgrid): typeof sendgrid {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const { Client } = common as typeof sendgrid & { readonly Client: new () => typeof sendgrid };
  return new Client();
}
