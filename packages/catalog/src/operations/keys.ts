import { z } from "zod";
import { company } from "./fields.ts";
import { operation } from "./operation.ts";

const Version = z.int32().positive();

/** Where a rotation of the master key is. */
export const RotationPhase = z.enum([
  "stage",
  "backup",
  "distribute",
  "activate",
  "rewrap",
  "verify",
  "retire",
  "report",
  "done",
]);

export type RotationPhase = z.infer<typeof RotationPhase>;

const KeyStatus = z.object({
  region: z.string(),
  versions: z
    .array(
      z.object({
        version: Version,
        /** The name in Infisical. */
        name: z.string(),
        status: z.enum(["pending", "active", "retiring", "retired", "destroyed"]),
        /** Identifies the key without revealing it. */
        fingerprint: z.string(),
        createdAt: z.date(),
        activatedAt: z.date().optional(),
        /** When the active key is due for rotation: 90 days after its activation. */
        dueAt: z.date().optional(),
        /** The number of company and audit keys wrapped under it. */
        wraps: z.int(),
        /**
         * How many of these a rotation away from this version left, because their key did not open. Restore them from a backup of
         * the database, or shred their companies.
         */
        damaged: z.int(),
      }),
    )
    .readonly(),
  rotation: z
    .object({
      id: z.uuid(),
      phase: RotationPhase,
      toVersion: Version,
      startedAt: z.date(),
      /** Whether a process is driving it; if not, the next rotation continues it. */
      driven: z.boolean(),
      /** How many keys have a wrap under the new version, of how many. */
      wrapped: z.int(),
      total: z.int(),
      /** What stopped its last attempt, since it last came to another phase. */
      lastError: z.object({ code: z.string(), message: z.string() }).optional(),
      /** When a job tries again; left out where none waits. */
      retryAt: z.date().optional(),
    })
    .optional(),
  /** Unfinished rotations of companies' keys; runs.list has each. */
  companyRotations: z.object({
    unfinished: z.int(),
    /** Those of them that failed, and are tried again. */
    retrying: z.int(),
    /** Those of them that no job tries any more: `runs.resume` does. */
    failed: z.int(),
  }),
  /** The processes that hold keys, and the versions they have loaded. */
  processes: z
    .array(z.object({ id: z.uuid(), versions: z.array(Version).readonly(), seenAt: z.date() }))
    .readonly(),
});
export type KeyStatus = Readonly<z.infer<typeof KeyStatus>>;

const KnownKeyBackup = z.object({
  /** SHA-256 of the file, as `sha256:` and 64 hexadecimal digits. */
  fingerprint: z.string(),
  /** Host and path where it was written. Left out for one that was checked alone. */
  place: z.string().optional(),
  createdAt: z.date(),
  lastCheck: z
    .object({
      at: z.date(),
      /** Whether it had every key of the registry then. */
      complete: z.boolean(),
    })
    .optional(),
});
export type KnownKeyBackup = Readonly<z.infer<typeof KnownKeyBackup>>;

const Report = z.strictObject({ report: z.string().max(500_000), mac: z.string().max(200) });

/** The master key of this deployment's region, and the keys of companies. For operators. */
export const keyOperations = {
  status: operation({ kind: "query", verb: "rotate", input: z.void(), output: KeyStatus }),

  /** The newest that were made or checked with this database, and not whether the files still exist. */
  backups: operation({
    kind: "query",
    verb: "rotate",
    input: z.void(),
    output: z.array(KnownKeyBackup).readonly(),
  }),

  /** Begins a rotation, or takes one up, that a job of the server does; `status` says how far it is. */
  rotate: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    input: z.void(),
    output: z.object({ rotation: z.object({ id: z.uuid(), phase: RotationPhase }) }),
  }),

  /** The same for the key of one company. */
  rotateCompany: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    input: z.strictObject({ company }),
    output: z.object({ keyVersion: z.int() }),
  }),

  /** Of one rotation, or of the last that was finished; null where there is none. */
  report: operation({
    kind: "query",
    verb: "rotate",
    input: z.strictObject({ rotation: z.uuid().optional() }),
    output: Report.nullable(),
  }),

  verifyReport: operation({ kind: "mutation", verb: "rotate", input: Report, output: z.null() }),

  destroy: operation({
    kind: "mutation",
    verb: "rotate",
    stepUp: true,
    input: z.strictObject({ version: Version }),
    output: z.null(),
  }),
};
