import { randomUUID } from "node:crypto";
import { notFound, type Session } from "@repo/catalog";
import type { Accounts } from "../companies/accounts.ts";
import type { SignedIn } from "../companies/authenticate.ts";

interface TestSession extends SignedIn {
  readonly session: Session & { readonly createdAt: Date };
}

/** The answer of a browser, which the accounts in memory accept. */
export const passkeyResponse = {
  id: "fake-id",
  rawId: "fake-id",
  type: "public-key",
  response: { clientDataJSON: "fake-data", attestationObject: "fake-attestation" },
} as const;

/** A product's own sign-in, in memory. The header `x-test-session` is the id of a session. */
export interface TestAccounts extends Accounts {
  /** Starts a session of a person, as a sign-in does. */
  start(userId: string, session?: Partial<Session>): TestSession;
  signIn(headers: Headers): Promise<SignedIn | undefined>;
}

export function createTestAccounts(): TestAccounts {
  const sessions = new Map<string, TestSession>();
  const lastSignIns = new Map<string, Date>();
  const apps = new Set<string>();
  const passkeys = new Map<string, { userId: string; id: string; name: string; createdAt: Date }>();
  const names = new Map<string, string>();
  const passwords = new Set<string>();
  const passkeysOf = (userId: string) => [...passkeys.values()].filter(({ userId: of }) => of === userId);
  const ownPasskey = (userId: string, id: string) => {
    const found = passkeys.get(id);
    if (found?.userId !== userId) throw notFound();
    return found;
  };
  const isEnrolled = (userId: string): boolean => apps.has(userId) || passkeysOf(userId).length > 0;
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
      const createdAt = session.createdAt ?? now;
      const made = { id: randomUUID(), confirmedAt: now, enrolled: true, ...session, createdAt };
      sessions.set(made.id, { userId, session: made });
      lastSignIns.set(userId, made.createdAt);
      if (made.enrolled) apps.add(userId);
      return { userId, session: made };
    },
    signIn: async (headers) => {
      const found = sessions.get(headers.get("x-test-session") ?? "");
      if (found === undefined) return undefined;
      return { ...found, session: { ...found.session, enrolled: isEnrolled(found.userId) } };
    },
    describe: async (userId) => ({
      email: `${userId}@example.com`,
      name: names.get(userId) ?? "",
      factors: {
        totp: apps.has(userId),
        passkeys: passkeysOf(userId).length,
        backupCodesLeft: isEnrolled(userId) ? codes.length : 0,
      },
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
        apps.add(userId);
        endSessions(userId, keepSession);
        return codes;
      },
      remove: async (userId, { keepSession }) => {
        apps.delete(userId);
        endSessions(userId, keepSession);
      },
    },
    passkeys: {
      list: async (userId) => passkeysOf(userId).map(({ id, name, createdAt }) => ({ id, name, createdAt })),
      begin: async (userId) => ({
        rp: { name: "Test" },
        user: { id: userId, name: userId, displayName: "" },
        challenge: "fake-challenge",
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      }),
      finish: async (userId, { name, keepSession }) => {
        const isFirst = !isEnrolled(userId);
        const id = randomUUID();
        passkeys.set(id, { userId, id, name, createdAt: new Date() });
        endSessions(userId, keepSession);
        return isFirst ? codes : undefined;
      },
      rename: async (userId, { id, name }) => {
        passkeys.set(id, { ...ownPasskey(userId, id), name });
      },
      remove: async (userId, { id, keepSession }) => {
        passkeys.delete(ownPasskey(userId, id).id);
        endSessions(userId, keepSession);
      },
    },
    renewBackupCodes: async () => codes,
    hasPassword: async (userId) => passwords.has(userId),
    signsIn: async () => false,
    createPassword: async (userId) => {
      passwords.add(userId);
    },
    resetSecondFactor: async (userId) => {
      apps.delete(userId);
      for (const { id } of passkeysOf(userId)) passkeys.delete(id);
      endSessions(userId);
    },
    lastSignIns: async (userIds) =>
      new Map(userIds.map((id) => [id, { lastSignInAt: lastSignIns.get(id), secondFactor: isEnrolled(id) }])),
  };
}
