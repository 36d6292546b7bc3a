import { createOTP } from "@better-auth/utils/otp";
import { generateRandomString, parseEnvelope, symmetricDecrypt, symmetricEncrypt } from "better-auth/crypto";
import { and, eq, isNull, lte, or, sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type SignInDatabase } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";
import { issuer, type LoadAuth } from "./auth.ts";
import { people } from "./people.ts";
import { takeCode } from "./used-codes.ts";

const { signInTwoFactors: factors } = tables;
type Factor = typeof factors.$inferSelect;

/** An authenticator app (RFC 6238: six digits, 30 seconds), and backup codes for the day on which it is lost. */
export interface SecondFactor {
  /** @throws {TenantSecretsError} CONFLICT where the person has one */
  begin(userId: string, email: string): Promise<{ readonly uri: string; readonly secret: string }>;
  /** @returns the backup codes, shown this once. @throws {TenantSecretsError} INVALID_INPUT for a wrong code */
  finish(userId: string, code: string): Promise<readonly string[]>;
  remove(userId: string): Promise<void>;
  /** @returns new ones; the earlier ones end. @throws {TenantSecretsError} NOT_FOUND without a second factor */
  renewBackupCodes(userId: string): Promise<readonly string[]>;
  state(userId: string): Promise<{ readonly totp: boolean; readonly backupCodesLeft: number }>;
  /** Whether the code, of the app or a backup code, is right. It counts once. @throws {TenantSecretsError} RATE_LIMITED */
  accepts(userId: string, code: string): Promise<boolean>;
}

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
  const decrypt = async (data: string): Promise<string> =>
    symmetricDecrypt({ key: (await loadAuth()).context.secretConfig, data });
  const codesOf = async (factor: Factor): Promise<readonly string[]> =>
    Codes.parse(JSON.parse(await decrypt(factor.backupCodes)));

  /** A row changes only if it is as it was read, so that a backup code that two requests bring counts once. */
  const update = async (factor: Factor, change: Partial<Factor>): Promise<boolean> => {
    const rows = await database.call((statements) =>
      statements
        .update(factors)
        .set(change)
        .where(and(eq(factors.id, factor.id), eq(factors.backupCodes, factor.backupCodes)))
        .returning({ id: factors.id }),
    );
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
    const right = /^\d{6}$/.test(code)
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
    if (parseEnvelope(factor.secret)?.version === current.version) return;
    await update(factor, {
      secret: await encrypt(await decrypt(factor.secret)),
      backupCodes: await encrypt(await decrypt(factor.backupCodes)),
    });
  };
  const takeBackupCode = async (factor: Factor, code: string): Promise<boolean> => {
    const codes = await codesOf(factor);
    if (!codes.includes(code)) return false;
    const left = JSON.stringify(codes.filter((each) => each !== code));
    return update(factor, { backupCodes: await encrypt(left) });
  };

  const setEnabled = (userId: string, twoFactorEnabled: boolean) =>
    database.call((statements) =>
      statements.update(people).set({ twoFactorEnabled, updatedAt: new Date() }).where(eq(people.id, userId)),
    );

  return {
    begin: async (userId, email) => {
      const secret = generateRandomString(32);
      const made = {
        secret: await encrypt(secret),
        backupCodes: await encrypt(JSON.stringify(makeCodes())),
        verified: false,
      };
      const rows = await database.call((statements) =>
        statements
          .insert(factors)
          .values({ userId, ...made })
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
      if (factor === undefined || factor.verified || !(await isCode(factor, code)))
        throw new TenantSecretsError(
          "INVALID_INPUT",
          "The code is wrong or was used: wait for the next one.",
          {
            fields: ["code"],
          },
        );
      await update(factor, { verified: true });
      await setEnabled(userId, true);
      return codesOf(factor);
    },

    remove: async (userId) => {
      await setEnabled(userId, false);
      await database.call((statements) => statements.delete(factors).where(eq(factors.userId, userId)));
    },

    renewBackupCodes: async (userId) => {
      const factor = await find(userId);
      if (factor === undefined || !factor.verified)
        throw new TenantSecretsError("NOT_FOUND", "This account has no authenticator app.");
      const codes = makeCodes();
      await update(factor, { backupCodes: await encrypt(JSON.stringify(codes)) });
      return codes;
    },

    state: async (userId) => {
      const factor = await find(userId);
      if (factor === undefined || !factor.verified) return { totp: false, backupCodesLeft: 0 };
      return { totp: true, backupCodesLeft: (await codesOf(factor)).length };
    },

    accepts: async (userId, code) => {
      const factor = await find(userId);
      return factor !== undefined && factor.verified && (await isCode(factor, code));
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

function locked(retryAfterMs: number): TenantSecretsError {
  return new TenantSecretsError(
    "RATE_LIMITED",
    "Too many wrong codes: the second factor is locked for 15 minutes.",
    {
      retryAfterMs,
    },
  );
}
