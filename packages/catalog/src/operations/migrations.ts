import { z } from "zod";
import { SecretStoreName } from "../vocabulary/names.ts";
import { company } from "./fields.ts";
import { type FindingCode as Code, findingMeanings } from "./migration-findings.ts";
import { operation, type InputOf } from "./operation.ts";

/** What a migration does with each of its companies. */
export const MigrationVerb = z.enum(["plan", "copy", "verify", "switch", "rollback", "cleanup"]);
export type MigrationVerb = z.infer<typeof MigrationVerb>;

/** The most findings that are kept of one company; more are counted alone. */
export const maxFindings = 1000;

const Count = z.int().nonnegative();

/** How many secrets stand how, in the company's folder in Infisical and in the database. */
const MigrationCounts = z.object({
  inFolder: Count,
  /** Live in the database. */
  inDatabase: Count,
  /** The same value on both sides. */
  equal: Count,
  /** In the folder alone: a copy brings them into the database. */
  onlyInFolder: Count,
  /** Copied before, and changed in the folder since: a copy brings the change. */
  newerInFolder: Count,
  /** Copied before, and removed in the folder since: a copy brings the removal. */
  removedInFolder: Count,
  /** Written in the database since: a rollback writes them into the folder. */
  newerInDatabase: Count,
  /** In the database alone. */
  onlyInDatabase: Count,
  /** Removed in the database, and still in the folder. */
  removedInDatabase: Count,
  /** In the folder, and not to be moved as they are: see the findings. */
  blocked: Count,
  /** Left in Infisical on purpose. */
  stays: Count,
  /** Their value in the database does not decrypt. */
  unopenable: Count,
  /** Bytes of values in the folder. */
  bytes: Count,
});
export type MigrationCounts = Readonly<z.infer<typeof MigrationCounts>>;

/** The codes of findings. */
export const FindingCode = z.custom<Code>(
  (code) => typeof code === "string" && Object.hasOwn(findingMeanings, code),
);
export type FindingCode = Code;

const Finding = z.object({
  code: FindingCode,
  /** A name in the folder: not always one that a secret may have here. Left out where it concerns the company. */
  secretKey: z.string().optional(),
  /** Such as ids of twins, or a number. Never a value. */
  detail: z.string().optional(),
});
export type Finding = Readonly<z.infer<typeof Finding>>;

export const CompanyMigrationResult = z.object({
  counts: MigrationCounts,
  /** Secrets that were copied, written back or removed, by this migration. */
  moved: Count,
  findings: z.array(Finding).readonly(),
  /** Findings beyond the kept ones. */
  moreFindings: Count,
  /** The stores before and after, and their epochs. */
  from: SecretStoreName,
  to: SecretStoreName,
  epochBefore: z.int(),
  epochAfter: z.int(),
  /** SHA-256 over secret keys, versions and keyed hashes of the values. */
  folderDigest: z.string().optional(),
  databaseDigest: z.string().optional(),
  /** For how long writes were held, in milliseconds. */
  heldMs: z.int().optional(),
});
export type CompanyMigrationResult = Readonly<z.infer<typeof CompanyMigrationResult>>;

const CompanyMigration = z.object({
  company: z.object({ id: z.uuid(), subdomain: z.string() }),
  state: z.enum(["waiting", "done", "blocked", "failed"]),
  attempts: z.int(),
  /** When a failed attempt is repeated. */
  notBefore: z.date().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  result: CompanyMigrationResult.optional(),
  finishedAt: z.date().optional(),
});
export type CompanyMigration = Readonly<z.infer<typeof CompanyMigration>>;

/** How far a folder that is a mirror of the database is behind it. */
const MirrorState = z.object({
  /** Secrets whose last change is not in the folder yet. */
  behind: Count,
  /** When the oldest such change was made. */
  behindSince: z.date().optional(),
  /** When it is tried again, after passes that failed. */
  nextTryAt: z.date().optional(),
  /** Secrets whose current value the folder does not get, with the reason: at most a hundred. */
  findings: z.array(Finding).readonly(),
});

/** Served values that were compared with the folder afterwards, since the last change of the store. */
const ShadowReads = z.object({
  equal: Count,
  differs: Count,
  /** The folder had no such secret. */
  missing: Count,
  /** It could not be found out. */
  failed: Count,
});
export type ShadowReads = Readonly<z.infer<typeof ShadowReads>>;

/** Where a company's secrets are, and what is left elsewhere. */
const CompanyStore = z.object({
  company: z.object({ id: z.uuid(), subdomain: z.string() }),
  store: SecretStoreName,
  storeEpoch: z.int(),
  /** Live secrets in the database. */
  inDatabase: Count,
  /** Of them, those whose current version was proven equal to the folder's. */
  synced: Count,
  changedAt: z.date().optional(),
  /** Where a copy from before the last change is left, and when it was removed. */
  leftIn: z.enum(["infisical", "database"]).optional(),
  cleanedAt: z.date().optional(),
  /** The last verification of the current store without a difference. */
  verifiedAt: z.date().optional(),
  /** Whether writes are held now, because the store is being changed. */
  isHeld: z.boolean(),
  /** Changes in Infisical whose outcome is not known yet. */
  unsettledWrites: Count,
  /** Whether changes in the database are written to the folder as well. */
  isMirrored: z.boolean(),
  /** Of a company that is mirrored. */
  mirror: MirrorState.optional(),
  shadowReads: ShadowReads.optional(),
});
export type CompanyStore = Readonly<z.infer<typeof CompanyStore>>;

