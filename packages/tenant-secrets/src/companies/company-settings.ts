import { and, eq } from "drizzle-orm";
import { tables } from "@repo/db";
import { type Caller, type CompanySettings, notFound } from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import type { Companies } from "./companies.ts";

/** How the secrets of a company are kept, for its own people. */
export interface CompanySettingsReader {
  /** @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  get(caller: Caller, company: string): Promise<CompanySettings>;
}

export function createCompanySettings(
  operations: Operations,
  companies: Pick<Companies, "resolve">,
): CompanySettingsReader {
  return {
    get: async (caller, subdomain) => {
      const asked = { caller, action: "company.get" } as const;
      const { company } = await companies.resolve(asked, subdomain);
      const operation = { ...asked, company, verb: "describe", to: "see the settings" } as const;
      return operations.read(operation, async (across) => {
        const [found] = await across((statements) => {
          const { companies: rows, companyKeys: keys } = tables;
          const isActiveKey = and(eq(keys.companyId, rows.id), eq(keys.status, "active"));
          return statements
            .select({ row: rows, version: keys.keyVersion, createdAt: keys.createdAt })
            .from(rows)
            .leftJoin(keys, isActiveKey)
            .where(eq(rows.id, company.id));
        });
        if (found === undefined) throw notFound();
        const { row, version, createdAt } = found;
        const { secretStore, recoveryDays, secondFactorRequired } = row;
        const key = version === null || createdAt === null ? undefined : { version, createdAt };
        return audited({ secretStore, recoveryDays, secondFactorRequired, key }, {});
      });
    },
  };
}
