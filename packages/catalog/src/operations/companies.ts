import { z } from "zod";
import { SecretStoreName } from "../vocabulary/names.ts";
import { company, request } from "./fields.ts";
import { operation, type InputOf } from "./operation.ts";
import { SignedReceipt } from "./signed-receipt.ts";

const CompanyDescription = z.object({
  id: z.uuid(),
  subdomain: z.string(),
  secretStore: SecretStoreName,
  status: z.enum(["active", "suspended", "deleted"]),
  /** For how many days a removed secret can be restored. */
  recoveryDays: z.int(),
  /** Whether every member has to have a second factor. Owners and admins have to in any case. */
  secondFactorRequired: z.boolean(),
  createdAt: z.date(),
});
export type CompanyDescription = Readonly<z.infer<typeof CompanyDescription>>;

const CompanyOverview = CompanyDescription.extend({
  /** Of those that the database knows: what only Infisical has is not counted. Removed secrets are left out. */
  secrets: z.int(),
  members: z.int(),
  /** Its own, neither expired nor revoked. */
  apiKeys: z.int(),
  /** The active key of the company; left out before its first value, and after shredding. */
  key: z.object({ version: z.int(), createdAt: z.date() }).optional(),
  /** When its keys were destroyed for good. */
  shreddedAt: z.date().optional(),
  /** Of a company whose deletion is scheduled, or has begun. */
  deleteAt: z.date().optional(),
});
export type CompanyOverview = Readonly<z.infer<typeof CompanyOverview>>;

const CompanySettings = CompanyDescription.pick({
  secretStore: true,
  recoveryDays: true,
  secondFactorRequired: true,
}).extend({ key: CompanyOverview.shape.key });
export type CompanySettings = Readonly<z.infer<typeof CompanySettings>>;

const CompanyDeletion = z.object({
  /** The id of its run. */
  run: z.uuid(),
  company: z.string(),
  /**
   * `waiting`: can be undone. `failed`: has met an error, and goes on when its run is resumed. `ended`: the company got another home
   * before its date, and nothing was deleted.
   */
  state: z.enum(["waiting", "deleting", "failed", "deleted", "kept", "ended"]),
  deleteAt: z.date(),
  requestedAt: z.date(),
  error: z.string().optional(),
  /** Of a company that is deleted. */
  receipt: SignedReceipt.optional(),
});
export type CompanyDeletion = Readonly<z.infer<typeof CompanyDeletion>>;

/** What is destroyed at the end of a company. */
const Ending = z.strictObject({
  company,
  backupsKeptDays: z
    .int()
    .min(0)
    .max(36_500)
    .describe("How long you keep backups of the database: until then they hold the wraps of the keys"),
  withInfisicalFolder: z
    .boolean()
    .optional()
    .describe("Delete the company's folder in Infisical too; needed where its store is infisical"),
});

const ExternalKeyState = z.object({
  /**
   * `changing`, `removing`: a job encrypts everything under a new key, and destroys the earlier ones at its end. Only when it is
   * `in-force` is every key of the company wrapped by the external key.
   */
  state: z.enum(["none", "changing", "in-force", "removing"]),
  /** Its name, which new keys are wrapped by. */
  key: z.string().optional(),
  /** What it answered a minute ago at most. */
  answer: z.enum(["opens", "denied", "wrong", "unavailable"]).optional(),
});
export type ExternalKeyState = Readonly<z.infer<typeof ExternalKeyState>>;

const CompanyStamp = z.object({
  /** Which process counted. Numbers of two sources cannot be compared: another source is a reason to ask for the lists once. */
  source: z.uuid(),
  secrets: z.int(),
  members: z.int(),
  apiKeys: z.int(),
});
export type CompanyStamp = Readonly<z.infer<typeof CompanyStamp>>;

