import { notFound, vaultOperations } from "@repo/catalog";
import type { CompanyScope } from "../companies/companies.ts";
import { getVerifier, verifyWebhook, type WebhookRequest } from "../providers/webhook-verification.ts";
import { findActive } from "../stores/capabilities.ts";
import { decryptActive } from "../stores/decrypt.ts";
import type { Authorize, VaultParts } from "./authorize.ts";
import { touchLastUsed, type ReadAudit } from "./read-audit.ts";
import { valueOf } from "./reads.ts";
import { openOrInvalidate, cacheKeyOf } from "./secret-cache.ts";

export interface Webhooks {
  /**
   * Verifies that a webhook was signed with an active version. No value is returned; the check is audited as a read of that
   * version.
   *
   * @throws {TenantSecretsError} as `read`; UNAUTHENTICATED; NOT_SUPPORTED if the entry names no signature scheme
   */
  verifyWebhook(
    scope: CompanyScope,
    input: { readonly secretKey: string; readonly request: WebhookRequest },
  ): Promise<{ readonly version: number }>;
}

export function createWebhooks(
  { catalog, cache, verifiers }: VaultParts,
  authorize: Authorize,
  record: ReadAudit,
): Webhooks {
  return {
    verifyWebhook: (resolved, { secretKey, request }) =>
      authorize({ operation: vaultOperations.read, scope: resolved, secretKey }, async (scope, store) => {
        const { caller, company } = scope;
        const verifier = getVerifier(catalog, verifiers, secretKey);
        const found = await cache.active.get(cacheKeyOf(company, secretKey), () =>
          findActive(store, company, { secretKey }),
        );
        const active = openOrInvalidate(cache, { company, secretKey }, () => decryptActive(found));
        try {
          if (active.length === 0) throw notFound();
          const signing = active.map((secret) => {
            const { value: text, version } = valueOf(secret);
            return { text, version, expiresAtMs: secret.expiresAtMs, copiedFrom: secret.copiedFrom };
          });
          const used = verifyWebhook(verifier, signing, { request });
          await record.record(caller, { companyId: company.id, secretKey }, used);
          touchLastUsed(scope, store, secretKey);
          return { version: used.version };
        } finally {
          for (const { plaintext } of active) plaintext.wipe();
        }
      }),
  };
}
