import { and, eq } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";
import { hashPassword, isOutdated, verifyPassword } from "./password-hash.ts";

const { signInAccounts: accounts } = tables;

/** Passwords as they are stored, each under the parameters of the day on which it was set or last used. */
export interface Passwords {
  /** Whether a password is the one of a hash. A right one is hashed again where the parameters have changed since. */
  verify(given: { readonly hash: string; readonly password: string }): Promise<boolean>;
  /** Whether it is the password of this person. */
  isOf(userId: string, password: string): Promise<boolean>;
}

export function createPasswords(database: SignInDatabase): Passwords {
  const verify: Passwords["verify"] = async ({ hash, password }) => {
    if (!(await verifyPassword(hash, password))) return false;
    if (isOutdated(hash)) {
      const renewed = await hashPassword(password);
      // By its salt a hash is of one account; one that was set meanwhile stays.
      await database.call((statements) =>
        statements.update(accounts).set({ password: renewed }).where(eq(accounts.password, hash)),
      );
    }
    return true;
  };
  return {
    verify,
    isOf: async (userId, password) => {
      const [row] = await database.call((statements) =>
        statements
          .select({ hash: accounts.password })
          .from(accounts)
          .where(and(eq(accounts.userId, userId), eq(accounts.providerId, "credential"))),
      );
      const hash = row?.hash ?? undefined;
      return hash !== undefined && verify({ hash, password });
    },
  };
}
