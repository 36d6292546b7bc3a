import { randomBytes, timingSafeEqual } from "node:crypto";
import { makeSignature } from "better-auth/crypto";
import { and, desc, eq, gt, gte, lt, sql } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";
import { idleMs, sessionSeconds, type Auth } from "./auth.ts";
import { endSessions } from "./end-sessions.ts";
import { people } from "./people.ts";

const { signInSessions: sessions } = tables;

export interface FoundSession {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly createdAt: Date;
  /** When it ends without activity, and when it ends at the latest. */
  readonly idleEndsAt: Date;
  readonly endsAt: Date;
  readonly confirmedAt: Date;
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
  confirm(sessionId: string): Promise<string | undefined>;
  /** @returns the cookie of a new session */
  begin(
    userId: string,
    from: { readonly address?: string | undefined; readonly device: string },
  ): Promise<string>;
  /** The newest session of each person. */
  lastSignIns(userIds: readonly string[]): Promise<ReadonlyMap<string, Date>>;
}

const mostAttempts = 5;
const touchEveryMs = 60_000;
const ended = lt(sessions.expiresAt, sql`now() - interval '30 days'`);
const isLive = and(gt(sessions.expiresAt, sql`now()`), gt(sessions.idleEndsAt, sql`now()`));

export function createSessions(auth: Auth, database: SignInDatabase): Sessions {
  const tokenOf = async (headers: Headers): Promise<string | undefined> => {
    const { authCookies, secret } = await auth.$context;
    const signed = cookieOf(headers, authCookies.sessionToken.name);
    const at = signed?.lastIndexOf(".") ?? -1;
    if (signed === undefined || at < 1) return undefined;
    const token = signed.slice(0, at);
    const expected = Buffer.from(await makeSignature(token, secret));
    const given = Buffer.from(signed.slice(at + 1));
    return given.length === expected.length && timingSafeEqual(given, expected) ? token : undefined;
  };

  const cookieFor = async (token: string): Promise<string> => {
    const { authCookies, secret } = await auth.$context;
    const { name, attributes } = authCookies.sessionToken;
    const value = encodeURIComponent(`${token}.${await makeSignature(token, secret)}`);
    const secure = attributes.secure === true ? "; Secure" : "";
    return `${name}=${value}; Max-Age=${sessionSeconds}; Path=/; HttpOnly${secure}; SameSite=Strict`;
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
      const { id, userId, createdAt, idleEndsAt, expiresAt, confirmedAt } = row.session;
      return {
        id,
        userId,
        email: row.email,
        createdAt,
        idleEndsAt,
        endsAt: expiresAt,
        confirmedAt,
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

    confirm: async (sessionId) => {
      const token = makeToken();
      const rows = await database.call((statements) =>
        statements
          .update(sessions)
          .set({ token, confirmedAt: sql`now()`, failedConfirmations: 0 })
          .where(and(eq(sessions.id, sessionId), isLive))
          .returning({ id: sessions.id }),
      );
      await database.call((statements) => statements.delete(sessions).where(ended));
      return rows.length === 0 ? undefined : cookieFor(token);
    },

    begin: async (userId, { address, device }) => {
      const token = makeToken();
      const now = Date.now();
      await database.call((statements) =>
        statements.insert(sessions).values({
          userId,
          token,
          ipAddress: address,
          userAgent: device,
          createdAt: new Date(now),
          updatedAt: new Date(now),
          confirmedAt: new Date(now),
          idleEndsAt: new Date(now + idleMs),
          expiresAt: new Date(now + sessionSeconds * 1000),
        }),
      );
      return cookieFor(token);
    },

    lastSignIns: async (userIds) => {
      if (userIds.length === 0) return new Map();
      const rows = await database.call((statements) =>
        statements
          .select({
            userId: sessions.userId,
            last: sql`max(${sessions.createdAt})`.mapWith(sessions.createdAt),
          })
          .from(sessions)
          .where(sql`${sessions.userId} = any(${sql.param([...userIds])}::uuid[])`)
          .groupBy(sessions.userId),
      );
      return new Map(rows.map(({ userId, last }) => [userId, last]));
    },
  };
}

function makeToken(): string {
  return randomBytes(32).toString("base64url");
}

/** A cookie's value. Undefined also where it stands there twice: one of the two comes from elsewhere. */
export function cookieOf(headers: Headers, name: string): string | undefined {
  const values = (headers.get("cookie") ?? "")
    .split(/; */)
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  const [value] = values;
  if (value === undefined || values.length > 1) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
