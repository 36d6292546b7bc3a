import { eq, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { z } from "zod";
import { throwTenantSecretsError, userState } from "@repo/audit-log";
import { type Caller, type MadeKeys, type MakerLeaves, notFound } from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import type { Accounts } from "./accounts.ts";
import { requireActiveCaller } from "./active-caller.ts";
import { keysOfMaker } from "./made-keys.ts";
import { ownSignIn } from "./me.ts";

/** Operators disable and enable people. Their memberships remain. */
export interface Users {
  /**
   * Takes effect in every process within five seconds, and ends the person's sessions. Idempotent.
   *
   * @returns the API keys of all companies that the person made and that were active
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND
   */
  disable(caller: Caller, userId: string, options?: MakerLeaves): Promise<MadeKeys>;
  /** @returns how many ended @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, NOT_SUPPORTED */
  endSessions(caller: Caller, userId: string): Promise<number>;
  /** As `endSessions`, for a person who has lost every factor. */
  resetSecondFactor(caller: Caller, userId: string): Promise<void>;
  /** As `disable`. Revoked API keys stay revoked. */
  enable(caller: Caller, userId: string): Promise<void>;
}

export function createUsers(operations: Operations, accounts: Accounts | undefined): Users {
  const ofSessions = async <T>(
    caller: Caller,
    action: "user.end-sessions" | "factor.reset",
    { userId, work }: { readonly userId: string; readonly work: (all: Accounts, id: string) => Promise<T> },
  ): Promise<T> => {
    const subject = z.uuid().safeParse(userId).data;
    const operation = {
      caller,
      action,
      subject,
      verb: "members",
      to: "manage the sessions of people",
    } as const;
    return operations.inSteps(operation, async ({ commit, record }) => {
      if (accounts === undefined) throw ownSignIn();
      if (subject === undefined) throw notFound();
      await commit(async ({ statements }) => {
        await requireActiveCaller(statements, caller);
        const { users } = tables;
        const found = await statements.select({ id: users.id }).from(users).where(eq(users.id, subject));
        if (found.length === 0) throw notFound();
        return audited(null, { outcome: "attempted" });
      });
      const result = await work(accounts, subject);
      await record({});
      return result;
    });
  };

  const set = (
    caller: Caller,
    action: "user.disable" | "user.enable",
    { userId, revokeApiKeys }: MakerLeaves & { readonly userId: string },
  ): Promise<MadeKeys> => {
    const disabled = action === "user.disable";
    const subject = z.uuid().safeParse(userId).data;
    const operation = { caller, action, subject, verb: "members", to: "disable or enable people" } as const;
    return operations.change(operation, async ({ statements, writer }) => {
      if (subject === undefined) throw notFound();
      const { users } = tables;
      await requireActiveCaller(statements, caller);
      const [row] = await statements.select().from(users).where(eq(users.id, subject)).for("no key update");
      if (row === undefined) throw notFound();
      const state = userState(row);
      const isGenuine = writer.isGenuine(state, row);
      // A row that is not genuine can be disabled, but not enabled.
      if (!disabled) writer.require(state, row);
      const beside = await writer.close({ ...state, disabled }, isGenuine);
      await statements
        .update(users)
        .set({ disabledAt: disabled ? (row.disabledAt ?? sql`now()`) : null, ...beside })
        .where(eq(users.id, subject));
      const event = { version: beside.revision };
      if (!disabled) return audited({ apiKeys: [], revoked: false }, event);
      const maker = { kind: "user", id: subject, revoke: revokeApiKeys } as const;
      const { result, events } = await keysOfMaker({ statements, writer }, maker);
      return audited(result, [event, ...events]);
    });
  };
  return {
    disable: async (caller, userId, options) => {
      const keys = await set(caller, "user.disable", { userId, ...options });
      // A person who is enabled again later has to sign in again.
      await accounts?.endSessions(userId).catch(throwTenantSecretsError);
      return keys;
    },
    endSessions: (caller, userId) =>
      ofSessions(caller, "user.end-sessions", { userId, work: (all, id) => all.endSessions(id) }),
    resetSecondFactor: (caller, userId) =>
      ofSessions(caller, "factor.reset", { userId, work: (all, id) => all.resetSecondFactor(id) }),
    enable: async (caller, userId) => {
      await set(caller, "user.enable", { userId });
    },
  };
}
