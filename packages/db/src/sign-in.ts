import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { openDriver } from "./driver.ts";
import { scrubDatabaseError } from "./errors.ts";
import { assertTakesWrites, takesWrites } from "./takes-writes.ts";

/** The tables of the sign-in and people's addresses, as the role tenant_secrets_sign_in. */
export interface SignInDatabase {
  readonly statements: PostgresJsDatabase;
  /** Runs `work`. @throws {DatabaseError} in place of what the driver throws, which quotes parameters */
  call<T>(work: (statements: PostgresJsDatabase) => Promise<T>): Promise<T>;
  /** Resolves when a connection leads to a server that takes writes. @throws {DatabaseError} with the code `25006` where it does not */
  checkWrites(): Promise<void>;
  /** From now on no statement is prepared under a name: a pooler in between does not know them. */
  prepareNothing(): void;
  close(): Promise<void>;
}

/** Connections of the pool. */
export const signInConnections = 5;
/** Seconds. Between uses, a connection serves the next requests; an idle process keeps none. */
const idleSeconds = 60;

/**
 * Opens nothing yet: connections are made by the first statements.
 *
 * @param url of the role tenant_secrets_sign_in
 * @throws {DatabaseUrlError}
 */
export function connectSignInDatabase(url: string): SignInDatabase {
  const client = openDriver(url, {
    max: signInConnections,
    applicationName: "tenant-secrets sign-in",
    idleTimeout: idleSeconds,
  });
  const statements = drizzle({ client });
  const scrubbed = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw scrubDatabaseError(error);
    }
  };
  return {
    statements,
    call: (work) => scrubbed(() => work(statements)),
    checkWrites: async () => assertTakesWrites(await scrubbed(() => takesWrites(client))),
    // The driver looks at it for each statement.
    prepareNothing: () => void Object.assign(client.options, { prepare: false }),
    close: () => client.end({ timeout: 5 }),
  };
}
