import { randomUUID } from "node:crypto";
import { and, asc, eq, isNull, ne, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { userState } from "@repo/audit-log";
import {
  type Caller,
  displayNameRule,
  forbidden,
  isDisplayName,
  type MadeKeys,
  type MemberDescription,
  type NewMember,
  type NewRole,
  notFound,
  type RemovedMember,
  Role,
  TenantSecretsError,
} from "@repo/catalog";
import {
  audited,
  type EventDetails,
  type Operation,
  type Operations,
  type Transaction,
  type RowTransaction,
} from "../access/operation.ts";
import { givesRole, permitsOnPlatform } from "../access/permissions.ts";
import type { Accounts } from "./accounts.ts";
import type { Companies, Company } from "./companies.ts";
import { requireActiveCaller } from "./active-caller.ts";
import { keysOfMaker } from "./made-keys.ts";
import { ownSignIn } from "./me.ts";

const { memberships, users } = tables;

/**
 * The members of a company and their roles: managed by its owners and admins, and by operators. Only owners and operators add,
 * change or remove an owner. A company that has an active owner always keeps one.
 */
export interface Members {
  /**
   * Ordered by e-mail address, where accounts are kept here with the last sign-in. A company is not told of one that was before
   * the person joined it. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN
   */
  list(caller: Caller, company: string): Promise<readonly MemberDescription[]>;
  /**
   * The answer does not depend on whether the person existed before, or on what other companies or operators have stored about
   * them.
   *
   * @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT; CONFLICT if the person is a member already
   */
  add(caller: Caller, company: string, member: NewMember): Promise<MemberDescription>;
  /**
   * Takes effect in every process within five seconds. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN; CONFLICT for the last
   * owner
   */
  change(caller: Caller, company: string, change: NewRole): Promise<MemberDescription>;
  /**
   * As `change`. The person and their other memberships remain.
   *
   * @returns the company's API keys that the person made and that were active
   */
  remove(caller: Caller, company: string, member: RemovedMember): Promise<MadeKeys>;
  /**
   * Ends all sessions of a member: they are the person's in other companies, too. How many there were is not told, since they
   * need not have been of this company.
   *
   * @throws {TenantSecretsError} NOT_FOUND; FORBIDDEN, for an admin also where the member is an owner; CONFLICT until the person
   *   has signed in as a member, so that adding a stranger gives no power over their sessions; NOT_SUPPORTED
   */
  endSessions(caller: Caller, company: string, userId: string): Promise<void>;
}

const Email = z.string().toLowerCase().pipe(z.email().max(254));

const toManage = { verb: "members", to: "manage members" } as const;

export function createMembers(
  operations: Operations,
  companies: Pick<Companies, "resolve">,
  accounts: Accounts | undefined,
): Members {
  const resolve = async (asked: Pick<Operation, "caller" | "action" | "subject">, subdomain: string) => {
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company, ...toManage };
  };

  /** Serializes changes of a company's members, so that two changes cannot remove each other's last owner. */
  const guardOf =
    (caller: Caller, company: Company) =>
    async ({ statements }: Transaction): Promise<void> => {
      await statements.execute(
        sql`select from ${tables.companies} where id = ${company.id} for no key update`,
      );
      await requireActiveCaller(statements, caller, company);
    };

  /** A member whose role the caller may change. */
  const getMember = async (
    statements: Statements,
    { actor }: Caller,
    { company, userId }: { readonly company: Company; readonly userId: string | undefined },
  ): Promise<MemberDescription> => {
    const [member] = userId === undefined ? [] : await select(statements, company, eq(users.id, userId));
    if (member === undefined) throw notFound();
    if (!givesRole(actor, company.id, member.role)) throw forbidden("change or remove an owner");
    return member;
  };

  const withSignIns = async (
    caller: Caller,
    members: readonly MemberDescription[],
  ): Promise<readonly MemberDescription[]> => {
    const signIns = await accounts?.lastSignIns(members.map(({ userId }) => userId));
    return members.map((member) => {
      const signIn = signIns?.get(member.userId);
      const shown = isOperator(caller) || isSince(member, signIn?.lastSignInAt) ? signIn : undefined;
      return { ...seenBy(caller, member), ...shown };
    });
  };

  return {
    list: async (caller, subdomain) => {
      const operation = await resolve({ caller, action: "member.list" }, subdomain);
      return operations.read(operation, async (across) => {
        const members = await across((statements) => select(statements, operation.company));
        return audited(await withSignIns(caller, members), {});
      });
    },

    add: async (caller, subdomain, { requestId, ...asked }) => {
      const { email, name, role } = asked;
      const operation = await resolve({ caller, action: "member.add" }, subdomain);
      const { company } = operation;
      const deny = givesRole(caller.actor, company.id, role) ? undefined : forbidden("make an owner");
      const once = { requestId, asked: { company: company.id, ...asked }, answer: AddedMember };
      const change = { ...operation, deny, once, guard: guardOf(caller, company) };
      return operations.change(change, async ({ statements, writer }) => {
        const address = checkNewMember(email, name);
        const userId = await findOrMakeUser({ statements, writer }, address);
        const membership = { companyId: company.id, userId, role };
        const beside = await writer.seal({ kind: "membership", ...membership });
        const added = await statements
          .insert(memberships)
          .values({ ...membership, ...beside, name })
          .onConflictDoNothing()
          .returning({ userId: memberships.userId });
        if (added.length === 0) {
          throw new TenantSecretsError("CONFLICT", "This person belongs to the company already.");
        }
        const [member] = await select(statements, company, eq(users.id, userId));
        if (member === undefined) throw new Error("a member that was added is there");
        return audited(seenBy(caller, member), eventOf(membership, beside));
      });
    },

    change: async (caller, subdomain, { userId: id, role }) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "member.change", subject }, subdomain);
      const { company } = operation;
      const change = { ...operation, guard: guardOf(caller, company) };
      return operations.change(change, async ({ statements, writer }) => {
        const member = await getMember(statements, caller, { company, userId: subject });
        if (!givesRole(caller.actor, company.id, role)) throw forbidden("make an owner");
        if (role !== "owner") await checkOwnerStays(statements, company, member);
        const isMember = ofMember(company, member.userId);
        const [found] = await statements.select().from(memberships).where(isMember).for("no key update");
        if (found === undefined) throw notFound();
        writer.require({ kind: "membership", ...found }, found);
        const changed = { companyId: company.id, userId: member.userId, role };
        const beside = await writer.seal({ kind: "membership", ...changed });
        await statements
          .update(memberships)
          .set({ role, ...beside, updatedAt: sql`now()` })
          .where(isMember);
        return audited(seenBy(caller, { ...member, role }), eventOf(changed, beside));
      });
    },

    remove: async (caller, subdomain, { userId: id, revokeApiKeys, requestId }) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "member.remove", subject }, subdomain);
      const { company } = operation;
      const asked = { company: company.id, userId: id, revokeApiKeys };
      const once = { requestId, asked, answer: RemainingKeys };
      const change = { ...operation, once, guard: guardOf(caller, company) };
      return operations.change<MadeKeys>(change, async ({ statements, writer }) => {
        const member = await getMember(statements, caller, { company, userId: subject });
        await checkOwnerStays(statements, company, member);
        await statements.delete(memberships).where(ofMember(company, member.userId));
        const removed = { companyId: company.id, userId: member.userId, role: member.role };
        // Uses a revision later than the row's, so that restoring the old row is detected.
        const beside = await writer.seal({ kind: "membership", ...removed });
        const maker = { kind: "user", id: member.userId, companyId: company.id } as const;
        const { result, events } = await keysOfMaker(
          { statements, writer },
          { ...maker, revoke: revokeApiKeys },
        );
        return audited(result, [eventOf(removed, beside), ...events]);
      });
    },

    endSessions: async (caller, subdomain, id) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "member.end-sessions", subject }, subdomain);
      const { company } = operation;
      await operations.inSteps(operation, async ({ commit, record }) => {
        if (accounts === undefined) throw ownSignIn();
        const member = await commit(async (transaction) => {
          await guardOf(caller, company)(transaction);
          const found = await getMember(transaction.statements, caller, { company, userId: subject });
          return audited(found, { outcome: "attempted" });
        });
        const signIn = (await accounts.lastSignIns([member.userId])).get(member.userId);
        if (!isOperator(caller) && !isSince(member, signIn?.lastSignInAt)) throw notSignedInYet();
        await accounts.endSessions(member.userId);
        await record({});
      });
    },
  };
}

