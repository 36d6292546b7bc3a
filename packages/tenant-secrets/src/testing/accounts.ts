import { randomUUID } from "node:crypto";
import type { Session } from "@repo/catalog";
import type { Accounts } from "../companies/accounts.ts";
import type { SignedIn } from "../companies/authenticate.ts";

interface TestSession extends SignedIn {
  readonly session: Session & { readonly createdAt: Date };
}

/** A product's own sign-in, in memory. The header `x-test-session` is the id of a session. */
export interface TestAccounts extends Accounts {
  /** Starts a session of a person, as a sign-in does. */
  start(userId: string, session?: Partial<Omit<Session, "createdAt">>): TestSession;
  signIn(headers: Headers): Promise<SignedIn | undefined>;
}

export function createTestAccounts(): TestAccounts {
  const sessions = new Map<string, TestSession>();
  const enrolled = new Set<string>();
  const names = new Map<string, string>();
  const passwords = new Set<string>();
  const codes = ["fake-backup-0001", "fake-backup-0002"];
  const endSessions = (userId: string, except?: string): number => {
    const ended = [...sessions.values()].filter(
      ({ userId: of, session }) => of === userId && session.id !== except,
    );
    for (const { session } of ended) sessions.delete(session.id);
    return ended.length;
  };
  return {
    start: (userId, session = {}) => {
      const now = new Date();
      const made = { id: randomUUID(), confirmedAt: now, enrolled: true, createdAt: now, ...session };
      sessions.set(made.id, { userId, session: made });
      if (made.enrolled) enrolled.add(userId);
      return { userId, session: made };
    },
    signIn: async (headers) => {
      const found = sessions.get(headers.get("x-test-session") ?? "");
      if (found === undefined) return undefined;
      return { ...found, session: { ...found.session, enrolled: enrolled.has(found.userId) } };
    },
    describe: async (userId) => ({
      email: `${userId}@example.com`,
      name: names.get(userId) ?? "",
      factors: { totp: enrolled.has(userId), backupCodesLeft: enrolled.has(userId) ? codes.length : 0 },
    }),
    touch: async () => {},
    sessions: async (userId) =>
      [...sessions.values()]
        .filter(({ userId: of }) => of === userId)
        .map(({ session: { id, createdAt } }) => ({ id, createdAt, lastSeenAt: createdAt })),
    endSession: async (userId, id) => {
      if (sessions.get(id)?.userId === userId) sessions.delete(id);
    },
    endSessions: async (userId, { except } = {}) => endSessions(userId, except),
    setName: async (userId, name) => {
      names.set(userId, name);
    },
    setPassword: async (userId, { keepSession }) => {
      endSessions(userId, keepSession);
    },
    totp: {
      begin: async (userId) => ({ uri: `otpauth://totp/${userId}`, secret: "FAKETOTPSECRET" }),
      finish: async (userId, { keepSession }) => {
        enrolled.add(userId);
        endSessions(userId, keepSession);
        return codes;
      },
      remove: async (userId, { keepSession }) => {
        enrolled.delete(userId);
        endSessions(userId, keepSession);
      },
    },
    renewBackupCodes: async () => codes,
    hasPassword: async (userId) => passwords.has(userId),
    createPassword: async (userId) => {
      passwords.add(userId);
    },
    resetSecondFactor: async (userId) => {
      enrolled.delete(userId);
      endSessions(userId);
    },
  };
}
