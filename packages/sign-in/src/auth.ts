import { createHash } from "node:crypto";
import { betterAuth } from "better-auth";
import { drizzleAdapter } from "better-auth/adapters/drizzle";
import { APIError, createAuthMiddleware } from "better-auth/api";
import { twoFactor } from "better-auth/plugins";
import { tables, type SignInDatabase } from "@repo/db";
import { unauthenticated } from "@repo/catalog";
import { endSessions } from "./end-sessions.ts";
import { hashPassword, verifyPassword } from "./password-hash.ts";
import { requireStrongPassword } from "./password-rules.ts";
import { people } from "./people.ts";
import type { SignInOptions } from "./ports.ts";
import { takeCode } from "./used-codes.ts";

/** Seconds and milliseconds of a session: its end at the latest, and its end without activity (OWASP ASVS 7.3). */
export const sessionSeconds = 8 * 3600;
export const idleMs = 15 * 60 * 1000;
const resetSeconds = 30 * 60;

export const issuer = "Tenant Secrets";

/** How the address of a client, as our proxies tell it, reaches better-auth. */
export const addressHeader = "x-tenant-secrets-address";

export type Auth = ReturnType<typeof createAuth>;

/**
 * better-auth with our tables. It is called, and not exposed: `handler.ts` has the paths that reach it.
 *
 * @throws {TypeError} where `publicUrl` is neither https nor of this machine
 */
export function createAuth(options: Omit<SignInOptions, "databaseUrl">, database: SignInDatabase) {
  const isSecure = keepsSecureCookies(options.publicUrl);
  return betterAuth({
    baseURL: options.publicUrl,
    basePath: "/api/auth",
    secret: options.secret,
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
        verify: ({ hash, password }) => verifyPassword(hash, password),
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
        const { internalAdapter, createAuthCookie, secret } = context.context;
        if (context.path === "/reset-password") {
          const found = await internalAdapter.findVerificationValue(`reset-password:${context.body.token}`);
          const user = found === null ? null : await internalAdapter.findUserById(found.value);
          if (user !== null) requireStrongPassword(context.body.newPassword, user.email);
        }
        if (context.path === "/two-factor/verify-totp") {
          const challenge = await context.getSignedCookie(createAuthCookie("two_factor").name, secret);
          const found = challenge ? await internalAdapter.findVerificationValue(challenge) : null;
          // A code is spent when it is tried, before it is verified: two sign-ins cannot use the same one.
          if (found !== null && !(await takeCode(database, found.value, context.body.code)))
            throw new APIError("UNAUTHORIZED", { code: "INVALID_CODE", message: unauthenticated().message });
        }
      }),
    },
  });
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