const AddedMember = z.object({
  userId: z.string(),
  email: z.string(),
  name: z.string(),
  role: Role,
  disabled: z.boolean().optional(),
  since: z.coerce.date(),
});

const RemainingKeys = z.object({
  apiKeys: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      platform: z.boolean(),
      companies: z.array(z.string()),
      expiresAt: z.coerce.date(),
    }),
  ),
  revoked: z.boolean(),
}) satisfies z.ZodType<MadeKeys>;

function isOperator({ actor }: Caller): boolean {
  return permitsOnPlatform(actor, "members");
}

function isSince({ since }: MemberDescription, at: Date | undefined): boolean {
  return at !== undefined && at >= since;
}

function notSignedInYet(): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", "This person has not signed in since they joined the company.");
}

/** A company does not see whether an operator has disabled a person, who may belong to other companies. */
function seenBy(caller: Caller, { disabled, ...member }: MemberDescription): MemberDescription {
  return isOperator(caller) ? { ...member, disabled } : member;
}

async function select(
  statements: Statements,
  company: Company,
  also?: ReturnType<typeof eq>,
): Promise<readonly MemberDescription[]> {
  const rows = await statements
    .select({ user: users, membership: memberships })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(and(eq(memberships.companyId, company.id), also))
    .orderBy(asc(users.email));
  return rows.map(({ user, membership }) => ({
    userId: user.id,
    email: user.email,
    name: membership.name,
    role: membership.role,
    disabled: user.disabledAt !== null,
    since: membership.createdAt,
  }));
}

