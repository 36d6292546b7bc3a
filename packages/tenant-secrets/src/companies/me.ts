import type { AuditAction } from "@repo/audit-log";
import type { Database } from "@repo/db";
import {
  type Account,
  type Caller,
  displayNameRule,
  personOf,
  forbidden,
  isDisplayName,
  type NewPasskey,
  notFound,
  type OwnPasskeys,
  type OwnSessions,
  type PasskeyOptions,
  type RenamedPasskey,
  type Session,
  TenantSecretsError,
  type TotpCode,
  type UserActor,
} from "@repo/catalog";
import { confirmedUntil } from "../access/confirmation.ts";
import { lacksSecondFactor, needsSecondFactor, secondFactorDue } from "../access/enrolment.ts";
import type { Operations } from "../access/operation.ts";
import { permissions } from "../access/permissions.ts";
import type { Accounts } from "./accounts.ts";
import type { CompanyRows } from "./company-rows.ts";
import { selectShredded } from "./shredded.ts";

/**
 * The account of the person who asks. Each method throws FORBIDDEN for a caller without a session, and NOT_SUPPORTED where
 * the product has a sign-in of its own; both are audited.
 */
export interface Me {
  /** Not audited: each page begins with it, and it tells the person about themselves alone, also while they act as operator. */
  get(caller: Caller): Promise<Account>;
  /** As `get`. It is sent each minute. */
  active(caller: Caller): Promise<void>;
  /** @throws {TenantSecretsError} INVALID_INPUT */
  setName(caller: Caller, name: string): Promise<void>;
  /** @throws {TenantSecretsError} INVALID_INPUT for a weak one */
  setPassword(caller: Caller, password: string): Promise<void>;
  sessions(caller: Caller): Promise<OwnSessions>;
  endSession(caller: Caller, sessionId: string): Promise<void>;
  /** @returns how many ended */
  endOtherSessions(caller: Caller): Promise<number>;
  beginTotp(caller: Caller): Promise<{ readonly uri: string; readonly secret: string }>;
  /** @throws {TenantSecretsError} INVALID_INPUT for a wrong code */
  finishTotp(caller: Caller, given: TotpCode): Promise<readonly string[]>;
  /** The passkeys stay. @throws {TenantSecretsError} CONFLICT for the last second factor of a person who needs one */
  removeTotp(caller: Caller): Promise<void>;
  passkeys(caller: Caller): Promise<OwnPasskeys>;
  beginPasskey(caller: Caller): Promise<PasskeyOptions>;
  /**
   * @returns backup codes where it is the first second factor
   * @throws {TenantSecretsError} INVALID_INPUT for a name, or for an answer to something else
   */
  finishPasskey(caller: Caller, given: NewPasskey): Promise<readonly string[] | undefined>;
  /** @throws {TenantSecretsError} INVALID_INPUT, NOT_FOUND */
  renamePasskey(caller: Caller, change: RenamedPasskey): Promise<void>;
  /** @throws {TenantSecretsError} NOT_FOUND; CONFLICT as `removeTotp` */
  removePasskey(caller: Caller, id: string): Promise<void>;
  renewBackupCodes(caller: Caller): Promise<readonly string[]>;
  /** For before every other operation. @throws {TenantSecretsError} FORBIDDEN, audited, where a second factor is due */
  requireSecondFactor(caller: Caller): Promise<void>;
}

/** A signed-in person. */
interface Own {
  readonly accounts: Accounts;
  readonly person: UserActor;
  readonly userId: string;
  readonly session: Session;
}

interface Dependencies {
  readonly operations: Operations;
  readonly database: Database;
  readonly rows: Pick<CompanyRows, "findById">;
  readonly accounts: Accounts | undefined;
}

