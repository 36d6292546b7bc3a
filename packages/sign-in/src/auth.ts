import { createHash } from "node:crypto";
import { betterAuth } from "better-auth/minimal";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { APIError, createAuthMiddleware } from "better-auth/api";
import { twoFactor } from "better-auth/plugins/two-factor";
import { eq } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";
import { endSessions } from "./end-sessions.ts";
import { hashPassword } from "./password-hash.ts";
import { requireStrongPassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import { people } from "./people.ts";
import type { SignInOptions, SignInSecrets } from "./ports.ts";

/** Seconds and milliseconds of a session: its end at the latest, and its end without activity (OWASP ASVS 7.3). */
export const sessionSeconds = 8 * 3600;
export const idleMs = 15 * 60 * 1000;
const resetSeconds = 30 * 60;

export const issuer = "Tenant Secrets";

/** How the address of a client, as our proxies tell it, reaches better-auth. */
export const addressHeader = "x-tenant-secrets-address";

export type Auth = ReturnType<typeof createAuth>;

/** better-auth under the secrets of now. */
export interface LoadedAuth {
  readonly auth: Auth;
  readonly context: Awaited<Auth["$context"]>;
  readonly secrets: SignInSecrets;
}

/** @throws what `SignInOptions.secrets` throws */
export type LoadAuth = () => Promise<LoadedAuth>;

interface Parts {
  readonly database: SignInDatabase;
  readonly passwords: Passwords;
}

type AuthOptions = Pick<SignInOptions, "publicUrl" | "sendMail" | "secrets">;

/** @throws {TypeError} where `publicUrl` is neither https nor of this machine */
export function createAuthLoader(options: AuthOptions, parts: Parts): LoadAuth {
  keepsSecureCookies(options.publicUrl);
  let last: LoadedAuth | undefined;
  return async () => {
    const secrets = await options.secrets();
    if (last?.secrets === secrets) return last;
    const auth = createAuth({ ...options, secrets }, parts);
    last = { auth, secrets, context: await auth.$context };
    return last;
  };
}

/**
 * better-auth with our tables. It is called, and not exposed: `handler.ts` has the paths that reach it.
 *
 * @throws {TypeError} where `publicUrl` is neither https nor of this machine
 */
export function createAuth(
  options: Omit<AuthOptions, "secrets"> & { readonly secrets: SignInSecrets },
  { database, passwords }: Parts,
) {
  const isSecure = keepsSecureCookies(options.publicUrl);
  return betterAuth({
    baseURL: options.publicUrl,
    basePath: "/api/auth",
    secrets: [...options.secrets],
    trustedOrigins: [new URL(options.publicUrl).origin],
    logger: { disabled: true },
    telemetry: { enabled: false },
    rateLimit: { enabled: false },
    onAPIError: { throw: true },
    database: drizzleAdapter(database.statements, {
      provider: "pg",
      schema: {
        user: people,
        session: tables.signInSessions,
        account: tables.signInAccounts,
        verification: tables.signInVerifications,
        twoFactor: tables.signInTwoFactors,
      },
    }),
    user: { additionalFields: { disabledAt: { type: "date", required: false, input: false } } },
    session: {
      expiresIn: sessionSeconds,
      disableSessionRefresh: true,
      cookieCache: { enabled: false },
      additionalFields: {
        idleEndsAt: { type: "date", required: false, input: false },
        confirmedAt: { type: "date", required: false, input: false },
        failedConfirmations: { type: "number", required: false, input: false, defaultValue: 0 },
      },
    },
    verification: { storeIdentifier: "hashed" },
    emailAndPassword: {
      enabled: true,
      disableSignUp: true,
      minPasswordLength: 1,
      maxPasswordLength: 4096,
      password: {
        hash: hashPassword,
        verify: (given) => passwords.verify(given),
      },
      resetPasswordTokenExpiresIn: resetSeconds,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: ({ user, token }) =>
        options.sendMail(resetMail(options.publicUrl, user.email, token)),
      onPasswordReset: async ({ user }) => {
        await endSessions(database, user.id);
        await options.sendMail(changedMail(user.email));
      },
    },
    // It gives the challenges. Their codes are verified by second-factor.ts, which counts the wrong ones.
    plugins: [twoFactor({ issuer })],
    advanced: {
      useSecureCookies: false,
      cookiePrefix: isSecure ? "__Host-tenant-secrets" : "tenant-secrets",
      defaultCookieAttributes: { secure: isSecure, httpOnly: true, sameSite: "strict", path: "/" },
      database: { generateId: "uuid" },
      ipAddress: { ipAddressHeaders: [addressHeader] },
    },
    databaseHooks: {
      session: {
        create: {
          before: async (session) => {
            // As a wrong password, so that a sign-in does not tell who was shut out.
            if (await isShutOut(database, session.userId)) throw new APIError("UNAUTHORIZED");
            const now = Date.now();
            return {
              data: { ...session, idleEndsAt: new Date(now + idleMs), confirmedAt: new Date(now) },
            };
          },
        },
      },
    },
    hooks: {
      before: createAuthMiddleware(async (context) => {
        if (context.path !== "/reset-password") return;
        const { internalAdapter } = context.context;
        const userId = await personOfReset(internalAdapter, context.body.token);
        const user = userId === undefined ? null : await internalAdapter.findUserById(userId);
        if (user !== null) requireStrongPassword(context.body.newPassword, user.email);
      }),
    },
  });
}

/** Whether an operator has shut the person out, or there is none. */
export async function isShutOut(database: SignInDatabase, userId: string): Promise<boolean> {
  const [person] = await database.call((statements) =>
    statements.select({ disabledAt: people.disabledAt }).from(people).where(eq(people.id, userId)),
  );
  return person === undefined || person.disabledAt !== null;
}

/** @returns the person that a link was sent to; undefined for a link that has ended */
export async function personOfReset(
  internalAdapter: LoadedAuth["context"]["internalAdapter"],
  token: string,
): Promise<string | undefined> {
  return (await internalAdapter.findVerificationValue(`reset-password:${token}`))?.value;
}

/** Browsers keep cookies that are marked secure for https, and for the own machine. */
function keepsSecureCookies(publicUrl: string): boolean {
  const { protocol, hostname } = new URL(publicUrl);
  if (protocol === "https:" || hostname === "localhost" || hostname.endsWith(".localhost")) return true;
  if (hostname === "127.0.0.1" || hostname === "[::1]") return true;
  throw new TypeError("People sign in over https, or on this machine: check PUBLIC_URL.");
}

function resetMail(publicUrl: string, to: string, token: string) {
  return {
    to,
    subject: "Reset your password",
    text: `Choose a new password within 30 minutes:\n\n${publicUrl}/reset#${token}\n\nIf you did not ask for this, ignore this mail: your password is unchanged.\n`,
  };
}

function changedMail(to: string) {
  return {
    to,
    subject: "Your password was changed",
    text: "The password of your account was reset, and all its sessions have ended. If this was not you, tell your administrator at once.\n",
  };
}

/** An account in keys of rate limits, without its address. */
export function accountKey(email: string): string {
  return createHash("sha256").update(email.toLowerCase()).digest("hex");
}
