import { generateKeyPairSync } from "node:crypto";
import type { SigningKey } from "@repo/audit-log";
import { expect, test } from "vitest";
import { signDeletion } from "./keys/deletion/deletion-receipt.ts";
import { signShredding, type ShreddingFacts } from "./keys/shredding/receipt.ts";
import { verifyReceipt } from "./receipts.ts";
import { signatureOf } from "./runs/signed-document.ts";

function newKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    keyVersion: 1,
    privateKey,
    publicKey: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

const [ours, another] = [newKey(), newKey()];
const at = "2026-11-30T12:00:00.000Z";
const company = { id: "0198c0de-0000-4000-8000-000000000001", subdomain: "acmecorp" };

const shredded: ShreddingFacts = {
  company,
  shreddedAt: at,
  shreddedBy: "operator ada",
  approvedBy: null,
  destroyed: {
    companyKeys: [1],
    wraps: [],
    currentValues: 1,
    earlierValues: 0,
    versions: 1,
    writeRequests: 0,
    apiKeys: 0,
    copies: [],
  },
  processes: { alive: 1, keysForgottenBy: at },
  infisical: { folder: "/tenants/acmecorp", secrets: 0, deletedAt: null },
  backups: { madeBefore: at, keptDays: 1, expiredBy: at, masterKeyVersions: [] },
};

/** The receipt of a deletion, with a shredding that `inner` has signed. */
function deletedWith(inner: SigningKey): string {
  return JSON.stringify(
    signDeletion(
      {
        company,
        requestedBy: "operator ada",
        requestedAt: at,
        approvedBy: null,
        deletedAt: at,
        removed: { members: 1, invitations: 0, rotationPolicies: 0, lastUses: 0 },
        atProviders: [],
        shredding: signShredding(shredded, inner),
        reserved: { subdomains: ["acmecorp"], infisicalFolder: "acmecorp" },
      },
      ours,
    ),
  );
}

test("the receipt of a deletion is verified together with that of the shredding inside", () => {
  expect(verifyReceipt(deletedWith(ours), ours.publicKey)).toMatchObject({ deletedAt: at });
  expect(() => verifyReceipt(deletedWith(another), ours.publicKey)).toThrow("not signed with this key");
});

test("the signature of one kind of receipt is none for another kind", () => {
  const { receipt } = signShredding(shredded, ours);
  const signature = signatureOf("tenant-secrets-deletion/1", receipt, ours);
  expect(() => verifyReceipt(JSON.stringify({ receipt, signature }), ours.publicKey)).toThrow(
    "not signed with this key",
  );
});

test("a receipt of a kind that a later release makes is NOT_SUPPORTED, and what is no receipt is not quoted", () => {
  const signed = (format: string) => {
    const receipt = JSON.stringify({ format, canary: "fake_canary_0001" });
    return JSON.stringify({ receipt, signature: signatureOf(format, receipt, ours) });
  };
  expect(() => verifyReceipt(signed("tenant-secrets-shredding/2"), ours.publicKey)).toThrow(
    "The format of this receipt is tenant-secrets-shredding/2",
  );
  for (const format of ["fake_canary_0002", "__proto__", "", "tenant-secrets-\0/1"]) {
    expect(() => verifyReceipt(signed(format), ours.publicKey), format).toThrow(
      /^This receipt was modified, or was not signed with this key\.$/,
    );
  }
});
