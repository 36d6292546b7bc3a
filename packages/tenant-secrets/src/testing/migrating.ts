import { setTimeout as sleep } from "node:timers/promises";
import type { CompanyMigration, MigrationRequest } from "@repo/catalog";
import { operator, type Fixture } from "./fixture.ts";

type Wanted<R> = R extends MigrationRequest ? Omit<R, "companies" | "ratePerMinute"> : never;

export const plan = { verb: "plan", before: "switch" } as const;
export const copy = { verb: "copy", takeNewest: false } as const;
export const verify = { verb: "verify" } as const;
export const toHybrid = { verb: "switch", to: "hybrid", leave: [], takeNewest: false } as const;
export const toDatabase = { ...toHybrid, to: "database" } as const;
export const backToHybrid = { verb: "rollback", to: "hybrid", acceptLosses: false } as const;
export const backToInfisical = { ...backToHybrid, to: "infisical" } as const;

/**
 * Runs whole migrations of companies in this process, without a limit of the rate. What surprises is looked at again at once.
 *
 * @param sliceMs after which a run is left to its next driver, as jobs do
 */
export function createMigrator({ secrets: { migrations } }: Pick<Fixture, "secrets">, sliceMs = Infinity) {
  const tools = { sliceMs, againMs: 1 };

  /** To its end, with its waits. */
  const drive = async (id: string): Promise<void> => {
    for (;;) {
      const { row: waiting } = await migrations.run.get(id);
      if (waiting.finishedAt !== null) return;
      await sleep(Math.max(0, (waiting.notBefore?.getTime() ?? 0) - Date.now()));
      await migrations.run.drive(id, { caller: operator, tools });
    }
  };

  return {
    drive,
    /** @returns the result of each company, in the order of the given ones, and the id of the run */
    migrate: async (
      subdomains: readonly string[],
      wanted: Wanted<MigrationRequest>,
    ): Promise<{ readonly run: string; readonly companies: readonly CompanyMigration[] }> => {
      const request = { ...wanted, companies: subdomains, ratePerMinute: null };
      const row = await migrations.beginHere(operator, request);
      await migrations.run.drive(row, { caller: operator, tools });
      await drive(row.id);
      const { companies } = await migrations.companies(operator, { run: row.id, limit: 500 });
      const of = (subdomain: string): CompanyMigration => {
        const found = companies.find(({ company }) => company.subdomain === subdomain);
        if (found === undefined) throw new Error(`the migration was not about ${subdomain}`);
        return found;
      };
      return { run: row.id, companies: subdomains.map(of) };
    },
  };
}
