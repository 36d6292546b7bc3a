import { and, eq, sql } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";
import { hashPassword } from "./password-hash.ts";
import { requireStrongPassword } from "./password-rules.ts";
import type { CreationOptions, PasskeyDescription, Passkeys } from "./passkeys.ts";
import type { Passwords } from "./passwords.ts";
import { people } from "./people.ts";
import type { SecondFactor } from "./second-factor.ts";
import type { SessionDescription, Sessions } from "./sessions.ts";

const { signInAccounts: accounts } = tables;

/** The accounts of people. The permission of a call, and its audit event, are the caller's part. */
export interface Accounts {
  describe(userId: string): Promise<{
    readonly email: string;
    readonly name: string;
    readonly factors: { readonly totp: boolean; readonly passkeys: number; readonly backupCodesLeft: number };
  }>;
  touch(sessionId: string): Promise<void>;
  sessions(userId: string): Promise<readonly SessionDescription[]>;
  endSession(userId: string, sessionId: string): Promise<void>;
  /** @returns how many ended */
  endSessions(userId: string, options?: { readonly except?: string }): Promise<number>;
  /** @param name 1 to 100 characters */
  setName(userId: string, name: string): Promise<void>;
  /** Ends the other sessions. @throws {TenantSecretsError} INVALID_INPUT for a weak one */
  setPassword(
    userId: string,
    change: { readonly password: string; readonly keepSession: string },
  ): Promise<void>;
  /** The first password of an invited person. @throws {TenantSecretsError} INVALID_INPUT; CONFLICT where there is one */
  createPassword(userId: string, password: string): Promise<void>;
  hasPassword(userId: string): Promise<boolean>;
  /** Whether this password alone signs the person in. The caller limits attempts. */
  signsIn(userId: string, password: string): Promise<boolean>;
  readonly totp: {
    begin(userId: string): Promise<{ readonly uri: string; readonly secret: string }>;
    /** Ends the other sessions. @returns the backup codes, shown this once */
    finish(
      userId: string,
      given: { readonly code: string; readonly keepSession: string },
    ): Promise<readonly string[]>;
    /** Ends the other sessions, and the backup codes where no passkey is left. */
    remove(userId: string, options: { readonly keepSession: string }): Promise<void>;
  };
  readonly passkeys: {
    list(userId: string): Promise<readonly PasskeyDescription[]>;
    /** @returns what the browser takes */
    begin(userId: string): Promise<CreationOptions>;
    /**
     * Ends the other sessions.
     *
     * @param given the name 1 to 100 characters, and what the browser answered
     * @returns backup codes, shown this once, where it is the first second factor
     * @throws {TenantSecretsError} INVALID_INPUT for an answer to something else
     */
    finish(
      userId: string,
      given: { readonly name: string; readonly response: unknown; readonly keepSession: string },
    ): Promise<readonly string[] | undefined>;
    /** @throws {TenantSecretsError} NOT_FOUND */
    rename(userId: string, change: { readonly id: string; readonly name: string }): Promise<void>;
    /** Ends the other sessions, and the backup codes with the last second factor. @throws {TenantSecretsError} NOT_FOUND */
    remove(userId: string, given: { readonly id: string; readonly keepSession: string }): Promise<void>;
  };
  renewBackupCodes(userId: string): Promise<readonly string[]>;
  /** For a person who has lost all factors. Ends all sessions. */
  resetSecondFactor(userId: string): Promise<void>;
  /** The last complete sign-in of each person, and whether they have a second factor. For lists of people. */
  lastSignIns(
    userIds: readonly string[],
  ): Promise<
    ReadonlyMap<string, { readonly lastSignInAt: Date | undefined; readonly secondFactor: boolean }>
  >;
}

interface Parts {
  readonly database: SignInDatabase;
  readonly sessions: Sessions;
  readonly secondFactor: SecondFactor;
  readonly passkeys: Passkeys;
  readonly passwords: Passwords;
}