export function createMe({ operations, database, rows, accounts }: Dependencies): Me {
  const asPerson = <T>(
    caller: Caller,
    action: AuditAction,
    {
      work,
      ofEveryPage = false,
    }: { readonly work: (own: Own) => Promise<T>; readonly ofEveryPage?: boolean },
  ): Promise<T> => {
    const { actor, session } = caller;
    const person = personOf(caller);
    const isTheirs = person !== undefined && session !== undefined && (person === actor || ofEveryPage);
    const deny = isTheirs ? undefined : forbidden("use an account of a person");
    const subject = person?.id ?? actor.id;
    return operations.inSteps({ caller, action, deny, subject }, async ({ record }) => {
      if (person === undefined || session === undefined || accounts === undefined) throw ownSignIn();
      const result = await work({ accounts, person, userId: person.id, session });
      if (!ofEveryPage) await record({});
      return result;
    });
  };

  return {
    get: (caller) =>
      asPerson(caller, "account.get", {
        ofEveryPage: true,
        work: async ({ accounts: all, person, userId, session }) => {
          const { email, name, factors } = await all.describe(userId);
          const { id, createdAt, idleEndsAt, endsAt } = session;
          return {
            id: userId,
            email,
            name,
            companies: await companiesOf(person, { database, rows }),
            operator: caller.link && { id: caller.link.operatorId, until: caller.link.until },
            session: { id, createdAt, idleEndsAt, endsAt, confirmedUntil: confirmedUntil(session) },
            factors: { ...factors, due: lacksSecondFactor(caller) },
          };
        },
      }),

    active: (caller) =>
      asPerson(caller, "session.touch", {
        ofEveryPage: true,
        work: ({ accounts: all, session }) => all.touch(session.id),
      }),

    setName: (caller, name) =>
      asPerson(caller, "account.rename", {
        work: async ({ accounts: all, userId }) => {
          requireDisplayName(name);
          await all.setName(userId, name);
        },
      }),

    setPassword: (caller, password) =>
      asPerson(caller, "password.change", {
        work: ({ accounts: all, userId, session }) =>
          all.setPassword(userId, { password, keepSession: session.id }),
      }),

    sessions: (caller) =>
      asPerson(caller, "session.list", {
        work: async ({ accounts: all, userId, session }) =>
          (await all.sessions(userId)).map((each) => ({ ...each, current: each.id === session.id })),
      }),

    endSession: (caller, sessionId) =>
      asPerson(caller, "session.end", {
        work: ({ accounts: all, userId }) => all.endSession(userId, sessionId),
      }),

    endOtherSessions: (caller) =>
      asPerson(caller, "session.end", {
        work: ({ accounts: all, userId, session }) => all.endSessions(userId, { except: session.id }),
      }),

    beginTotp: (caller) =>
      asPerson(caller, "factor.begin", { work: ({ accounts: all, userId }) => all.totp.begin(userId) }),

    finishTotp: (caller, { code }) =>
      asPerson(caller, "factor.add", {
        work: ({ accounts: all, userId, session }) =>
          all.totp.finish(userId, { code, keepSession: session.id }),
      }),

    removeTotp: (caller) =>
      asPerson(caller, "factor.remove", {
        work: async ({ accounts: all, userId, session }) => {
          requireAnother(caller, (await all.describe(userId)).factors.passkeys);
          await all.totp.remove(userId, { keepSession: session.id });
        },
      }),

    passkeys: (caller) =>
      asPerson(caller, "factor.list", { work: ({ accounts: all, userId }) => all.passkeys.list(userId) }),

    beginPasskey: (caller) =>
      asPerson(caller, "factor.begin", { work: ({ accounts: all, userId }) => all.passkeys.begin(userId) }),

    finishPasskey: (caller, given) =>
      asPerson(caller, "factor.add", {
        work: ({ accounts: all, userId, session }) => {
          requireDisplayName(given.name);
          return all.passkeys.finish(userId, { ...given, keepSession: session.id });
        },
      }),

    renamePasskey: (caller, change) =>
      asPerson(caller, "factor.rename", {
        work: async ({ accounts: all, userId }) => {
          requireDisplayName(change.name);
          await all.passkeys.rename(userId, change);
        },
      }),

    removePasskey: (caller, id) =>
      asPerson(caller, "factor.remove", {
        work: async ({ accounts: all, userId, session }) => {
          const own = await all.passkeys.list(userId);
          if (!own.some((passkey) => passkey.id === id)) throw notFound();
          const { totp } = (await all.describe(userId)).factors;
          requireAnother(caller, own.length - 1 + (totp ? 1 : 0));
          await all.passkeys.remove(userId, { id, keepSession: session.id });
        },
      }),

    renewBackupCodes: (caller) =>
      asPerson(caller, "factor.renew-backup-codes", {
        work: ({ accounts: all, userId }) => all.renewBackupCodes(userId),
      }),

    requireSecondFactor: async (caller) => {
      const error = secondFactorDue(caller);
      if (error === undefined) return;
      await operations.deny({ caller, action: "factor.require", subject: caller.actor.id }, error);
    },
  };
}

/**
 * Two removals at once can both pass. The person is then asked for a second factor before anything else.
 *
 * @param others how many second factors would be left
 * @throws {TenantSecretsError} CONFLICT
 */
function requireAnother(caller: Caller, others: number): void {
  if (!needsSecondFactor(caller) || others > 0) return;
  throw new TenantSecretsError(
    "CONFLICT",
    "This is the only second factor of an account that needs one: add another first.",
  );
}

/** @throws {TenantSecretsError} INVALID_INPUT */
function requireDisplayName(name: string): void {
  if (isDisplayName(name)) return;
  throw new TenantSecretsError("INVALID_INPUT", `The name was refused: it has ${displayNameRule}.`);
}

async function companiesOf(
  { roles }: UserActor,
  { database, rows }: Pick<Dependencies, "database" | "rows">,
): Promise<Account["companies"]> {
  const shredded = await database.acrossCompanies((statements) =>
    selectShredded(statements, [...roles.keys()]),
  );
  const found = await Promise.all(
    [...roles].map(async ([id, role]) => {
      const row = await rows.findById(id);
      return row === undefined || row.status === "deleted"
        ? []
        : [
            {
              subdomain: row.subdomain,
              role,
              verbs: permissions[role],
              suspended: row.status === "suspended",
              shreddedAt: shredded.get(id),
              secondFactorRequired: row.secondFactorRequired,
            },
          ];
    }),
  );
  return found.flat().toSorted((a, b) => a.subdomain.localeCompare(b.subdomain, "en"));
}

/** The error where accounts are not kept here. */
export function ownSignIn(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "People sign in to this product by a sign-in of its own: manage accounts, sessions and factors there.",
  );
}
