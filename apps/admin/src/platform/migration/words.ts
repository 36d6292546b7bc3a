import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { findingMeanings, type FindingCode } from "@repo/tenant-secrets/migration-findings";
import type { Tone } from "../../ui/badge.tsx";

type Answers = ApiAnswers["migrations"];

/** A page of the companies of one migration, and what it was. */
export type MigrationAnswer = Answers["companies"];
export type MigrationVerb = MigrationAnswer["verb"];
/** What became of one company in one migration. */
export type CompanyMigration = MigrationAnswer["companies"][number];
export type CompanyResult = NonNullable<CompanyMigration["result"]>;
export type Finding = CompanyResult["findings"][number];
/** Where the secrets of one company are. */
export type CompanyStore = Answers["status"]["companies"][number];
export type StoreName = CompanyStore["store"];

export const verbs: readonly MigrationVerb[] = ["plan", "copy", "verify", "switch", "rollback", "cleanup"];

interface VerbWords {
  readonly name: string;
  readonly does: string;
  /** What a company with findings that block is, after it. */
  readonly blocked: string;
}

export const verbWords: Readonly<Record<MigrationVerb, VerbWords>> = {
  plan: {
    name: "Plan",
    does: "Says what would be moved, and what prevents it. Changes nothing.",
    blocked: "Something prevents it. Nothing was changed.",
  },
  copy: {
    name: "Copy",
    does: "Fills the database from the folders. Companies read and write in Infisical as before.",
    blocked: "What blocks was not copied. The company reads and writes in Infisical as before.",
  },
  verify: {
    name: "Verify",
    does: "Compares every value on both sides. Changes nothing.",
    blocked: "The two sides are not the same. Nothing was changed.",
  },
  switch: {
    name: "Switch",
    does: "Makes another store the companies’ own, once every value is the same there. Writes wait for at most 8 s.",
    blocked: "Not switched: its store is as it was.",
  },
  rollback: {
    name: "Roll back",
    does: "Goes back to a store of before, and writes into Infisical what is newer in the database. Writes wait for at most 8 s.",
    blocked: "Not rolled back: its store is as it was.",
  },
  cleanup: {
    name: "Clean up",
    does: "Removes for good the copies that switches and roll backs left behind.",
    blocked: "Not cleaned up: the copy is still there.",
  },
};

export type Planned = NonNullable<MigrationAnswer["before"]>;

export const plannedWords: Readonly<Record<Planned, string>> = {
  switch: "A switch",
  copy: "A copy",
  rollback: "A roll back to Infisical",
  cleanup: "A clean-up",
};

export const companyStates: Readonly<Record<CompanyMigration["state"], readonly [word: string, tone: Tone]>> =
  {
    waiting: ["waiting", "neutral"],
    done: ["done", "ok"],
    blocked: ["blocked", "warn"],
    failed: ["failed", "danger"],
  };

type Severity = (typeof findingMeanings)[FindingCode]["severity"];

export const severityWords: Readonly<Record<Severity, readonly [word: string, tone: Tone]>> = {
  blocks: ["Blocks", "danger"],
  loses: ["Is lost", "warn"],
  tells: ["To know", "accent"],
};

/** How far a company is on its way, in a few words. */
export function stageOf({ store, inDatabase, leftIn, cleanedAt, verifiedAt }: CompanyStore): string {
  switch (store) {
    case "infisical":
      if (leftIn === "database" && cleanedAt === undefined) return "Rolled back";
      if (inDatabase === 0) return "Not copied";
      return verifiedAt === undefined ? "Copied" : "Copied and verified";
    case "hybrid":
      return "Observed";
    case "database":
      if (leftIn === undefined) return "In the database";
      return cleanedAt === undefined ? "Moved" : "Moved and cleaned up";
  }
}
