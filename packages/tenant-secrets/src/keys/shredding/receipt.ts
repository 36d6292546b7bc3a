import { z } from "zod";
import type { SigningKey } from "@repo/audit-log";
import { signReceipt, type SignedReceipt } from "../../runs/signed-receipt.ts";

const format = "tenant-secrets-shredding/1";
const Count = z.int().nonnegative();
const Time = z.iso.datetime();

/** The content of a receipt. docs/shredding.md explains it to its recipient. */
export const ShreddingReceipt = z.strictObject({
  format: z.literal(format),
  company: z.strictObject({ id: z.uuid(), subdomain: z.string() }),
  shreddedAt: Time,
  shreddedBy: z.string(),
  /** Null where the deployment lets one operator act alone. */
  approvedBy: z.string().nullable(),
  destroyed: z.strictObject({
    /** The versions of the company's keys. */
    companyKeys: z.array(z.int().positive()),
    wraps: z.array(
      z.strictObject({ region: z.string(), masterKeyVersion: z.int().positive(), count: Count }),
    ),
    currentValues: Count,
    earlierValues: Count,
    /** Versions whose fingerprint and last four characters were deleted. */
    versions: Count,
    /** Stored request ids, which contained a MAC of the value. */
    writeRequests: Count,
    apiKeys: Count,
    /** Copies in other regions, which delete them as they hear of it. */
    copies: z.array(z.strictObject({ region: z.string(), count: Count })),
  }),
  processes: z.strictObject({
    /** The number of live processes, which were notified. */
    alive: Count,
    /** By then, processes that missed the notification have dropped the keys as well. */
    keysForgottenBy: Time,
  }),
  infisical: z.strictObject({ folder: z.string(), secrets: Count, deletedAt: Time.nullable() }),
  backups: z.strictObject({
    /** Database backups made before this time still contain the wraps. */
    madeBefore: Time,
    keptDays: Count,
    expiredBy: Time,
    /** The master keys that decrypt those wraps. */
    masterKeyVersions: z.array(z.strictObject({ region: z.string(), version: z.int().positive() })),
  }),
  /** When nothing remains, including backups; null while values remain in Infisical. */
  completeBy: Time.nullable(),
  /** What remains and where, in sentences. */
  remains: z.array(z.string()),
});
export type ShreddingReceipt = z.infer<typeof ShreddingReceipt>;

/** The receipt's facts, from which the rest is derived. */
export type ShreddingFacts = Omit<ShreddingReceipt, "format" | "completeBy" | "remains">;

export function signShredding(facts: ShreddingFacts, key: SigningKey): SignedReceipt {
  const left = facts.infisical.secrets > 0 && facts.infisical.deletedAt === null;
  const completeBy = left ? null : facts.backups.expiredBy;
  return signReceipt(ShreddingReceipt, { format, ...facts, completeBy, remains: remainsOf(facts) }, key);
}

function remainsOf({
  company,
  shreddedAt,
  processes,
  infisical,
  backups,
  destroyed,
}: ShreddingFacts): string[] {
  const regions = destroyed.copies.map(({ region }) => region).join(", ");
  const versions = backups.masterKeyVersions.map(({ region, version }) => `${region} ${version}`).join(", ");
  const inFolder = `${infisical.secrets} secrets of ${company.subdomain} in Infisical, folder ${infisical.folder},`;
  return [
    ...(versions === ""
      ? []
      : [
          `Database backups made before ${backups.madeBefore} still hold the wraps of this company's keys. They become useless when the master key versions ${versions} are destroyed, in Infisical and in every backup of keys, or when they expire: kept for ${backups.keptDays} days, by ${backups.expiredBy}.`,
        ]),
    ...(infisical.secrets === 0
      ? []
      : infisical.deletedAt === null
        ? [`${inFolder} were not shredded and can still be read there.`]
        : [
            `${inFolder} were deleted at ${infisical.deletedAt}. Infisical's own history and its server's backups may hold them for as long as they are kept there.`,
          ]),
    ...(regions === ""
      ? []
      : [
          `Other regions had copies until ${shreddedAt}: ${regions}. Each deletes its own as it hears of it, and signs a receipt of what it had; until its backups and its log of the database expire, those hold the keys, encrypted to that region.`,
        ]),
    `${processes.alive} processes were alive at ${shreddedAt} and were told to forget the keys; one that did not hear it forgets them by ${processes.keysForgottenBy}.`,
    "Names of secrets, their versions, dates, authors and notes, and the events of the audit log stay. They hold no value.",
    "A value that was read before is wherever it was taken. Replace the credentials at their providers.",
  ];
}