const subdomains = z
  .union([z.literal("all"), z.array(company).min(1).max(1000).readonly()])
  .describe("By their subdomains, or all that are active");

const scope = {
  companies: subdomains,
  /** Requests to Infisical a minute, of all migrations together; null: as many as possible. */
  ratePerMinute: z.int().min(1).max(100_000).nullable().default(60),
};

const started = z.object({ run: z.uuid() });

const leave = z
  .array(z.string().max(1000))
  .max(1000)
  .readonly()
  .default([])
  .describe("Secrets that may be left behind in Infisical, by name");

const planned = z.enum(["copy", "switch", "rollback", "cleanup"]);
const target = z.enum(["hybrid", "database"]);
const start = { kind: "mutation", verb: "companies", output: started } as const;

/** Moving whole companies between Infisical and the database. Each begins a run, which `runs` shows and controls. For operators. */
export const migrationOperations = {
  /** What a migration would do and what prevents it. Changes nothing. */
  plan: operation({
    ...start,
    input: z.strictObject({
      ...scope,
      /** For which verb. */
      before: planned.default("switch"),
    }),
  }),

  /** Fills the database from the folder, while the company still reads from the folder. Never changes a value that was written here. */
  copy: operation({ ...start, input: z.strictObject({ ...scope, takeNewest: z.boolean().default(false) }) }),

  /** Compares every value, both ways. Changes nothing. */
  verify: operation({ ...start, input: z.strictObject(scope) }),

  /** Makes the hybrid store, or the database, a company's store. Writes are held for at most 8 s. */
  switch: operation({
    ...start,
    stepUp: true,
    input: z.strictObject({
      ...scope,
      to: target.default("hybrid"),
      leave,
      takeNewest: z.boolean().default(false),
    }),
  }),

  /** Goes back: to the hybrid store, or to Infisical after writing there what was written in the database since. */
  rollback: operation({
    ...start,
    stepUp: true,
    input: z.strictObject({
      ...scope,
      to: z.enum(["hybrid", "infisical"]).default("infisical"),
      /** Accepts the losses that a plan lists: Infisical has no pending versions, grace windows, expiry dates or history of ours. */
      acceptLosses: z.boolean().default(false),
    }),
  }),

  /** Removes the copy that a change of the store left behind, when it is old enough. */
  cleanup: operation({
    ...start,
    stepUp: true,
    input: z.strictObject({
      ...scope,
      afterDays: z.int().min(7).max(3650).default(30),
      /** How many folders are expected to be removed: another number removes none. */
      folders: z.int().min(1).max(10_000),
    }),
  }),

  /**
   * Says whether changes in the database are written to the folder in Infisical as well, by a job. For companies on the hybrid or
   * the database store whose folder is still there. All companies are set, or none.
   */
  mirror: operation({
    kind: "mutation",
    verb: "companies",
    stepUp: true,
    input: z.strictObject({
      companies: z.array(company).min(1).max(1000).readonly(),
      isOn: z.boolean(),
    }),
    output: z.null(),
  }),

  /** The companies of one migration with their results, in the order of their ids. */
  companies: operation({
    kind: "query",
    verb: "companies",
    input: z.strictObject({
      run: z.uuid(),
      /** The id of the last company of a page. */
      after: z.uuid().optional(),
      state: z.enum(["waiting", "done", "blocked", "failed"]).optional(),
      limit: z.int().min(1).max(500).default(100),
    }),
    output: z.object({
      verb: MigrationVerb,
      /** Of a plan: what was planned. */
      before: planned.optional(),
      /** Of a switch or a rollback: the store that companies were to have. */
      to: SecretStoreName.optional(),
      companies: z.array(CompanyMigration).readonly(),
      counts: z.object({ waiting: Count, done: Count, blocked: Count, failed: Count }),
      /** Names of folders in /tenants that belong to no company, as far as this migration looked. */
      foldersWithoutCompany: z.array(z.string()).readonly(),
    }),
  }),

  /** Where the secrets of companies are, by subdomain. */
  status: operation({
    kind: "query",
    verb: "companies",
    input: z.strictObject({
      company: company.optional(),
      store: SecretStoreName.optional(),
      /** The last subdomain of a page. */
      after: company.optional(),
      limit: z.int().min(1).max(500).default(100),
    }),
    output: z.object({ companies: z.array(CompanyStore).readonly() }),
  }),

  /** The signed report of a finished migration; null where it is not finished. */
  report: operation({
    kind: "query",
    verb: "companies",
    input: z.strictObject({ run: z.uuid() }),
    output: z.object({ report: z.string(), signature: z.string() }).nullable(),
  }),
};

/** A migration to begin: a verb with its input. */
export type MigrationRequest = {
  readonly [V in MigrationVerb]: { readonly verb: V } & InputOf<(typeof migrationOperations)[V]>;
}[MigrationVerb];
export type MigrationCompaniesQuery = InputOf<(typeof migrationOperations)["companies"]>;
export type MirrorRequest = InputOf<(typeof migrationOperations)["mirror"]>;
export type CompanyStoresQuery = InputOf<(typeof migrationOperations)["status"]>;