export function createAccounts({ database, sessions, secondFactor, passkeys, passwords }: Parts): Accounts {
  const find = async (userId: string) => {
    const [row] = await database.call((statements) =>
      statements.select().from(people).where(eq(people.id, userId)),
    );
    if (row === undefined) throw notFound();
    return row;
  };
  const ofPerson = (userId: string) =>
    and(eq(accounts.userId, userId), eq(accounts.providerId, "credential"));

  return {
    describe: async (userId) => {
      const { email, name } = await find(userId);
      return {
        email,
        name,
        factors: { ...(await secondFactor.state(userId)), passkeys: (await passkeys.list(userId)).length },
      };
    },
    touch: (sessionId) => sessions.touch(sessionId),
    sessions: (userId) => sessions.list(userId),
    endSession: (userId, sessionId) => sessions.end(userId, sessionId),
    endSessions: (userId, { except } = {}) => sessions.endAll(userId, except),

    setName: async (userId, name) => {
      await database.call((statements) =>
        statements.update(people).set({ name, updatedAt: new Date() }).where(eq(people.id, userId)),
      );
    },

    setPassword: async (userId, { password, keepSession }) => {
      const { email } = await find(userId);
      requireStrongPassword(password, email);
      const hash = await hashPassword(password);
      const changed = await database.call((statements) =>
        statements
          .update(accounts)
          .set({ password: hash, updatedAt: new Date() })
          .where(ofPerson(userId))
          .returning({ id: accounts.id }),
      );
      if (changed.length === 0) throw notFound();
      await sessions.endAll(userId, keepSession);
    },

    createPassword: async (userId, password) => {
      const { email } = await find(userId);
      requireStrongPassword(password, email);
      const now = new Date();
      const made = await database.call(async (statements) =>
        statements
          .insert(accounts)
          .values({
            userId,
            accountId: userId,
            providerId: "credential",
            password: await hashPassword(password),
            createdAt: now,
            updatedAt: now,
          })
          .onConflictDoNothing()
          .returning({ id: accounts.id }),
      );
      if (made.length === 0) throw new TenantSecretsError("CONFLICT", "This account has a password already.");
    },

    hasPassword: async (userId) => {
      const rows = await database.call((statements) =>
        statements.select({ id: accounts.id }).from(accounts).where(ofPerson(userId)),
      );
      return rows.length > 0;
    },

    signsIn: async (userId, password) => {
      const [person] = await database.call((statements) =>
        statements.select().from(people).where(eq(people.id, userId)),
      );
      if (person === undefined || person.twoFactorEnabled) return false;
      return passwords.isOf(userId, password);
    },

    totp: {
      begin: async (userId) => secondFactor.begin(userId, (await find(userId)).email),
      finish: async (userId, { code, keepSession }) => {
        const codes = await secondFactor.finish(userId, code);
        await sessions.endAll(userId, keepSession);
        return codes;
      },
      remove: async (userId, { keepSession }) => {
        await secondFactor.removeApp(userId);
        await sessions.endAll(userId, keepSession);
      },
    },
    passkeys: {
      list: (userId) => passkeys.list(userId),
      begin: (userId) => passkeys.begin(userId),
      finish: async (userId, { keepSession, ...given }) => {
        await passkeys.finish(userId, given);
        const codes = await secondFactor.passkeyAdded(userId);
        await sessions.endAll(userId, keepSession);
        return codes;
      },
      rename: (userId, change) => passkeys.rename(userId, change),
      remove: async (userId, { id, keepSession }) => {
        await passkeys.remove(userId, id);
        await secondFactor.passkeyRemoved(userId);
        await sessions.endAll(userId, keepSession);
      },
    },
    renewBackupCodes: (userId) => secondFactor.renewBackupCodes(userId),
    resetSecondFactor: async (userId) => {
      await passkeys.removeAll(userId);
      await secondFactor.remove(userId);
      await sessions.endAll(userId);
    },

    lastSignIns: async (userIds) => {
      if (userIds.length === 0) return new Map();
      const rows = await database.call((statements) =>
        statements
          .select({
            id: people.id,
            lastSignInAt: accounts.lastSignInAt,
            secondFactor: people.twoFactorEnabled,
          })
          .from(people)
          .leftJoin(accounts, and(eq(accounts.userId, people.id), eq(accounts.providerId, "credential")))
          .where(sql`${people.id} = any(${sql.param([...userIds])}::uuid[])`),
      );
      return new Map(
        rows.map(({ id, lastSignInAt, secondFactor: has }) => [
          id,
          { lastSignInAt: lastSignInAt ?? undefined, secondFactor: has },
        ]),
      );
    },
  };
}
