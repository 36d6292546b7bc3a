import { createHash } from "node:crypto";
import { lt, sql } from "drizzle-orm";
import { tables, type SignInDatabase } from "@repo/db";

const { signInUsedCodes } = tables;

/** A code is valid for its own 30 seconds and those around it, 90 in all. */
const keptSeconds = 120;

/** @returns false where the code of this person was tried before (RFC 6238, 5.2) */
export async function takeCode(database: SignInDatabase, userId: string, code: string): Promise<boolean> {
  const codeHash = createHash("sha256").update(code).digest("hex");
  const taken = await database.call(async (statements) => {
    await statements
      .delete(signInUsedCodes)
      .where(lt(signInUsedCodes.usedAt, sql`now() - make_interval(secs => ${keptSeconds})`));
    return statements
      .insert(signInUsedCodes)
      .values({ userId, codeHash })
      .onConflictDoNothing()
      .returning({ userId: signInUsedCodes.userId });
  });
  return taken.length > 0;
}
