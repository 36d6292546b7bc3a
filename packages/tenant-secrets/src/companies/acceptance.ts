import { eq, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { invitationState } from "@repo/audit-log";
import {
  type AcceptedInvitation,
  type Caller,
  displayNameRule,
  forbidden,
  type InvitationAnswer,
  type InvitationView,
  isDisplayName,
  systemCaller,
  TenantSecretsError,
} from "@repo/catalog";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { audited, type Operations, type Steps } from "../access/operation.ts";
import type { RateLimits } from "../access/rate-limits.ts";
import type { Accounts } from "./accounts.ts";
import type { RequestOrigin } from "./authenticate.ts";
import { type OpenInvitation, requireNoMember, requireOpen } from "./invitation-rows.ts";
import { findOrMakeUser } from "./members.ts";

const { invitations, memberships } = tables;

/** The sender of a request that needs no credential. */
export interface Visitor extends RequestOrigin {
  /** The person who has signed in, if one has. */
  readonly person?: Caller | undefined;
}

/** What the holder of an invitation's link may do: it was sent to the address of the invitation and nowhere else. */
export interface Acceptance {
  /**
   * Changes nothing, however often it is called. Not audited: it tells what the mail told.
   *
   * @throws {TenantSecretsError} NOT_FOUND for an unknown token; CONFLICT for an invitation that was used, revoked, or has
   *   expired; RATE_LIMITED
   */
  look(visitor: Visitor, token: string): Promise<InvitationView>;
  /**
   * Makes the person a member, once. A person with an account has to be signed in as the address of the invitation; a new one
   * sets a name and a password. If the process ends in the middle, the person may have a password and no membership yet: the
   * same call again finishes it.
   *
   * @throws {TenantSecretsError} as `look`; FORBIDDEN for other people; INVALID_INPUT for a name or password that is missing or
   *   refused; NOT_SUPPORTED for a new person where passwords are kept by the product's own sign-in
   */
  accept(visitor: Visitor, answer: InvitationAnswer): Promise<AcceptedInvitation>;
}

interface AcceptanceParts {
  readonly operations: Operations;
  readonly authentic: AuthenticRows;
  readonly limits: Pick<RateLimits, "admitVisitor" | "admitAttempt">;
  readonly accounts: Accounts | undefined;
}

export function createAcceptance({ operations, authentic, limits, accounts }: AcceptanceParts): Acceptance {
  const find = (token: string): Promise<OpenInvitation> =>
    authentic.change((statements, writer) => requireOpen({ statements, writer }, token));

  const next = async ({ person }: Visitor, { userId }: OpenInvitation): Promise<InvitationView["next"]> => {
    if (person !== undefined) return person.actor.id === userId ? "accept" : "other-person";
    if (accounts === undefined) return "sign-in";
    return userId !== undefined && (await accounts.hasPassword(userId)) ? "sign-in" : "register";
  };

  /** @returns the id of the person, who has a password afterwards */
  const register = async ({ token, name, password }: InvitationAnswer): Promise<string> => {
    if (accounts === undefined) throw forbidden("set a password here");
    if (name === undefined || password === undefined)
      throw refused("a new person sets a name and a password");
    const userId = await authentic.change(async (statements, writer) => {
      const { invitation } = await requireOpen({ statements, writer }, token);
      await requireNoMember(statements, invitation);
      return findOrMakeUser({ statements, writer }, invitation.email);
    });
    await accounts.createPassword(userId, password);
    return userId;
  };

  /**
   * Whose password it is, of a person who set it with this link before the process ended. Link and password are no less than a
   * sign-in; with a second factor, the person signs in.
   *
   * @throws {TenantSecretsError} RATE_LIMITED
   */
  const recognize = async (
    visitor: Visitor,
    { userId }: OpenInvitation,
    { password }: InvitationAnswer,
  ): Promise<string | undefined> => {
    if (accounts === undefined || userId === undefined || password === undefined) return undefined;
    await limits.admitAttempt(`invitation of ${userId}`, visitor);
    return (await accounts.signsIn(userId, password)) ? userId : undefined;
  };

  const join = (steps: Steps, { token, name }: InvitationAnswer): Promise<AcceptedInvitation> =>
    steps.commit(async (transaction) => {
      const { statements, writer } = transaction;
      const { invitation, subdomain, userId } = await requireOpen(transaction, token);
      if (userId === undefined) throw new Error("a person who accepts is there");
      const { companyId, email, role } = invitation;
      await requireNoMember(statements, invitation);
      const membership = { companyId, userId, role };
      const beside = await writer.seal({ kind: "membership", ...membership });
      const called = name ?? email.slice(0, email.indexOf("@")).slice(0, 100);
      await statements.insert(memberships).values({ ...membership, ...beside, name: called });
      const used = await writer.seal({ ...invitationState(invitation), closed: true });
      await statements
        .update(invitations)
        .set({ acceptedAt: sql`now()`, ...used })
        .where(eq(invitations.id, invitation.id));
      return audited({ company: subdomain, role }, [
        { companyId, subject: invitation.id, reason: role, version: used.revision },
        { action: "member.add", companyId, subject: userId, reason: role, version: beside.revision },
      ]);
    });

  return {
    look: async (visitor, token) => {
      await limits.admitVisitor(visitor);
      const found = await find(token);
      const { email, role, expiresAt } = found.invitation;
      return {
        company: found.subdomain,
        email: masked(email),
        role,
        expiresAt,
        next: await next(visitor, found),
      };
    },

    accept: async (visitor, answer) => {
      await limits.admitVisitor(visitor);
      const { requestId, address } = visitor;
      const caller = visitor.person ?? { ...newcomer, requestId, address };
      return operations.inSteps({ caller, action: "invitation.accept" }, async (steps) => {
        if (answer.name !== undefined && !isDisplayName(answer.name))
          throw refused(`a name has ${displayNameRule}`);
        const found = await find(answer.token);
        const step = await next(visitor, found);
        if (step === "accept") return join(steps, answer);
        const userId =
          step === "register"
            ? await register(answer)
            : step === "sign-in"
              ? await recognize(visitor, found, answer)
              : undefined;
        if (userId === undefined) {
          throw new TenantSecretsError(
            "FORBIDDEN",
            `This invitation is for ${masked(found.invitation.email)}: sign in as that person.`,
          );
        }
        const person: Caller = { actor: { kind: "user", id: userId, roles: new Map() }, requestId, address };
        return join(operations.steps({ caller: person, action: "invitation.accept" }), answer);
      });
    },
  };
}

const newcomer = systemCaller("invitation", { verbs: [], secretKeys: [] });

/** Enough for its owner to recognize it. */
function masked(email: string): string {
  const at = email.lastIndexOf("@");
  return `${email.slice(0, 1)}…${email.slice(at)}`;
}

function refused(rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `The invitation was not accepted: ${rule}.`);
}
