import type { Database, Statements } from "@repo/db";
import type { BulkClient, InfisicalClient } from "@repo/infisical";
import { sql } from "drizzle-orm";

/**
 * Called at each point of a process: just before the commit of a transaction that changes something, and before and after each
 * request that reads or changes a folder as a whole or a secret in it. A caller that counts the points can end the process at each.
 */
export type Reach = () => void | Promise<void>;

/** A database whose commits are points. */
export function withCommitPoints(database: Database, reach: Reach): Database {
  const reaching =
    <T>(inside: (statements: Statements) => Promise<T>) =>
    async (statements: Statements): Promise<T> => {
      const result = await inside(statements);
      const [row] = await statements.execute(
        sql`select pg_current_xact_id_if_assigned() is not null as changed`,
      );
      if (row?.["changed"] === true) await reach();
      return result;
    };
  return {
    ...database,
    inCompany: (companyId, inside) => database.inCompany(companyId, reaching(inside)),
    acrossCompanies: (inside) => database.acrossCompanies(reaching(inside)),
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
