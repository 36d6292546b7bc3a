import { createHmac, timingSafeEqual } from "node:crypto";
import type { CredentialChecks, WebhookVerifiers } from "@repo/tenant-secrets";
import { readCarrierUrl } from "./env.ts";

// What SECRETS_CATALOG names for the shipped API, worker and command line, and what this server takes itself.

export { courierCatalog } from "./catalog.ts";

/** How the carrier is asked whether it accepts a credential. */
export const checks = {
  carrier: async (apiKey, signal) => {
    const { status } = await fetch(new URL("/me", readCarrierUrl()), {
      headers: { authorization: `Bearer ${apiKey}` },
      redirect: "error",
      signal,
    });
    if (status === 200) return "accepted";
    return status === 401 ? "rejected" : "unknown";
  },
} satisfies CredentialChecks;

/** How the carrier signs its webhooks. */
export const verifiers = {
  carrier: ({ headers, body }, secret) => {
    const signature = Buffer.from(headers.get("x-carrier-signature") ?? "", "hex");
    const expected = createHmac("sha256", secret).update(body).digest();
    if (signature.length !== expected.length) return "malformed";
    return timingSafeEqual(signature, expected) ? "verified" : "wrong-signature";
  },
} satisfies WebhookVerifiers;
