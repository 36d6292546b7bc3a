import { and, eq } from "drizzle-orm";
import { connectSignInDatabase, tables } from "@repo/db";
import { createAccounts, type Accounts } from "./accounts.ts";
import { createAuth } from "./auth.ts";
import { createSignInHandler, type SignInHandler } from "./handler.ts";
import type { SignInOptions } from "./ports.ts";
import { createPasskeys } from "./passkeys.ts";
import { createSecondFactor } from "./second-factor.ts";
import { createSessions, type FoundSession } from "./sessions.ts";

export type { Accounts } from "./accounts.ts";
export type { Mail, SignInEvent, SignInOptions } from "./ports.ts";

const { signInAccounts } = tables;

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
  /** Sends the mails that are on their way, and closes the database. */
  close(): Promise<void>;
}

/**
 * Opens nothing yet.
 *
 * @throws {TypeError} where `publicUrl` is neither https nor of this machine, or the secret is too short
 */
export function createSignIn(options: SignInOptions): SignIn {
  if (options.secret.length < 32)
    throw new TypeError("The secret of the sign-in has at least 32 characters.");
  const database = connectSignInDatabase(options.databaseUrl);
  const auth = createAuth(options, database);
  const sessions = createSessions(auth, database);
  const secondFactor = createSecondFactor(auth, database);
  const passkeys = createPasskeys(options.publicUrl, database);
  const findHash = async (userId: string): Promise<string | undefined> => {
    const [row] = await database.call((statements) =>
      statements
        .select({ password: signInAccounts.password })
        .from(signInAccounts)
        .where(and(eq(signInAccounts.userId, userId), eq(signInAccounts.providerId, "credential"))),
    );
    return row?.password ?? undefined;
  };
  const handler = createSignInHandler({ auth, options, sessions, secondFactor, passkeys, findHash });
  return {
    handler,
    session: async (headers) => {
      const found = await sessions.find(headers);
      if (found === undefined) return undefined;
      const { userId, email: _, ...session } = found;
      return { userId, session };
    },
    accounts: createAccounts({ database, sessions, secondFactor, passkeys }),
    close: async () => {
      await handler.settle();
      await database.close();
    },
  };
}
