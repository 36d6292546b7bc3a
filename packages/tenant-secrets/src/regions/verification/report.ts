import { createPublicKey } from "node:crypto";
import { z } from "zod";
import { TenantSecretsError } from "@repo/catalog";
import { fromBase64url, regionFingerprint, type RegionIdentity, toBase64url } from "@repo/envelope";
import type { RegionKey } from "../../keys/region-keys.ts";
import { documentText, isSignatureOf, readDocument, signatureOf } from "../../runs/signed-document.ts";

const format = "tenant-secrets-region/1";
const Count = z.int().nonnegative();
const PublicKey = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

/** What can be wrong with what a region has of companies. docs/regions.md says how each is mended. */
export const faultKinds = [
  /** The row of another region was planted, or changed. */
  "region-not-genuine",
  /** A row that says where a company may be was planted, or changed. */
  "permission-not-genuine",
  /** A company is copied to a region, or comes from one, that no operator made known here. */
  "region-unknown",
  /** A copy for a region in which the company may not be. */
  "not-allowed",
  /** A region in which the company may be lacks a copy. */
  "missing",
  /** A copy for another region is not what is here. */
  "outdated",
  /** The home of the company did not sign the copy as it is. */
  "signature",
  /** The key was not encrypted to this region, for this company. */
  "key",
  /** No holder of the company's key wrote the head as it is, or that key is not here. */
  "mac",
  /** The copy is of another home, or an earlier epoch, than this region knows of. */
  "epoch",
  /** Copies were sent here by an earlier home, by a region that is not the home, or in an older state. */
  "refused",
  /** The copy is neither for this region nor from it. */
  "elsewhere",
  /** Values of a company that is at home in another region are in tables that only a home has. */
  "not-at-home",
  /** The company is known here, and no copy of it is. */
  "left-behind",
] as const;
export type FaultKind = (typeof faultKinds)[number];

const Fault = z.strictObject({
  kind: z.enum(faultKinds),
  /** The id of the company; null for one of the region itself. */
  company: z.uuid().nullable(),
  /** The other region; null where there is none. */
  region: z.string().nullable(),
  /** Such as `secret STRIPE_SECRET_KEY`; null where it is about no single copy. */
  copy: z.string().nullable(),
});
export type Fault = z.infer<typeof Fault>;

const Copies = z.strictObject({
  from: z.string(),
  to: z.string(),
  company: Count,
  key: Count,
  secret: Count,
  /** SHA-256 over all of them: both ends of a route say the same. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});

const Company = z.strictObject({
  id: z.uuid(),
  /** As its row here or its copy says; null where there is neither. */
  subdomain: z.string().nullable(),
  home: z.string().nullable(),
  epoch: z.int().positive().nullable(),
  /** The other regions where it may be, by genuine rows; null in a region that is not its home. */
  allowed: z.array(z.string()).nullable(),
  copies: z.array(Copies),
});
export type CompanyInRegion = z.infer<typeof Company>;

const Report = z.strictObject({
  format: z.literal(format),
  madeAt: z.iso.datetime(),
  /** The actor. */
  madeBy: z.string(),
  /** Whose report it is. */
  region: z.strictObject({
    region: z.string(),
    transportKeyVersion: z.int().positive(),
    transportKey: PublicKey,
    signingKeyVersion: z.int().positive(),
    signingKey: PublicKey,
  }),
  /** The other regions that are known here, each with its fingerprint. */
  known: z.array(z.strictObject({ region: z.string(), fingerprint: z.string() })),
  /** The subdomain or id that was asked for; null for all companies. */
  asked: z.string().nullable(),
  /** Of the company that was asked for; null where this region has nothing of it. */
  company: Company.nullable(),
  /** How many companies and copies were looked at. */
  companies: Count,
  copies: Count,
  faults: z.array(Fault),
  /** How many there are beside those. */
  moreFaults: Count,
});
export type RegionReport = z.infer<typeof Report>;

/** The facts of a report, to which its region is added. */
export type RegionFacts = Omit<RegionReport, "format" | "region">;

const Signed = z.strictObject({ report: z.string(), signature: z.string() });
/** A report as a JSON text, and the signature of its region. */
export type SignedRegionReport = z.infer<typeof Signed>;

export function signRegionReport(
  facts: RegionFacts,
  identity: RegionIdentity,
  key: RegionKey,
): SignedRegionReport {
  const { region, transportKeyVersion, transportKey, signingKeyVersion, signingKey } = identity;
  const keys = { transportKey: toBase64url(transportKey), signingKey: toBase64url(signingKey) };
  const report = documentText(Report, {
    format,
    ...facts,
    region: { region, transportKeyVersion, signingKeyVersion, ...keys },
  });
  return { report, signature: signatureOf(format, report, key) };
}

/**
 * Verifies a report with the fingerprint of its region alone.
 *
 * @param text the file that `regions verify` wrote
 * @param fingerprint as an operator of that region told it, in any spelling
 * @returns the content
 * @throws {TenantSecretsError} INTEGRITY_FAILURE for a report that was modified, or is of a region with another fingerprint
 */
export function verifyRegionReport(text: string, fingerprint: string): RegionReport {
  const signed = parseSigned(text);
  const content = readRegionReport(text);
  const signingKey = fromBase64url(content.region.signingKey);
  const transportKey = fromBase64url(content.region.transportKey);
  if (signingKey === undefined || transportKey === undefined) throw notGenuine();
  const claimed = regionFingerprint({ ...content.region, signingKey, transportKey });
  if (digits(claimed) !== digits(fingerprint)) throw notGenuine();
  const key = createPublicKey({ key: Buffer.concat([spki, signingKey]), format: "der", type: "spki" });
  const { report, signature } = signed;
  if (!isSignatureOf(format, report, { signature, keys: [key] })) throw notGenuine();
  return content;
}

/** A report's content, without verifying its signature. @throws {TenantSecretsError} INTEGRITY_FAILURE if it is no report */
export function readRegionReport(text: string): RegionReport {
  const content = readDocument(Report, parseSigned(text).report);
  if (content === undefined) throw notGenuine();
  return content;
}

function parseSigned(text: string): SignedRegionReport {
  const signed = readDocument(Signed, text);
  if (signed === undefined) throw notGenuine();
  return signed;
}

/** What comes before the 32 bytes of an Ed25519 public key in SPKI (RFC 8410, 4). */
const spki = Buffer.from("302a300506032b6570032100", "hex");

function digits(fingerprint: string): string {
  return fingerprint.replaceAll(" ", "").toLowerCase();
}

function notGenuine(): TenantSecretsError {
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    "This report was modified, or is of a region with another fingerprint.",
  );
}
