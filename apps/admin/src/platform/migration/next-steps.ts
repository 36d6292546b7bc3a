import type { Draft } from "./draft.ts";
import type { CompanyMigration, MigrationVerb, Planned, StoreName } from "./words.ts";

/** A migration that can follow another one. */
export interface NextStep {
  readonly label: string;
  readonly draft: Partial<Draft>;
  /** Whether it leads back to where the secrets were. */
  readonly isBack: boolean;
}

interface Ended {
  readonly verb: MigrationVerb;
  readonly before?: Planned | undefined;
  readonly companies: readonly Pick<CompanyMigration, "result">[];
  readonly counts: { readonly blocked: number };
}

const copy: NextStep = { label: "Next: copy", draft: { verb: "copy" }, isBack: false };
const copyAgain: NextStep = { ...copy, label: "Copy again" };
const verify: NextStep = { label: "Next: verify", draft: { verb: "verify" }, isBack: false };
const cleanup: NextStep = { label: "Next: clean up", draft: { verb: "cleanup" }, isBack: false };
const toHybrid: NextStep = {
  label: "Next: switch",
  draft: { verb: "switch", switchTo: "hybrid" },
  isBack: false,
};
const toDatabase: NextStep = {
  label: "Next: switch to the database",
  draft: { verb: "switch", switchTo: "database" },
  isBack: false,
};
const back: NextStep = { label: "Roll back", draft: { verb: "rollback" }, isBack: true };

/** What can follow, by what was done and by the stores that its companies have now. */
export function nextOf({ verb, before, companies, counts }: Ended): readonly NextStep[] {
  switch (verb) {
    case "plan":
      if (before === "rollback") return [back];
      return [before === "cleanup" ? cleanup : copy];
    case "copy":
      return [verify];
    case "verify":
    case "switch":
    case "rollback": {
      const isDifferent = verb === "verify" && counts.blocked > 0;
      const stores = new Set<StoreName | undefined>(companies.map(({ result }) => result?.to));
      return [
        ...(stores.has("infisical") && isDifferent ? [copyAgain] : []),
        ...(stores.has("infisical") ? [toHybrid] : []),
        ...(stores.has("hybrid") ? [toDatabase] : []),
        ...(stores.has("hybrid") || stores.has("database") ? [back] : []),
      ];
    }
    case "cleanup":
      return [];
  }
}
