import { createHash } from "node:crypto";
import { and, eq, gt, inArray, sql } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";
import type { LoadAuth } from "./auth.ts";
import { signedCookieOf } from "./signed-cookies.ts";

const { signInVerifications: verifications } = tables;

/** A right password that waits for its second factor, in the browser that sent it. */
export interface Challenge {
  readonly userId: string;
  /** What the browser was given. */
  readonly token: string;
}

export interface Challenges {
  /** @returns the challenge of the cookie; undefined if there is none, or it has ended */
  find(headers: Headers): Promise<Challenge | undefined>;
  /** Takes one of the five attempts of a challenge. @returns false if there is none left */
  takeAttempt(challenge: Challenge): Promise<boolean>;
}

/** The numbers of wrong codes at which another one may be tried. */
const attemptsLeft = ["0", "1", "2", "3", "4"];

export function createChallenges(loadAuth: LoadAuth, database: SignInDatabase): Challenges {
  return {
    find: async (headers) => {
      const { secrets, context } = await loadAuth();
      const token = await signedCookieOf(headers, context.createAuthCookie(challengeCookie).name, secrets);
      if (token === undefined) return undefined;
      const [found] = await database.call((statements) =>
        statements.select({ userId: verifications.value }).from(verifications).where(isChallenge(token)),
      );
      return found && { userId: found.userId, token };
    },
    takeAttempt: async ({ token }) => {
      const taken = await database.call((statements) =>
        statements
          .update(verifications)
          .set({ value: sql`(${verifications.value}::int + 1)::text` })
          .where(
            and(
              eq(verifications.identifier, storedAs(`2fa-attempts-${token}`)),
              inArray(verifications.value, attemptsLeft),
            ),
          )
          .returning({ id: verifications.id }),
      );
      return taken.length > 0;
    },
  };
}

export const challengeCookie = "two_factor";

/** The row of a challenge that has not ended. */
export function isChallenge(token: string) {
  return and(eq(verifications.identifier, storedAs(token)), gt(verifications.expiresAt, sql`now()`));
}

/** How better-auth stores what it sends, with `storeIdentifier: "hashed"`. */
function storedAs(identifier: string): string {
  return createHash("sha256").update(identifier).digest("base64url");
}
