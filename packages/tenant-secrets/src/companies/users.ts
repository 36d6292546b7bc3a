import { eq, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { z } from "zod";
import { type AuditLog, userState } from "@repo/audit-log";
import { type Caller, forbidden, notFound } from "@repo/catalog";
import { perform, refuse } from "../access/attempt.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { AuthenticRows } from "./authentic-rows.ts";
import { requireLiveCaller } from "./live-caller.ts";
import { keysOfMaker, type MadeKeys, type MakerLeaves } from "./made-keys.ts";

/** People, as far as operators shut them out and let them in again. What they belong to is kept. */
export interface Users {
  /**
   * Counts within five seconds everywhere. Doing it again changes nothing more.
   *
   * @returns the API keys of all companies that the person made and that still counted
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND
   */
  disable(caller: Caller, userId: string, options?: MakerLeaves): Promise<MadeKeys>;
  /** As `disable`. API keys that were revoked stay so. */
  enable(caller: Caller, userId: string): Promise<void>;
}

export function createUsers(authentic: AuthenticRows, audit: AuditLog): Users {
  const set = async (
    caller: Caller,
    action: "user.disable" | "user.enable",
    {
      userId,
      disabled,
      revokeApiKeys,
    }: MakerLeaves & { readonly userId: string; readonly disabled: boolean },
  ): Promise<MadeKeys> => {
    const subject = z.uuid().safeParse(userId).data;
    const attempt = { caller, action, subject, changes: true } as const;
    if (!permitsOnPlatform(caller.actor, "members")) {
      return refuse(audit, attempt, forbidden("disable or enable people"));
    }
    return perform(audit, attempt, async () => {
      if (subject === undefined) throw notFound();
      return authentic.change(async (statements, writer) => {
        const { users } = tables;
        await requireLiveCaller(statements, caller);
        const [row] = await statements.select().from(users).where(eq(users.id, subject)).for("no key update");
        if (row === undefined) throw notFound();
        const state = userState(row);
        const isGenuine = writer.isGenuine(state, row);
        // A row that another party wrote can be shut, and not opened.
        if (!disabled) writer.require(state, row);
        const beside = await writer.close({ ...state, disabled }, isGenuine);
        await statements
          .update(users)
          .set({ disabledAt: disabled ? (row.disabledAt ?? sql`now()`) : null, ...beside })
          .where(eq(users.id, subject));
        const entry = { action, outcome: "allowed", subject, version: beside.revision } as const;
        await audit.addTo(statements, caller, entry);
        if (!disabled) return { apiKeys: [], revoked: false };
        const maker = { kind: "user", id: subject, revoke: revokeApiKeys } as const;
        return keysOfMaker({ statements, writer, audit }, caller, maker);
      });
    });
  };
  return {
    disable: (caller, userId, options) => set(caller, "user.disable", { userId, disabled: true, ...options }),
    enable: async (caller, userId) => {
      await set(caller, "user.enable", { userId, disabled: false });
    },
  };
}
