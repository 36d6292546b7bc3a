import { randomBytes } from "node:crypto";
import { and, desc, eq, gt, gte, lt, sql } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";
import { idleMs, isShutOut, sessionSeconds, type LoadAuth } from "./auth.ts";
import { challengeCookie, isChallenge, type Challenge } from "./challenges.ts";
import { endSessions } from "./end-sessions.ts";
import { people } from "./people.ts";
import { sign, signedCookieOf } from "./signed-cookies.ts";

const { signInAccounts: accounts, signInSessions: sessions, signInVerifications: verifications } = tables;

export interface FoundSession {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly createdAt: Date;
  /** When it ends without activity, and when it ends at the latest. */
  readonly idleEndsAt: Date;
  readonly endsAt: Date;
  readonly confirmedAt: Date;
  /** When the person last confirmed it by a second factor, at the sign-in or later. */
  readonly secondFactorAt: Date | undefined;
  /** Whether the person has a second factor. */
  readonly enrolled: boolean;
}

export interface SessionDescription {
  readonly id: string;
  readonly address: string | undefined;
  readonly device: string | undefined;
  readonly createdAt: Date;
  readonly lastSeenAt: Date;
}

/** Sessions in the database, which is asked at each use: a session that was ended is gone at once, in every process. */
export interface Sessions {
  /** @throws {DatabaseError} */
  find(headers: Headers): Promise<FoundSession | undefined>;
  /** Puts the end without activity off, at most once a minute. */
  touch(sessionId: string): Promise<void>;
  list(userId: string): Promise<readonly SessionDescription[]>;
  end(userId: string, sessionId: string): Promise<void>;
  /** As {@link endSessions}. */
  endAll(userId: string, except?: string): Promise<number>;
  /** Takes one of the five attempts to confirm a session. @returns false if there is none left */
  takeAttempt(sessionId: string): Promise<boolean>;
  /** Ends a session whose five attempts were taken. @returns whether this call ended it */
  endIfSpent(sessionId: string): Promise<boolean>;
  /** Marks it as confirmed under a new token. @returns the cookie that replaces its own; undefined if it has ended */
  confirm(sessionId: string, by: { readonly secondFactor: boolean }): Promise<string | undefined>;
  /**
   * For a person who has just given a second factor, such as a passkey.
   *
   * @returns the cookie of a new session; undefined for a person who was shut out
   */
  begin(userId: string, browser: Browser): Promise<string | undefined>;
  /** Spends a challenge. @returns the cookies of its session; undefined if the challenge has ended */
  beginAfter(challenge: Challenge, browser: Browser): Promise<readonly string[] | undefined>;
  /** Ends the session of a browser. @returns whose it was, if there was one; and what removes the cookie */
  signOut(headers: Headers): Promise<{ readonly userId: string | undefined; readonly cookie: string }>;
  /** Notes that a person signed in, now. */
  noteSignIn(userId: string): Promise<void>;
}

interface Browser {
  readonly address?: string | undefined;
  readonly device: string;
}

const mostAttempts = 5;
const touchEveryMs = 60_000;
const ended = lt(sessions.expiresAt, sql`now() - interval '30 days'`);
const isLive = and(gt(sessions.expiresAt, sql`now()`), gt(sessions.idleEndsAt, sql`now()`));

