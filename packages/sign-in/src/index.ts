import { connectSignInDatabase } from "@repo/db";
import { createAccounts, type Accounts } from "./accounts.ts";
import { createAuthLoader } from "./auth.ts";
import { createChallenges } from "./challenges.ts";
import { createSignInHandler, type SignInHandler } from "./handler.ts";
import { createPasskeys } from "./passkeys.ts";
import { createPasswords } from "./passwords.ts";
import type { SignInOptions } from "./ports.ts";
import { createSecondFactor } from "./second-factor.ts";
import { createSessions, type FoundSession } from "./sessions.ts";

export type { Accounts } from "./accounts.ts";
export type { Mail, SignInEvent, SignInOptions } from "./ports.ts";

/** The sign-in of people: passwords, second factors and sessions. */
export interface SignIn {
  /** Answers requests to `/api/sign-in/…`. */
  readonly handler: SignInHandler;
  /** Who has signed in, asked in the database at each request. @throws {TenantSecretsError} DATABASE_UNAVAILABLE */
  session(
    headers: Headers,
  ): Promise<
    { readonly userId: string; readonly session: Omit<FoundSession, "userId" | "email"> } | undefined
  >;
  readonly accounts: Accounts;
  /** Resolves when the database of the sign-in takes writes. @throws {DatabaseError} */
  checkWrites(): Promise<void>;
  /** From now on no statement is prepared under a name: a pooler in between does not know them. */
  prepareNothing(): void;
  /** Sends the mails that are on their way, and closes the database. */
  close(): Promise<void>;
}

/**
 * Opens nothing yet.
 *
 * @throws {TypeError} where `publicUrl` is neither https nor of this machine
 */
export function createSignIn(options: SignInOptions): SignIn {
  const database = connectSignInDatabase(options.databaseUrl);
  const passwords = createPasswords(database);
  const loadAuth = createAuthLoader(options, { database, passwords });
  const sessions = createSessions(loadAuth, database);
  const secondFactor = createSecondFactor(loadAuth, database);
  const passkeys = createPasskeys(options.publicUrl, database);
  const challenges = createChallenges(loadAuth, database);
  const handler = createSignInHandler({
    loadAuth,
    options,
    sessions,
    challenges,
    secondFactor,
    passkeys,
    passwords,
  });
  return {
    handler,
    session: async (headers) => {
      const found = await sessions.find(headers);
      if (found === undefined) return undefined;
      const { userId, email: _, ...session } = found;
      return { userId, session };
    },
    accounts: createAccounts({ database, sessions, secondFactor, passkeys, passwords }),
    checkWrites: () => database.checkWrites(),
    prepareNothing: () => database.prepareNothing(),
    close: async () => {
      await handler.settle();
      await database.close();
    },
  };
}
