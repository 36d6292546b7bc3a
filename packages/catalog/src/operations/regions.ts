import { z } from "zod";
import { rule } from "../vocabulary/malformed-input.ts";
import { company, request } from "./fields.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";

const nameRule = rule(
  "is lower-case letters, digits and hyphens, at most 20 of them, and begins with a letter",
);
/** As PostgreSQL's names of publications and subscriptions have room for it. */
export const region = z
  .string({ error: nameRule })
  .regex(/^[a-z][a-z0-9-]{0,19}$/, { error: nameRule })
  .max(20, { error: nameRule })
  .describe("The other region, by its name");

const addressRule = rule("is the origin of an API, such as https://us.example.com");
const address = z
  .string({ error: addressRule })
  .max(300, { error: addressRule })
  .refine((text) => /^https?:/.test(text) && URL.parse(text)?.origin === text, { error: addressRule });

const keyRule = rule("is 32 bytes in base64url");
const publicKey = z
  .string({ error: keyRule })
  .max(43, { error: keyRule })
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, { error: keyRule });

const versionRule = rule("is the number of a key, 1 or more");
const keyVersion = z
  .int({ error: versionRule })
  .min(1, { error: versionRule })
  .max(2_147_483_647, { error: versionRule });

const fingerprintRule = rule("is a fingerprint: 64 hexadecimal digits, in groups or not");
const fingerprint = z
  .string({ error: fingerprintRule })
  .max(100, { error: fingerprintRule })
  .refine((text) => /^[0-9a-f]{64}$/i.test(text.replaceAll(" ", "")), { error: fingerprintRule });

/** What a region is to others: its public halves, and where its API is. */
const identity = {
  region,
  address,
  transportKeyVersion: keyVersion,
  /** Company keys are encrypted to it: X25519. */
  transportKey: publicKey,
  signingKeyVersion: keyVersion,
  /** Copies that the region sends are signed by it: Ed25519. */
  signingKey: publicKey,
} as const;

/** As `regions.identity` prints it, in the region that it is of. */
const RegionIdentityText = z.object({
  ...identity,
  /** Of all but the address: what two people compare. */
  fingerprint: z.string(),
});
export type RegionIdentityText = Readonly<z.infer<typeof RegionIdentityText>>;

const RegionDescription = RegionIdentityText.extend({
  createdAt: z.date(),
  /** How many companies at home here are copied there. */
  companies: z.int(),
});
export type RegionDescription = Readonly<z.infer<typeof RegionDescription>>;

const count = z.int();
const fault = z.enum([
  "publication-changed",
  "slot-lost",
  "slot-inactive",
  "subscription-missing",
  "subscription-disabled",
  "worker-down",
  "copying",
  "empty",
  "differs",
  "refused",
  "late",
]);
/** SHA-256 over all copies, in hexadecimal: both ends have the same where nothing is on its way. */
const digest = z.string();

/** What this region sees of the copies between it and each other one. The other region has a view of its own. */
const status = operation({
  kind: "query",
  verb: "operators",
  input: z.void(),
  output: z.object({
    region: z.string(),
    others: z
      .array(
        z.object({
          region: z.string(),
          address: z.string(),
          /** What is copied there. */
          sends: z.object({
            companies: count,
            copies: count,
            digest,
            faults: z.array(fault).readonly(),
            /** Bytes of its log that the server keeps for the other region. */
            walBytes: z.number(),
          }),
          /** What has come from there. */
          takes: z.object({
            copies: count,
            digest,
            faults: z.array(fault).readonly(),
            /** Since the last sign of life that has arrived, by the clocks of both regions. */
            ageSeconds: z.number().optional(),
            /** Copies that were refused, such as those of an earlier home. */
            refusals: count,
          }),
        }),
      )
      .readonly(),
  }),
});
export type RegionStatus = Readonly<OutputOf<typeof status>>;
const RegionReceipt = z.object({
  companyId: z.string(),
  homeRegion: z.string(),
  goneAt: z.date(),
  /** JSON, as it was signed. */
  receipt: z.string(),
  /** By the signing key of this region, as receipts of shredding are. */
  signature: z.string(),
});
export type RegionReceipt = Readonly<z.infer<typeof RegionReceipt>>;

/** The other regions, as operators made them known here. For operators. */
export const regionOperations = {
  /** What an operator of another region needs to know of this one. */
  identity: operation({ kind: "query", verb: "operators", input: z.void(), output: RegionIdentityText }),

  list: operation({
    kind: "query",
    verb: "operators",
    input: z.void(),
    output: z.array(RegionDescription).readonly(),
  }),

  status,

  /**
   * Makes another region known here. Its identity comes from there, and the fingerprint by another way: two people compare it. A
   * region that is known is given another address, or keys with higher numbers.
   */
  add: operation({
    kind: "mutation",
    verb: "operators",
    stepUp: true,
    input: z.strictObject({ ...identity, fingerprint }),
    output: z.object({ region: RegionDescription, outcome: z.enum(["added", "changed", "unchanged"]) }),
  }),

  /** The companies that were copied here and are gone, the latest 1,000 first, each with a signed receipt. */
  receipts: operation({
    kind: "query",
    verb: "operators",
    input: z.void(),
    output: z.array(RegionReceipt).readonly(),
  }),

  /** Forgets a region that no company is copied to. Its name is not used again. */
  remove: operation({
    kind: "mutation",
    verb: "operators",
    stepUp: true,
    input: z.strictObject({ region }),
    output: z.null(),
  }),
};

export type NewRegion = InputOf<(typeof regionOperations)["add"]>;
export type AddedRegion = Readonly<OutputOf<(typeof regionOperations)["add"]>>;

const CompanyRegion = z.object({
  region: z.string(),
  /** Since when the company is copied there. */
  since: z.date(),
});
export type CompanyRegion = Readonly<z.infer<typeof CompanyRegion>>;

/** The regions that a company is copied to, besides its home. For operators. */
export const companyRegionOperations = {
  list: operation({
    kind: "query",
    verb: "companies",
    input: z.strictObject({ company }),
    output: z.array(CompanyRegion).readonly(),
  }),

  /** Copies the company there: its name, its keys encrypted to the region, and the current values, encrypted as they are. */
  add: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({ company, region, ...request }),
    output: CompanyRegion,
  }),

  /** Deletes all copies there. What backups of that region have, they keep until they expire. */
  remove: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({ company, region, ...request }),
    output: z.null(),
  }),
};
