import { and, eq, ne } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";

const { signInSessions: sessions, signInVerifications: verifications } = tables;

/**
 * Ends the sessions of a person, and first what could still become one: sign-ins that wait for a second factor, and links that
 * reset the password. In the other order one of them could become a session in between, and stay.
 *
 * @param except the id of a session that stays
 * @returns how many sessions ended
 * @throws {DatabaseError}
 */
export async function endSessions(
  database: SignInDatabase,
  userId: string,
  except?: string,
): Promise<number> {
  const others = except === undefined ? undefined : ne(sessions.id, except);
  const ended = await database.call(async (statements) => {
    // better-auth keeps both under the hash of what was sent, with the person's id as the value.
    await statements.delete(verifications).where(eq(verifications.value, userId));
    return statements
      .delete(sessions)
      .where(and(eq(sessions.userId, userId), others))
      .returning({ id: sessions.id });
  });
  return ended.length;
}
