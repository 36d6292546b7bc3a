import { createOTP } from "@better-auth/utils/otp";
import { generateRandomString, parseEnvelope, symmetricDecrypt, symmetricEncrypt } from "better-auth/crypto";
import { and, eq, isNull, lte, or, sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type SignInDatabase } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";
import { issuer, type LoadAuth } from "./auth.ts";
import { people } from "./people.ts";
import { takeCode } from "./used-codes.ts";

const { signInPasskeys: passkeys, signInTwoFactors: factors } = tables;
type Factor = typeof factors.$inferSelect;
type Person = typeof people.$inferSelect;

/**
 * An authenticator app (RFC 6238: six digits, 30 seconds), and backup codes for the day on which it is lost. A person has backup
 * codes as long as they have an app or a passkey, and is asked for a second factor as long.
 */
export interface SecondFactor {
  /** @throws {TenantSecretsError} CONFLICT where the person has one */
  begin(userId: string, email: string): Promise<{ readonly uri: string; readonly secret: string }>;
  /** @returns new backup codes; the earlier ones end. @throws {TenantSecretsError} INVALID_INPUT for a wrong code */
  finish(userId: string, code: string): Promise<readonly string[]>;
  /** Removes the app. The backup codes end, too, where no passkey is left. */
  removeApp(userId: string): Promise<void>;
  /** After a passkey was added. @returns backup codes where it is the person's first second factor */
  passkeyAdded(userId: string): Promise<readonly string[] | undefined>;
  /** After a passkey was removed. The backup codes end where it was the last second factor. */
  passkeyRemoved(userId: string): Promise<void>;
  /** Removes the app and the backup codes. */
  remove(userId: string): Promise<void>;
  /** @returns new ones; the earlier ones end. @throws {TenantSecretsError} NOT_FOUND without a second factor */
  renewBackupCodes(userId: string): Promise<readonly string[]>;
  state(userId: string): Promise<{ readonly totp: boolean; readonly backupCodesLeft: number }>;
  /**
   * Whether the code, of the app or a backup code, is right. It counts once.
   *
   * @throws {TenantSecretsError} RATE_LIMITED; KEY_DESTROYED where the factor was encrypted under a version of the secret that is gone
   */
  accepts(userId: string, code: string): Promise<boolean>;
}

/** The database, or a transaction in it. */
type Statements = Pick<SignInDatabase["statements"], "select" | "insert" | "update" | "delete">;

const parameters = { digits: 6, period: 30 } as const;
const mostFailures = 10;
const lockSeconds = 15 * 60;
const backupCodes = 10;
const Codes = z.array(z.string());

