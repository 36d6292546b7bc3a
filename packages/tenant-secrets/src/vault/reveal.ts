import { notFound, vaultOperations } from "@repo/catalog";
import { decryptSecret } from "../stores/decrypt.ts";
import type { Authorize, VaultHandlers, VaultParts } from "./authorize.ts";
import type { ReadAudit } from "./read-audit.ts";
import { copyMark, requireAge } from "./copy-marks.ts";
import { valueOf } from "./reads.ts";

/** Shows a value to a person. The purpose is audited before the value is returned. */
export function createReveal(
  { catalog, copyAges }: VaultParts,
  authorize: Authorize,
  record: ReadAudit,
): Pick<VaultHandlers, "reveal"> {
  return {
    reveal: (scope, { secretKey, purpose, maxAgeMs }) => {
      const denyReason = catalog.find(secretKey)?.writeOnly === true ? writeOnly : undefined;
      const call = { operation: vaultOperations.reveal, scope, secretKey, denyReason };
      return authorize(call, async ({ company }, store, steps) => {
        catalog.get(secretKey);
        await requireAge(copyAges, company, maxAgeMs);
        const found = decryptSecret(await store.find(company, secretKey));
        if (found === undefined) throw notFound();
        try {
          await steps.record({ version: found.version, reason: purpose, subject: found.copiedFrom });
          record.countExpired(found);
          return { ...valueOf(found), ...copyMark(copyAges, found.copiedFrom) };
        } finally {
          found.plaintext.wipe();
        }
      });
    },
  };
}

const writeOnly =
  "This secret is write-only: programs use it, and no person can see it. To change it, write another value; to see it, ask its issuer.";
