import { type Finding, type SecretStoreName, TenantSecretsError } from "@repo/catalog";
import { changeStore, type Direction } from "./change-store.ts";
import { blocks, type ComparedSecret, type Comparison } from "./comparison.ts";
import { compare, type CompanyOutcome, type CompanyWork, resultOf } from "./company-work.ts";
import { bringIn } from "./copy.ts";

export interface SwitchOptions {
  readonly to: Exclude<SecretStoreName, "infisical">;
  /** Secrets that may stay behind in Infisical. */
  readonly leave: readonly string[];
}

/** Makes the hybrid store, or the database, the store of a company. */
export async function switchCompany(work: CompanyWork, options: SwitchOptions): Promise<CompanyOutcome> {
  const { secretStore } = work.company;
  if (secretStore === options.to) return { state: "done", result: resultOf(work, await compare(work)) };
  if (secretStore === "database")
    throw new TenantSecretsError(
      "NOT_SUPPORTED",
      "This company is on the database store: roll it back instead.",
    );
  return changeStore(work, inward(options));
}

/** What prevents a switch. */
function findingsOfSwitch(found: Comparison, { to, leave }: SwitchOptions): readonly Finding[] {
  const left = new Set(leave);
  const mayStay = ({ secretKey }: Finding): boolean => secretKey !== undefined && left.has(secretKey);
  return found.findings.filter(
    (finding) => (blocks(finding) || (finding.code === "STAYS" && to === "database")) && !mayStay(finding),
  );
}

function inward(options: SwitchOptions): Direction {
  return {
    to: options.to,
    findings: (found) => findingsOfSwitch(found, options),
    isOpen: isChangedInFolder,
    bring: async (work, found) => (await bringIn(work, found)).moved,
  };
}

function isChangedInFolder({ standing }: ComparedSecret): boolean {
  return standing === "only-in-folder" || standing === "newer-in-folder" || standing === "removed-in-folder";
}
