import { z } from "zod";
import { rule } from "../vocabulary/malformed-input.ts";
import { company, moment, wholeNumber } from "./fields.ts";
import { type InputOf, operation, type OutputOf } from "./operation.ts";
import { NamedActor } from "./versions.ts";

const cursor = z.string().max(200).optional().describe("What the answer before ended with");

/** How an audited call ended; "attempted" is an event from before its end. */
export const AuditOutcome = z.enum(["success", "denied", "attempted", "failed", "unknown"]);

/** More than there are actions: a group of them is a filter in the admin app. */
const maxValues = 200;
const valuesRule = rule(`has 1 to ${maxValues} values`);

/** Values of one field, any of which an event may have. */
function anyOf<T extends z.ZodType>(value: T, help: string) {
  return z
    .array(value)
    .min(1, { error: valuesRule })
    .max(maxValues, { error: valuesRule })
    .readonly()
    .optional()
    .describe(help);
}

const textRule = rule("has at most 200 characters of well-formed text without NUL");
/** A text as the database can have one. */
const text = z
  .string()
  .max(200, { error: textRule })
  .refine((given) => given.isWellFormed() && !given.includes("\0"), { error: textRule });

/** An event is listed that fits each filter. Without any, all are. */
const filters = {
  /** Ids, as events have them. */
  actors: anyOf(text, "Only what these did, by their ids; may be given more than once"),
  actions: anyOf(text, "Only these actions; may be given more than once"),
  secretKeys: anyOf(text, "Only what concerns these secrets; may be given more than once"),
  outcomes: anyOf(AuditOutcome, "Only these outcomes; may be given more than once"),
  from: moment.optional().describe("Only events from this time on: 2026-01-31 or 2026-01-31T12:00:00Z"),
  /** Later than `from`. */
  to: moment.optional().describe("Only events before this time"),
  requestId: text.optional().describe("Only the events of this request"),
};
export type AuditFilters = Readonly<z.infer<z.ZodObject<typeof filters>>>;

const AuditEvent = z.object({
  id: z.uuid(),
  companyId: z.uuid().nullable(),
  occurredAt: z.date(),
  actorKind: z.string(),
  actorId: z.string(),
  /** Of a person, also after they left, or of an API key, as the company knows it. */
  actorName: z.string().optional(),
  action: z.string(),
  secretKey: z.string().nullable(),
  version: z.int().nullable(),
  outcome: AuditOutcome,
  reason: z.string().nullable(),
  subject: z.string().nullable(),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
  count: z.int(),
  lastAt: z.date().nullable(),
});

export type AuditEvent = Readonly<z.infer<typeof AuditEvent>>;

const counts = {
  /** Values that programs read. */
  reads: z.int(),
  /** Values that people looked at or exported. */
  reveals: z.int(),
  changes: z.int(),
  denials: z.int(),
};

export const auditOperations = {
  /**
   * A company's events, or for operators those of the platform; the newest first. With filters, a page looks through 20,000
   * events at most, so that one with a cursor may have fewer events than asked for, or none.
   */
  list: operation({
    kind: "query",
    verb: "audit",
    input: z.strictObject({
      company: company.optional().describe("The company; without it, all of the platform"),
      ...filters,
      cursor,
      limit: wholeNumber(1, 100).optional().describe("How many events, 1 to 100; default 50"),
    }),
    output: z.object({ events: z.array(AuditEvent).readonly(), cursor }),
  }),

  /**
   * How much was done in a company, or for operators in all companies together, from one time to another, rounded outwards to
   * whole hours or days in UTC. It agrees with the list, but for events of the last seconds, which are not sealed yet, and for
   * events of no company, which it leaves out.
   */
  summary: operation({
    kind: "query",
    verb: "audit",
    input: z.strictObject({
      company: company.optional().describe("The company; without it, all companies"),
      from: moment,
      /** Later than `from`, and at most 1,000 hours or days. */
      to: moment,
      by: z.enum(["hour", "day"]).describe("What a count is of: an hour, or a day"),
      secretKey: text.optional().describe("Only what concerns this secret"),
    }),
    output: z.object({
      from: z.date(),
      to: z.date(),
      /** The hours or days in which something was done, in order. */
      buckets: z.array(z.object({ at: z.date(), ...counts })).readonly(),
      /** The ten secrets with the most of it, the most first. */
      secrets: z.array(z.object({ secretKey: z.string(), ...counts })).readonly(),
      /** The ten actors that did the most, the most first. */
      actors: z.array(NamedActor.extend(counts)).readonly(),
    }),
  }),

  /** How far the audit log is sealed, and what its last verification found. For operators also of the whole platform. */
  proof: operation({
    kind: "query",
    verb: "audit",
    input: z.strictObject({
      company: company.optional().describe("The company; without it, all of the platform"),
    }),
    output: z.object({
      /** The last sealed batch; undefined before the first one. */
      sealed: z.object({ batch: z.int(), at: z.date() }).optional(),
      /** Events that are in no batch yet, of the company or of all. 10,000 waiting events are counted at most. */
      unsealed: z.int(),
      verification: z
        .object({
          finishedAt: z.date(),
          /** The last batch that was verified. */
          batch: z.int(),
          outcome: z.enum(["sound", "changed"]),
          findings: z.int(),
        })
        .optional(),
      /** SHA-256 of the public key that batches are signed with now (SubjectPublicKeyInfo, DER), in hexadecimal. */
      keyFingerprint: z.string(),
    }),
  }),

  /** Starts a verification of the whole audit log in the background. `proof` has its outcome. For operators. */
  verify: operation({
    kind: "mutation",
    verb: "audit",
    // It reads the whole audit log.
    sensitive: true,
    input: z.void(),
    output: z.null(),
  }),

  /** A page of a company's own events, each with the proof that it is as it was sealed. */
  export: operation({
    kind: "query",
    verb: "audit",
    // It takes the audit log along.
    sensitive: true,
    input: z.strictObject({ company, from: moment, to: moment, cursor }),
    output: z.object({ lines: z.array(z.string()).readonly(), unsealed: z.int(), cursor }),
  }),

  /** The keys that exports and checkpoints are checked with, in PEM. For operators, who publish them. */
  publicKeys: operation({
    kind: "query",
    verb: "audit",
    input: z.void(),
    output: z.object({ publicKeys: z.string() }),
  }),
};

export type AuditSummaryOptions = InputOf<(typeof auditOperations)["summary"]>;
export type AuditSummary = Readonly<OutputOf<(typeof auditOperations)["summary"]>>;
export type AuditProof = Readonly<OutputOf<(typeof auditOperations)["proof"]>>;
export type AuditListOptions = InputOf<(typeof auditOperations)["list"]>;