export function createSecondFactor(loadAuth: LoadAuth, database: SignInDatabase): SecondFactor {
  const find = async (userId: string): Promise<Factor | undefined> => {
    const [row] = await database.call((statements) =>
      statements.select().from(factors).where(eq(factors.userId, userId)),
    );
    return row;
  };
  const encrypt = async (data: string): Promise<string> =>
    symmetricEncrypt({ key: (await loadAuth()).context.secretConfig, data });
  /** @throws {TenantSecretsError} KEY_DESTROYED for what was encrypted under a version of the secret that is gone */
  const decrypt = async (data: string): Promise<string> => {
    const key = (await loadAuth()).context.secretConfig;
    return symmetricDecrypt({ key, data }).catch(() => {
      throw stranded();
    });
  };
  const codesOf = async (factor: Factor): Promise<readonly string[]> =>
    Codes.parse(JSON.parse(await decrypt(factor.backupCodes)));

  const encryptCodes = (codes: readonly string[]): Promise<string> => encrypt(JSON.stringify(codes));
  /** What the row of a person without an app holds in its place. */
  const makeUnknownSecret = (): Promise<string> => encrypt(generateRandomString(32));

  /** Changes of one person's factors run one after the other, so that two cannot leave a person with codes and no factor. */
  const change = <T>(
    userId: string,
    work: (statements: Statements, person: Person) => Promise<T>,
  ): Promise<T> =>
    database.call((all) =>
      all.transaction(async (statements) => {
        const [person] = await statements.select().from(people).where(eq(people.id, userId)).for("update");
        if (person === undefined) throw notFound();
        return work(statements, person);
      }),
    );
  const setEnabled = async (
    statements: Statements,
    userId: string,
    twoFactorEnabled: boolean,
  ): Promise<void> => {
    await statements
      .update(people)
      .set({ twoFactorEnabled, updatedAt: new Date() })
      .where(eq(people.id, userId));
  };
  const removeAll = async (statements: Statements, userId: string): Promise<void> => {
    await setEnabled(statements, userId, false);
    await statements.delete(factors).where(eq(factors.userId, userId));
  };
  const hasPasskey = async (statements: Statements, userId: string): Promise<boolean> => {
    const rows = await statements
      .select({ id: passkeys.id })
      .from(passkeys)
      .where(eq(passkeys.userId, userId))
      .limit(1);
    return rows.length > 0;
  };

  /** A row changes only if it is as it was read, so that a backup code that two requests bring counts once. */
  const update = async (
    statements: Statements,
    factor: Factor,
    changed: Partial<Factor>,
  ): Promise<boolean> => {
    const isAsRead = [eq(factors.backupCodes, factor.backupCodes), eq(factors.secret, factor.secret)];
    const rows = await statements
      .update(factors)
      .set(changed)
      .where(and(eq(factors.id, factor.id), ...isAsRead))
      .returning({ id: factors.id });
    return rows.length > 0;
  };
  /**
   * Counts a try before anything is verified, so that tries at once get no further than tries in a row. The tenth locks.
   *
   * @throws {TenantSecretsError} RATE_LIMITED
   */
  const takeTry = async ({ id, userId }: Factor): Promise<void> => {
    const tries = sql`case when ${factors.failedVerificationCount} >= ${mostFailures} then 1 else ${factors.failedVerificationCount} + 1 end`;
    const taken = await database.call((statements) =>
      statements
        .update(factors)
        .set({
          failedVerificationCount: tries,
          lockedUntil: sql`case when ${tries} >= ${mostFailures} then now() + make_interval(secs => ${lockSeconds}) end`,
        })
        .where(and(eq(factors.id, id), or(isNull(factors.lockedUntil), lte(factors.lockedUntil, sql`now()`))))
        .returning({ id: factors.id }),
    );
    if (taken.length > 0) return;
    const remainingMs = ((await find(userId))?.lockedUntil?.getTime() ?? 0) - Date.now();
    throw locked(Math.max(1000, remainingMs));
  };

  const isCode = async (factor: Factor, code: string): Promise<boolean> => {
    await takeTry(factor);
    const right = isOfApp(code)
      ? (await takeCode(database, factor.userId, code)) &&
        (await createOTP(await decrypt(factor.secret), parameters).verify(code))
      : await takeBackupCode(factor, code);
    if (right) {
      await database.call((statements) =>
        statements
          .update(factors)
          .set({ failedVerificationCount: 0, lockedUntil: null })
          .where(eq(factors.id, factor.id)),
      );
      await encryptAgain(factor);
    }
    return right;
  };
  /** Under the current secret, so that an earlier one can be removed once people have signed in. */
  const encryptAgain = async (factor: Factor): Promise<void> => {
    const [current] = (await loadAuth()).secrets;
    const isCurrent = (text: string) => parseEnvelope(text)?.version === current.version;
    if (isCurrent(factor.secret) && isCurrent(factor.backupCodes)) return;
    const renew = async (text: string): Promise<string> => {
      const plain = await unlessStranded(() => decrypt(text));
      return plain === undefined ? text : encrypt(plain);
    };
    const renewed = {
      secret: await renew(factor.secret),
      backupCodes: await renew(factor.backupCodes),
    };
    await database.call((statements) => update(statements, factor, renewed));
  };
  const takeBackupCode = async (factor: Factor, code: string): Promise<boolean> => {
    const codes = await codesOf(factor);
    if (!codes.includes(code)) return false;
    const left = await encryptCodes(codes.filter((each) => each !== code));
    return database.call((statements) => update(statements, factor, { backupCodes: left }));
  };

  return {
    begin: async (userId, email) => {
      const secret = generateRandomString(32);
      const made = { secret: await encrypt(secret) };
      const first = { userId, ...made, backupCodes: await encryptCodes([]), verified: false };
      const rows = await database.call((statements) =>
        statements
          .insert(factors)
          .values(first)
          // A person with passkeys has backup codes, which count until the app is added.
          .onConflictDoUpdate({ target: factors.userId, set: made, setWhere: eq(factors.verified, false) })
          .returning({ id: factors.id }),
      );
      if (rows.length === 0)
        throw new TenantSecretsError("CONFLICT", "This account has an authenticator app: remove it first.");
      const uri = createOTP(secret, parameters).url(issuer, email);
      return { uri, secret: new URL(uri).searchParams.get("secret") ?? "" };
    },

    finish: async (userId, code) => {
      const factor = await find(userId);
      if (factor === undefined || factor.verified || !isOfApp(code) || !(await isCode(factor, code)))
        throw wrongCode();
      const codes = makeCodes();
      const finished = { verified: true, backupCodes: await encryptCodes(codes) };
      await change(userId, async (statements) => {
        if (!(await update(statements, factor, finished))) throw wrongCode();
        await setEnabled(statements, userId, true);
      });
      return codes;
    },

    removeApp: async (userId) => {
      const removed = { verified: false, secret: await makeUnknownSecret() };
      await change(userId, async (statements) => {
        if (await hasPasskey(statements, userId))
          await statements.update(factors).set(removed).where(eq(factors.userId, userId));
        else await removeAll(statements, userId);
      });
    },

    passkeyAdded: async (userId) => {
      const codes = makeCodes();
      const made = { backupCodes: await encryptCodes(codes) };
      const first = { userId, ...made, secret: await makeUnknownSecret(), verified: false };
      return change(userId, async (statements, { twoFactorEnabled }) => {
        if (twoFactorEnabled) return undefined;
        await statements
          .insert(factors)
          .values(first)
          .onConflictDoUpdate({ target: factors.userId, set: made });
        await setEnabled(statements, userId, true);
        return codes;
      });
    },

    passkeyRemoved: (userId) =>
      change(userId, async (statements) => {
        const [factor] = await statements.select().from(factors).where(eq(factors.userId, userId));
        if (factor?.verified === true || (await hasPasskey(statements, userId))) return;
        await removeAll(statements, userId);
      }),

    remove: (userId) => change(userId, (statements) => removeAll(statements, userId)),

    renewBackupCodes: async (userId) => {
      const codes = makeCodes();
      const renewed = { backupCodes: await encryptCodes(codes) };
      return change(userId, async (statements, { twoFactorEnabled }) => {
        if (!twoFactorEnabled)
          throw new TenantSecretsError("NOT_FOUND", "This account has no second factor.");
        await statements.update(factors).set(renewed).where(eq(factors.userId, userId));
        return codes;
      });
    },

    state: async (userId) => {
      const factor = await find(userId);
      if (factor === undefined) return { totp: false, backupCodesLeft: 0 };
      const left = await unlessStranded(() => codesOf(factor));
      return { totp: factor.verified, backupCodesLeft: left?.length ?? 0 };
    },

    accepts: async (userId, code) => {
      const factor = await find(userId);
      if (factor === undefined || (isOfApp(code) && !factor.verified)) return false;
      return isCode(factor, code);
    },
  };
}

/** Ten of 50 bits each, in the form that better-auth reads. */
function makeCodes(): string[] {
  return Array.from({ length: backupCodes }, () => {
    const code = generateRandomString(10, "a-z", "0-9");
    return `${code.slice(0, 5)}-${code.slice(5)}`;
  });
}

/** Whether a code has the form of an app's, rather than of a backup code. */
function isOfApp(code: string): boolean {
  return /^\d{6}$/.test(code);
}

function wrongCode(): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", "The code is wrong or was used: wait for the next one.", {
    fields: ["code"],
  });
}

function stranded(): TenantSecretsError {
  return new TenantSecretsError(
    "KEY_DESTROYED",
    "This second factor can be verified no more, because the key that it was encrypted with was deleted: ask an operator to reset it.",
  );
}

/** @returns undefined for what was encrypted under a version of the secret that is gone */
async function unlessStranded<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TenantSecretsError && error.code === stranded().code) return undefined;
    throw error;
  }
}

function locked(retryAfterMs: number): TenantSecretsError {
  return new TenantSecretsError(
    "RATE_LIMITED",
    "Too many wrong codes: the second factor is locked for 15 minutes.",
    {
      retryAfterMs,
    },
  );
}
