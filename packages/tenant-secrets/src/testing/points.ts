import type { Database, Statements } from "@repo/db";
import type { BulkClient, InfisicalClient } from "@repo/infisical";
import { sql } from "drizzle-orm";

/**
 * Called at each point of a process: just before the commit of a transaction that changes something, and before and after each
 * request that reads or changes a folder as a whole or a secret in it. A caller that counts the points can end the process at each.
 */
export type Reach = () => void | Promise<void>;

/**
 * A database whose commits are points.
 *
 * @param reachAfter called just after each of these commits, for callers to whom that is a point as well
 */
export function withCommitPoints(database: Database, reach: Reach, reachAfter?: Reach): Database {
  const around = async <T>(
    inside: (statements: Statements) => Promise<T>,
    commit: (reaching: typeof inside) => Promise<T>,
  ): Promise<T> => {
    let changed = false;
    const result = await commit(async (statements) => {
      const worked = await inside(statements);
      const [row] = await statements.execute(
        sql`select pg_current_xact_id_if_assigned() is not null as changed`,
      );
      changed = row?.["changed"] === true;
      if (changed) await reach();
      return worked;
    });
    if (changed) await reachAfter?.();
    return result;
  };
  return {
    ...database,
    inCompany: (companyId, inside) => around(inside, (reaching) => database.inCompany(companyId, reaching)),
    acrossCompanies: (inside) => around(inside, (reaching) => database.acrossCompanies(reaching)),
  };
}

/** A client whose requests for migrations are points. */
export function withRequestPoints(client: InfisicalClient, reach: Reach): InfisicalClient {
  const around = createAround(reach);
  return {
    ...client,
    bulk: (): BulkClient => {
      const bulk = client.bulk();
      return {
        ...bulk,
        survey: around((path) => bulk.survey(path)),
        putSoleSecret: around((...secret) => bulk.putSoleSecret(...secret)),
        deleteSecret: around((...secret) => bulk.deleteSecret(...secret)),
        deleteFolder: around((path) => bulk.deleteFolder(path)),
      };
    },
  };
}

/** A client whose writes of single secrets are points as well. */
export function withWritePoints(client: InfisicalClient, reach: Reach): InfisicalClient {
  const around = createAround(reach);
  return {
    ...client,
    putSoleSecret: around((...secret) => client.putSoleSecret(...secret)),
    deleteSecret: around((...secret) => client.deleteSecret(...secret)),
  };
}

function createAround(reach: Reach) {
  return <Input extends readonly string[], Output>(call: (...input: Input) => Promise<Output>) =>
    async (...input: Input): Promise<Output> => {
      await reach();
      const result = await call(...input);
      await reach();
      return result;
    };
}