/** The companies of the platform. For operators, but for `stamp`, `settings`, `setSecondFactor` and those of the external key. */
export const companiesOperations = {
  stamp: operation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary:
        "Counters that move when a list of the company may have changed, so that a client need not ask for the list itself, which is audited. Results of checks and times of last use move nothing.",
      example: { company: "acmecorp" },
    },
    input: z.strictObject({ company }),
    output: CompanyStamp,
  }),

  settings: operation({
    kind: "query",
    verb: "describe",
    forServices: {
      summary: "How the company's secrets are kept.",
      example: { company: "acmecorp" },
    },
    input: z.strictObject({ company }),
    output: CompanySettings,
  }),

  list: operation({
    kind: "query",
    verb: "companies",
    input: z.void(),
    output: z.array(CompanyOverview).readonly(),
  }),

  get: operation({
    kind: "query",
    verb: "companies",
    input: z.strictObject({ company }),
    output: CompanyOverview,
  }),

  create: operation({
    kind: "mutation",
    verb: "companies",
    input: z.strictObject({
      subdomain: company,
      /** Where its secrets live. */
      secretStore: SecretStoreName,
      ...request,
    }),
    output: CompanyDescription,
  }),

  /** Changes the subdomain; the id and the folder in Infisical stay. */
  rename: operation({
    kind: "mutation",
    verb: "companies",
    input: z.strictObject({ company, subdomain: company, ...request }),
    output: CompanyDescription,
  }),

  /** Sets for how many days its removed secrets can be restored, 7 to 90. What was removed before keeps the time that it got. */
  setRecovery: operation({
    kind: "mutation",
    verb: "companies",
    input: z.strictObject({ company, days: z.int() }),
    output: CompanyDescription,
  }),

  /**
   * Requires a second factor of every member, or no longer. For owners and admins, and operators. A member without one may add
   * one and do nothing else, within five seconds.
   */
  setSecondFactor: operation({
    kind: "mutation",
    verb: "members",
    stepUp: true,
    input: z.strictObject({ company, required: z.boolean() }),
    output: CompanyDescription,
  }),

  /** How the company's keys are wrapped by a key in a service of its own, and what that answers. For owners, admins and operators. */
  externalKey: operation({
    kind: "query",
    verb: "rotate",
    input: z.strictObject({ company }),
    output: ExternalKeyState,
  }),

  /**
   * Has the company's keys wrapped by a key of its own in AWS KMS. For owners, and for operators where there is none yet. Makes a new
   * key of the company; a job encrypts everything under it.
   */
  setExternalKey: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    /** The full ARN of a symmetric key. */
    input: z.strictObject({ company, key: z.string().max(2048) }),
    output: ExternalKeyState,
  }),

  /** Undoes `setExternalKey`, with another new key. For owners. */
  removeExternalKey: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    input: z.strictObject({ company }),
    output: ExternalKeyState,
  }),

  /** Shuts the company's secrets for everyone, at once and in every process. Deletes nothing. */
  suspend: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({ company }),
    output: CompanyDescription,
  }),

  resume: operation({
    kind: "mutation",
    verb: "companies",
    input: z.strictObject({ company }),
    output: CompanyDescription,
  }),

  /**
   * Destroys the company's keys, and with them every value in the database, for good. Sent again, it answers with the same
   * receipt, and deletes a folder in Infisical that is left, if that is asked for now.
   */
  shred: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    input: Ending,
    output: SignedReceipt,
  }),

  /**
   * Suspends the company now, and deletes it after some days: its keys, values, people and API keys. Until then `keep` undoes it.
   * Takes the approval of another operator, as `shred` does.
   */
  delete: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    input: Ending.extend({ afterDays: z.int().min(1).max(365) }),
    output: CompanyDeletion,
  }),

  /** Undoes `delete`, while nothing is destroyed: the company is as it was before. */
  keep: operation({
    kind: "mutation",
    verb: "companies",
    input: z.strictObject({ company }),
    output: CompanyDescription,
  }),

  /** The last deletion of a company, and of one that is deleted its receipt. NOT_FOUND where none was asked for. */
  deletion: operation({
    kind: "query",
    verb: "companies",
    input: z.strictObject({ company }),
    output: CompanyDeletion,
  }),

  /** The receipt of a company that was shredded. */
  receipt: operation({
    kind: "query",
    verb: "rotate",
    input: z.strictObject({ company }),
    output: SignedReceipt,
  }),
};

export type NewCompany = InputOf<(typeof companiesOperations)["create"]>;
