import type { ApiAnswers, ApiInputs } from "@repo/tenant-secrets/client";
import type { useTRPCClient } from "../../api.ts";
import type { MigrationVerb, Planned } from "./words.ts";

type Inputs = ApiInputs["migrations"];

/** A migration as it is typed into the form. */
export interface Draft {
  readonly verb: MigrationVerb;
  /** Whether it is about all active companies, and not those that are named. */
  readonly ofAll: boolean;
  /** Subdomains with commas between them. */
  readonly named: string;
  readonly before: Planned;
  readonly switchTo: "hybrid" | "database";
  readonly rollbackTo: "hybrid" | "infisical";
  /** Names of secrets with commas between them. */
  readonly leave: string;
  readonly takeNewest: boolean;
  readonly acceptLosses: boolean;
  readonly afterDays: string;
  readonly folders: string;
  readonly isUnlimited: boolean;
  readonly rate: string;
}

/** Of a part of the form. */
export interface DraftProps {
  readonly draft: Draft;
  readonly onChange: (changes: Partial<Draft>) => void;
}

export const emptyDraft: Draft = {
  verb: "plan",
  ofAll: false,
  named: "",
  before: "switch",
  switchTo: "hybrid",
  rollbackTo: "infisical",
  leave: "",
  takeNewest: false,
  acceptLosses: false,
  afterDays: "30",
  folders: "",
  isUnlimited: false,
  rate: "60",
};

/** A migration to begin, as the API takes it. */
export type MigrationStart = {
  readonly [V in MigrationVerb]: { readonly verb: V; readonly input: Inputs[V] };
}[MigrationVerb];

/** @returns undefined while something is missing */
export function startOf(draft: Draft): MigrationStart | undefined {
  const { verb, ofAll, before, takeNewest, acceptLosses, switchTo, rollbackTo, isUnlimited } = draft;
  const named = namesIn(draft.named);
  const rate = wholeNumber(draft.rate);
  if ((!ofAll && named.length === 0) || (!isUnlimited && rate === undefined)) return undefined;
  const scope = { companies: ofAll ? ("all" as const) : named, ratePerMinute: isUnlimited ? null : rate };
  switch (verb) {
    case "plan":
      return { verb, input: { ...scope, before } };
    case "copy":
      return { verb, input: { ...scope, takeNewest } };
    case "verify":
      return { verb, input: scope };
    case "switch":
      return { verb, input: { ...scope, to: switchTo, leave: namesIn(draft.leave), takeNewest } };
    case "rollback":
      return { verb, input: { ...scope, to: rollbackTo, acceptLosses: losesWith(draft) && acceptLosses } };
    case "cleanup": {
      const [afterDays, folders] = [wholeNumber(draft.afterDays), wholeNumber(draft.folders)];
      if (afterDays === undefined || folders === undefined) return undefined;
      return { verb, input: { ...scope, afterDays, folders } };
    }
  }
}

/** What has to be typed before it is begun: for what changes the store of all companies, and where something is lost. */
export function typedWordOf(draft: Draft): string | undefined {
  const { verb, ofAll, acceptLosses } = draft;
  if (verb !== "switch" && verb !== "rollback") return undefined;
  if (ofAll) return "all";
  if (!losesWith(draft) || !acceptLosses) return undefined;
  const named = namesIn(draft.named);
  return named.length === 1 ? named[0] : String(named.length);
}

/** Whether it can lose something: Infisical has no place for all that the database has. */
export function losesWith({ verb, rollbackTo }: Draft): boolean {
  return verb === "rollback" && rollbackTo === "infisical";
}

export function namesIn(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ""))];
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** @returns the id of its run */
export function begin(
  { migrations }: Pick<ReturnType<typeof useTRPCClient>, "migrations">,
  start: MigrationStart,
): Promise<ApiAnswers["migrations"]["plan"]> {
  switch (start.verb) {
    case "plan":
      return migrations.plan.mutate(start.input);
    case "copy":
      return migrations.copy.mutate(start.input);
    case "verify":
      return migrations.verify.mutate(start.input);
    case "switch":
      return migrations.switch.mutate(start.input);
    case "rollback":
      return migrations.rollback.mutate(start.input);
    case "cleanup":
      return migrations.cleanup.mutate(start.input);
  }
}
