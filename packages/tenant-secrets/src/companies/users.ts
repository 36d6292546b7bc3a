import { eq, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import { z } from "zod";
import { perform, refuse } from "../access/attempt.ts";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { forbidden, notFound } from "../vocabulary/errors.ts";

/** People, as far as operators shut them out and let them in again. What they belong to is kept. */
export interface Users {
  /** Counts within five seconds everywhere. Doing it again changes nothing. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  disable(caller: Caller, userId: string): Promise<void>;
  /** As `disable`. */
  enable(caller: Caller, userId: string): Promise<void>;
}

export function createUsers(database: Database, audit: AuditLog): Users {
  const set = async (
    caller: Caller,
    action: "user.disable" | "user.enable",
    userId: string,
    disabledAt: ReturnType<typeof sql> | null,
  ): Promise<void> => {
    const subject = z.uuid().safeParse(userId).data;
    const attempt = { caller, action, subject, changes: true } as const;
    if (!permitsOnPlatform(caller.actor, "members")) {
      return refuse(audit, attempt, forbidden("disable or enable people"));
    }
    await perform(audit, attempt, async () => {
      if (subject === undefined) throw notFound();
      await audit.ready();
      await onDatabase(() =>
        database.acrossCompanies(async (statements) => {
          const [row] = await statements
            .update(tables.users)
            .set({ disabledAt })
            .where(eq(tables.users.id, subject))
            .returning({ id: tables.users.id });
          if (row === undefined) throw notFound();
          await audit.addTo(statements, caller, { action, outcome: "allowed", subject });
        }),
      );
    });
  };
  return {
    disable: (caller, userId) =>
      set(caller, "user.disable", userId, sql`coalesce(${tables.users.disabledAt}, now())`),
    enable: (caller, userId) => set(caller, "user.enable", userId, null),
  };
}
