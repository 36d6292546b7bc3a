import type { Receipt } from "@repo/tenant-secrets/operator";

type Kind<F extends Receipt["format"]> = Extract<Receipt, { readonly format: F }>;

/** What a receipt of any kind says, as sentences. */
export function receiptText(content: Receipt): string {
  switch (content.format) {
    case "tenant-secrets-shredding/1":
      return shreddingText(content);
    case "tenant-secrets-deletion/1":
      return deletionText(content);
    case "tenant-secrets-region-receipt/1":
      return regionText(content);
    case "tenant-secrets-export/1":
      return exportText(content);
  }
}

export function shreddingText({
  company,
  shreddedAt,
  shreddedBy,
  approvedBy,
  destroyed,
  completeBy,
  remains,
}: Kind<"tenant-secrets-shredding/1">): string {
  return [
    `${company.subdomain} (${company.id}) was shredded at ${shreddedAt} by ${shreddedBy}, ${approvedOf(approvedBy)}: keys ${destroyed.companyKeys.join(", ") || "none"}, ${destroyed.currentValues} current and ${destroyed.earlierValues} earlier values.`,
    ...remains,
    completeBy === null
      ? "It is not complete: values are left in Infisical."
      : `Nothing of it is left by ${completeBy}.`,
  ].join("\n");
}

function deletionText({
  company,
  deletedAt,
  requestedBy,
  approvedBy,
  removed,
  atProviders,
  remains,
}: Kind<"tenant-secrets-deletion/1">): string {
  return [
    `${company.subdomain} (${company.id}) was deleted at ${deletedAt}, as ${requestedBy} had asked, ${approvedOf(approvedBy)}: ${removed.members} members, ${removed.invitations} invitations, ${removed.rotationPolicies} rotation policies.`,
    "The receipt of its shredding, which is inside, is genuine as well.",
    ...atProviders.map(
      ({ secretKey, name }) =>
        `At its provider the credential ${name}, made for ${secretKey}, may still be valid.`,
    ),
    ...remains,
  ].join("\n");
}

function regionText({ companyId, region, goneAt, remains }: Kind<"tenant-secrets-region-receipt/1">): string {
  return [`Company ${companyId} is gone from region ${region} since ${goneAt}.`, ...remains].join("\n");
}

function exportText({
  company,
  exportedAt,
  exportedBy,
  purpose,
  secretKeys,
  recipients,
  file,
  secrets,
  leftOut,
}: Kind<"tenant-secrets-export/1">): string {
  return [
    `${exportedBy} exported ${secrets.length} secrets of ${company.subdomain} (${company.id}) at ${exportedAt}, for ${purpose}.`,
    ...(secretKeys.includes("*")
      ? []
      : [`The exporter may export ${secretKeys.join(", ")} alone: others are not in the file.`]),
    `The file has ${file.bytes} bytes, and its SHA-256 is ${file.sha256}. It is ${file.format}, encrypted to:`,
    ...recipients.map((recipient) => `  ${recipient}`),
    ...secrets.map(({ secretKey, version }) => `In the file: ${secretKey}, version ${version}.`),
    ...leftOut.map(({ secretKey, reason }) => `Left out: ${secretKey}, ${reason}.`),
  ].join("\n");
}

function approvedOf(approvedBy: string | null): string {
  return approvedBy === null ? "alone" : `approved by ${approvedBy}`;
}
