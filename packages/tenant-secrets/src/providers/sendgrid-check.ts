import type sendgrid from "@sendgrid/client";
import { z } from "zod";
import type { CredentialCheck } from "./credential-check.ts";

/** Headers of SendGrid's answers. An answer without them comes from something in between. */
const Scopes = z.object({ scopes: z.array(z.string()) });
const Refusal = z.object({ errors: z.array(z.unknown()) });

/**
 * Reads the key's own scopes, which every key may do.
 *
 * @param url such as "https://api.sendgrid.com"
 */
export function createSendgridCheck(url: string, timeoutMs: number): CredentialCheck {
  return async (apiKey, signal) => {
    // The library is large, and most processes never make a check.
    const client = newClient((await import("@sendgrid/client")).default);
    const limits = {
      url: "/v3/scopes",
      baseUrl: url,
      signal,
      timeout: timeoutMs,
      maxRedirects: 0,
      maxContentLength: 1_048_576,
      // On an error status the client builds a pattern from the working directory, which can crash the process.
      validateStatus: () => true,
    };
    client.setDefaultRequest(limits);
    // Set as a header, since `setApiKey` warns on the console about keys of an unexpected form.
    const [{ statusCode, body }] = await client.request({
      url: limits.url,
      headers: { Authorization: `Bearer ${apiKey}` },
    });
    if (statusCode === 200) return Scopes.safeParse(body).success ? "accepted" : "unknown";
    if (!Refusal.safeParse(body).success) return "unknown";
    return statusCode === 401 ? "rejected" : statusCode === 403 ? "accepted" : "unknown";
  };
}

/** The package exports a single client, whose class is a property missing from its types. */
function newClient(common: typeof sendgrid): typeof sendgrid {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const { Client } = common as typeof sendgrid & { readonly Client: new () => typeof sendgrid };
  return new Client();
}