export function createSessions(loadAuth: LoadAuth, database: SignInDatabase): Sessions {
  const tokenOf = async (headers: Headers): Promise<string | undefined> => {
    const { context, secrets } = await loadAuth();
    return signedCookieOf(headers, context.authCookies.sessionToken.name, secrets);
  };

  const cookieFor = async (token: string): Promise<string> => {
    const { context, secrets } = await loadAuth();
    const { name, attributes } = context.authCookies.sessionToken;
    const value = encodeURIComponent(await sign(token, secrets));
    return `${name}=${value}; Max-Age=${sessionSeconds}; ${ours(attributes)}`;
  };

  const rowOf = (userId: string, { address, device }: Browser) => {
    const now = Date.now();
    return {
      userId,
      token: makeToken(),
      ipAddress: address,
      userAgent: device,
      createdAt: new Date(now),
      updatedAt: new Date(now),
      confirmedAt: new Date(now),
      secondFactorAt: new Date(now),
      idleEndsAt: new Date(now + idleMs),
      expiresAt: new Date(now + sessionSeconds * 1000),
    };
  };

  return {
    find: async (headers) => {
      const token = await tokenOf(headers);
      if (token === undefined) return undefined;
      const [row] = await database.call((statements) =>
        statements
          .select({ session: sessions, email: people.email, enrolled: people.twoFactorEnabled })
          .from(sessions)
          .innerJoin(people, eq(people.id, sessions.userId))
          .where(and(eq(sessions.token, token), isLive)),
      );
      if (row === undefined) return undefined;
      const { id, userId, createdAt, idleEndsAt, expiresAt, confirmedAt, secondFactorAt } = row.session;
      return {
        id,
        userId,
        email: row.email,
        createdAt,
        idleEndsAt,
        endsAt: expiresAt,
        confirmedAt,
        secondFactorAt: secondFactorAt ?? undefined,
        enrolled: row.enrolled,
      };
    },

    touch: async (sessionId) => {
      const now = Date.now();
      await database.call((statements) =>
        statements
          .update(sessions)
          .set({
            idleEndsAt: sql`least(${sessions.expiresAt}, ${new Date(now + idleMs).toISOString()}::timestamptz)`,
            updatedAt: new Date(now),
          })
          .where(
            and(eq(sessions.id, sessionId), isLive, lt(sessions.updatedAt, new Date(now - touchEveryMs))),
          ),
      );
    },

    list: async (userId) => {
      const rows = await database.call((statements) =>
        statements
          .select()
          .from(sessions)
          .where(and(eq(sessions.userId, userId), isLive))
          .orderBy(desc(sessions.createdAt)),
      );
      return rows.map(({ id, ipAddress, userAgent, createdAt, updatedAt }) => ({
        id,
        address: ipAddress || undefined,
        device: userAgent || undefined,
        createdAt,
        lastSeenAt: updatedAt,
      }));
    },

    end: async (userId, sessionId) => {
      await database.call((statements) =>
        statements.delete(sessions).where(and(eq(sessions.userId, userId), eq(sessions.id, sessionId))),
      );
    },

    endAll: (userId, except) => endSessions(database, userId, except),

    takeAttempt: async (sessionId) => {
      const [row] = await database.call((statements) =>
        statements
          .update(sessions)
          .set({ failedConfirmations: sql`${sessions.failedConfirmations} + 1` })
          .where(eq(sessions.id, sessionId))
          .returning({ attempts: sessions.failedConfirmations }),
      );
      return row !== undefined && row.attempts <= mostAttempts;
    },

    endIfSpent: async (sessionId) => {
      const rows = await database.call((statements) =>
        statements
          .delete(sessions)
          .where(and(eq(sessions.id, sessionId), gte(sessions.failedConfirmations, mostAttempts)))
          .returning({ id: sessions.id }),
      );
      return rows.length > 0;
    },

    confirm: async (sessionId, { secondFactor }) => {
      const token = makeToken();
      const rows = await database.call((statements) =>
        statements
          .update(sessions)
          .set({
            token,
            confirmedAt: sql`now()`,
            failedConfirmations: 0,
            ...(secondFactor && { secondFactorAt: sql`now()` }),
          })
          .where(and(eq(sessions.id, sessionId), isLive))
          .returning({ id: sessions.id }),
      );
      await database.call((statements) => statements.delete(sessions).where(ended));
      return rows.length === 0 ? undefined : cookieFor(token);
    },

    begin: async (userId, browser) => {
      if (await isShutOut(database, userId)) return undefined;
      const row = rowOf(userId, browser);
      await database.call((statements) => statements.insert(sessions).values(row));
      return cookieFor(row.token);
    },

    beginAfter: async ({ userId, token }, browser) => {
      const row = rowOf(userId, browser);
      // In one transaction, so that what ends the person's sessions meanwhile finds the challenge or the session.
      const begun = await database.call((statements) =>
        statements.transaction(async (transaction) => {
          const spent = await transaction
            .delete(verifications)
            .where(and(isChallenge(token), eq(verifications.value, userId)))
            .returning({ id: verifications.id });
          if (spent.length > 0) await transaction.insert(sessions).values(row);
          return spent.length > 0;
        }),
      );
      if (!begun) return undefined;
      const { createAuthCookie } = (await loadAuth()).context;
      return [await cookieFor(row.token), removal(createAuthCookie(challengeCookie))];
    },

    signOut: async (headers) => {
      const { authCookies } = (await loadAuth()).context;
      const token = await tokenOf(headers);
      const found =
        token === undefined
          ? []
          : await database.call((statements) =>
              statements
                .delete(sessions)
                .where(eq(sessions.token, token))
                .returning({ userId: sessions.userId }),
            );
      return { userId: found[0]?.userId, cookie: removal(authCookies.sessionToken) };
    },

    noteSignIn: async (userId) => {
      await database.call((statements) =>
        statements
          .update(accounts)
          .set({ lastSignInAt: sql`now()` })
          .where(eq(accounts.userId, userId)),
      );
    },
  };
}

function makeToken(): string {
  return randomBytes(32).toString("base64url");
}

interface Attributes {
  readonly secure?: boolean | undefined;
}

function ours({ secure }: Attributes): string {
  return `Path=/; HttpOnly${secure === true ? "; Secure" : ""}; SameSite=Strict`;
}

function removal(cookie: { readonly name: string; readonly attributes: Attributes }): string {
  return `${cookie.name}=; Max-Age=0; ${ours(cookie.attributes)}`;
}
