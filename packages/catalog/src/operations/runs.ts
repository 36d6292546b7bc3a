import { z } from "zod";
import { company } from "./fields.ts";
import { operation, type InputOf } from "./operation.ts";
import { NamedActor } from "./versions.ts";

/** A run as operators and the people of its company see it. */
const RunDescription = z.object({
  id: z.uuid(),
  kind: z.string(),
  /** What it is called, such as "Rotation of the master key". */
  title: z.string(),
  /** The id of a company, a region, or the run's own. */
  subject: z.string(),
  /** The company that it is about. */
  company: z.object({ subdomain: z.string() }).optional(),
  /** The version of the key that it makes, once that is known. */
  keyVersion: z.int().optional(),
  state: z.enum(["running", "paused", "failed", "cancelling", "done", "cancelled"]),
  phase: z.string(),
  /** How many items of the phase are done, and of how many. */
  done: z.int(),
  total: z.int().optional(),
  perSecond: z.number().optional(),
  secondsLeft: z.int().optional(),
  /** Whether a process is at it now. */
  driven: z.boolean(),
  /** What operators can ask of it now. */
  allows: z.array(z.enum(["pause", "resume", "cancel"])).readonly(),
  /** A run that waits: it continues then. */
  notBefore: z.date().optional(),
  /** Attempts that failed since it last came to another phase, and what stopped the last one. */
  attempts: z.int(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  /** The names of operators are for operators. */
  requestedBy: NamedActor,
  startedAt: z.date(),
  updatedAt: z.date(),
  finishedAt: z.date().optional(),
});
export type RunDescription = Readonly<z.infer<typeof RunDescription>>;

const one = z.strictObject({ run: z.uuid() });

/** Long work: rotations of keys and imports. For operators, but for `list`. */
export const runOperations = {
  /** The newest first. With a company also for its people, without one for operators. An open page may ask every 15 s. */
  list: operation({
    kind: "query",
    verb: "describe",
    input: z.strictObject({
      company: company.optional(),
      /** Such as "migrate"; of an unknown kind there is none. */
      kind: z
        .string()
        .max(100)
        .regex(/^[a-z-]+$/)
        .optional(),
      /** Those that are neither done nor cancelled. */
      unfinished: z.boolean().optional(),
      /** Those that are unfinished or ended within seven days. */
      recent: z.boolean().optional(),
      /** The id of the last run of a page: those that began before it. */
      before: z.uuid().optional(),
      limit: z.int().min(1).max(200).default(50),
    }),
    output: z.object({ runs: z.array(RunDescription).readonly() }),
  }),

  get: operation({ kind: "query", verb: "rotate", input: one, output: RunDescription }),
  pause: operation({ kind: "mutation", verb: "rotate", input: one, output: RunDescription }),
  resume: operation({ kind: "mutation", verb: "rotate", input: one, output: RunDescription }),
  cancel: operation({ kind: "mutation", verb: "rotate", input: one, output: RunDescription }),
};

export type RunQuery = InputOf<(typeof runOperations)["list"]>;