function ofMember(company: Company, userId: string) {
  return and(eq(memberships.companyId, company.id), eq(memberships.userId, userId));
}

/** @throws {TenantSecretsError} INTEGRITY_FAILURE if the row with this address is not genuine */
export async function findOrMakeUser({ statements, writer }: RowTransaction, email: string): Promise<string> {
  const made = { id: randomUUID(), email };
  const beside = await writer.seal({ kind: "user", ...made, disabled: false });
  await statements
    .insert(users)
    .values({ ...made, ...beside })
    .onConflictDoNothing();
  const [user] = await statements.select().from(users).where(eq(users.email, email));
  if (user === undefined) throw new Error("a user is never deleted");
  writer.require(userState(user), user);
  return user.id;
}

/** @throws {TenantSecretsError} CONFLICT if the company would lose its last active owner */
async function checkOwnerStays(
  statements: Statements,
  company: Company,
  { userId, role }: MemberDescription,
): Promise<void> {
  if (role !== "owner") return;
  const others = await select(
    statements,
    company,
    and(eq(memberships.role, "owner"), ne(users.id, userId), isNull(users.disabledAt)),
  );
  if (others.length > 0) return;
  throw new TenantSecretsError("CONFLICT", "A company needs an owner: give another member that role first.");
}

function eventOf(
  { userId, role }: { readonly userId: string; readonly role: Role },
  { revision }: { readonly revision: number },
): EventDetails {
  return { subject: userId, reason: role, version: revision };
}

/** @returns an e-mail address in its stored form */
export function parseAddress(text: string): string | undefined {
  return Email.safeParse(text).data;
}

/** @returns the e-mail address in its stored form. @throws {TenantSecretsError} INVALID_INPUT */
function checkNewMember(email: string, name: string): string {
  const refused = (rule: string) =>
    new TenantSecretsError("INVALID_INPUT", `The member was refused: ${rule}.`);
  if (!isDisplayName(name)) throw refused(`a name has ${displayNameRule}`);
  const address = parseAddress(email);
  if (address === undefined) throw refused("that is no e-mail address");
  return address;
}
