import { drizzle, type PostgresJsDatabase } from "drizzle-orm/postgres-js";
import { openDriver } from "./driver.ts";
import { scrubDatabaseError } from "./errors.ts";

/** The tables of the sign-in and people's addresses, as the role tenant_secrets_sign_in. */
export interface SignInDatabase {
  readonly statements: PostgresJsDatabase;
  /** Runs `work`. @throws {DatabaseError} in place of what the driver throws, which quotes parameters */
  call<T>(work: (statements: PostgresJsDatabase) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

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
    max: 5,
    applicationName: "tenant-secrets sign-in",
    idleTimeout: idleSeconds,
  });
  const statements = drizzle({ client });
  return {
    statements,
    call: async (work) => {
      try {
        return await work(statements);
      } catch (error) {
        throw scrubDatabaseError(error);
      }
    },
    close: () => client.end({ timeout: 5 }),
  };
}
