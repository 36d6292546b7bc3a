import { type Caller, type CompanyDescription, notFound } from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import { requireActiveCaller } from "./active-caller.ts";
import { changeCompany, describeCompany, lockNamed } from "./change-company.ts";
import type { Companies } from "./companies.ts";

/** Whether a company asks a second factor of all its members. */
export interface SecondFactorRule {
  /**
   * Takes effect in every process within five seconds. Idempotent.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; INTEGRITY_FAILURE if the company's row is not genuine
   */
  set(caller: Caller, company: string, required: boolean): Promise<CompanyDescription>;
}

export function createSecondFactorRule(
  operations: Operations,
  companies: Pick<Companies, "resolve">,
  ownRegion: string,
): SecondFactorRule {
  return {
    set: async (caller, subdomain, required) => {
      const action = required ? "company.require-second-factor" : "company.waive-second-factor";
      const asked = { caller, action } as const;
      const { company } = await companies.resolve(asked, subdomain);
      const operation = { ...asked, company, verb: "members", to: "ask a second factor of members" } as const;
      return operations.change(operation, async (transaction) => {
        const { statements } = transaction;
        const found = await lockNamed(transaction, company.subdomain, ownRegion);
        if (found.id !== company.id) throw notFound();
        await requireActiveCaller(statements, caller, company);
        const row =
          found.secondFactorRequired === required
            ? found
            : await changeCompany(transaction, found, { secondFactorRequired: required });
        return audited(describeCompany(row), { version: row.revision });
      });
    },
  };
}
