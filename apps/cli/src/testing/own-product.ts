import {
  defineCatalog,
  textSecret,
  type CredentialChecks,
  type WebhookVerifiers,
} from "@repo/tenant-secrets";
import { z } from "zod";

// What a module that SECRETS_CATALOG names exports.

/** Where the provider of the catalogue's own check is. */
export const provider = { url: "" };

export const ownCatalog = defineCatalog({
  PARCEL_API_KEY: textSecret(z.string().regex(/^pk_[a-z0-9]{8,}$/), {
    label: "Parcel API key",
    rule: "is a parcel key",
    check: "sendgrid",
  }),
  PALLET_API_KEY: textSecret(z.string().min(8), {
    label: "Pallet API key",
    rule: "is a pallet key",
    check: "pallets",
    signatures: "pallets",
  }),
});

export const checks = {
  pallets: async (text, signal) => {
    const { ok } = await fetch(provider.url, { headers: { authorization: `Pallet ${text}` }, signal });
    return ok ? "accepted" : "unknown";
  },
} satisfies CredentialChecks;

export const verifiers = { pallets: () => "wrong-signature" } satisfies WebhookVerifiers;
