import { asc, eq, gt, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { throwTenantSecretsError, userState } from "@repo/audit-log";
import {
  type Caller,
  type MadeKeys,
  type MakerLeaves,
  notFound,
  type UserPage,
  type UserQuery,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import type { Accounts } from "./accounts.ts";
import { requireActiveCaller } from "./active-caller.ts";
import { keysOfMaker } from "./made-keys.ts";
import { ownSignIn } from "./me.ts";

const { users } = tables;

/** Operators disable and enable people. Their memberships remain. */
export interface Users {
  /** A page, in the order of e-mail addresses. @throws {TenantSecretsError} FORBIDDEN; NOT_FOUND for an unknown `after` */
  list(caller: Caller, query: UserQuery): Promise<UserPage>;
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
    list: (caller, { after, limit }) =>
      operations.read({ caller, action: "user.list", verb: "members", to: "list people" }, async (across) => {
        const found = await across((statements) => selectAfter(statements, after, limit + 1));
        const page = found.slice(0, limit);
        const signIns = await accounts?.lastSignIns(page.map(({ id }) => id));
        const described = page.map(({ disabledAt, ...user }) => ({
          ...user,
          ...signIns?.get(user.id),
          status: disabledAt === null ? ("active" as const) : ("disabled" as const),
        }));
        return audited({ users: described, next: found.length > limit ? page.at(-1)?.id : undefined }, {});
      }),
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

async function selectAfter(statements: Statements, after: string | undefined, most: number) {
  const { id, email, name, disabledAt } = users;
  const [last] =
    after === undefined ? [] : await statements.select({ email }).from(users).where(eq(id, after));
  if (after !== undefined && last === undefined) throw notFound();
  const companies = sql<number>`(select count(*)::int from memberships m where m.user_id = "users"."id")`;
  return statements
    .select({ id, email, name, disabledAt, companies })
    .from(users)
    .where(last && gt(email, last.email))
    .orderBy(asc(email))
    .limit(most);
}
