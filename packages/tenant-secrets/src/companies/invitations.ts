import { randomUUID } from "node:crypto";
import { and, asc, eq, sql } from "drizzle-orm";
import { tables } from "@repo/db";
import { invitationState } from "@repo/audit-log";
import { z } from "zod";
import {
  type Caller,
  forbidden,
  InvitationDescription,
  type NewInvitation,
  notFound,
  TenantSecretsError,
} from "@repo/catalog";
import {
  audited,
  type EventDetails,
  type Operation,
  type Operations,
  type Transaction,
} from "../access/operation.ts";
import { givesRole } from "../access/permissions.ts";
import { requireActiveCaller } from "./active-caller.ts";
import type { Companies, Company } from "./companies.ts";
import { type InvitationRow, isOpen, makeToken, requireNoMember } from "./invitation-rows.ts";
import { type EnqueueMail, invitationMail, type Mailing } from "./mailing.ts";
import { parseAddress } from "./members.ts";

const { companies: companyTable, invitations } = tables;

/** Invitations to a company, by its owners and admins, and by operators. Only owners and operators invite an owner. */
export interface Invitations {
  /** Those that were neither accepted nor revoked, by e-mail address. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN */
  list(caller: Caller, company: string): Promise<readonly InvitationDescription[]>;
  /**
   * Sends a mail with a link that works once, for seven days. Inviting an address again sends another link, and the earlier one
   * no longer works. The answer does not depend on whether the address has an account.
   *
   * @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT; CONFLICT for a member; NOT_SUPPORTED if this deployment
   *   sends no mail
   */
  create(caller: Caller, company: string, invitation: NewInvitation): Promise<InvitationDescription>;
  /** Sends another link, as `create` does. @throws as `create` */
  resend(caller: Caller, company: string, id: string): Promise<InvitationDescription>;
  /** The link no longer works. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN */
  revoke(caller: Caller, company: string, id: string): Promise<void>;
}

interface Sender {
  readonly caller: Caller;
  readonly company: Company;
  readonly enqueue: EnqueueMail | undefined;
}

const toManage = { verb: "members", to: "manage invitations" } as const;
const lasts = sql`now() + interval '7 days'`;

/** @param mailing undefined where this deployment sends no mail */
export function createInvitations(
  operations: Operations,
  companies: Pick<Companies, "resolve">,
  mailing: Mailing | undefined,
): Invitations {
  const resolve = async (asked: Pick<Operation, "caller" | "action" | "subject">, subdomain: string) => {
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company, ...toManage };
  };

  const guardOf =
    (caller: Caller, company: Company) =>
    async ({ statements }: Transaction): Promise<void> => {
      await statements.execute(sql`select from ${companyTable} where id = ${company.id} for no key update`);
      await requireActiveCaller(statements, caller, company);
    };

  /** Stores the invitation with a new token, in place of `open` if there is one, and enqueues its mail. */
  const send = async (
    { statements, writer }: Transaction,
    { caller, company, enqueue }: Sender,
    asked: Pick<InvitationRow, "email" | "role"> & { readonly open: InvitationRow | undefined },
  ) => {
    if (mailing === undefined || enqueue === undefined) throw noMail();
    const { email, role, open } = asked;
    const { token, tokenHash } = makeToken();
    const [times] = z
      .array(z.object({ expiresAt: z.coerce.date() }))
      .parse(
        Array.from(await statements.execute(sql`select date_trunc('milliseconds', ${lasts}) as "expiresAt"`)),
      );
    if (times === undefined) throw new Error("a select of one row answers one");
    const row = {
      id: open?.id ?? randomUUID(),
      companyId: company.id,
      email,
      role,
      tokenHash,
      invitedByKind: caller.actor.kind,
      invitedById: caller.actor.id,
      expiresAt: times.expiresAt,
      acceptedAt: null,
      revokedAt: null,
      mailId: randomUUID(),
      mailedAt: null,
      mailFailure: null,
    };
    const stored = { ...row, ...(await writer.seal(invitationState(row))) };
    const [kept] =
      open === undefined
        ? await statements.insert(invitations).values(stored).returning()
        : await statements.update(invitations).set(stored).where(eq(invitations.id, open.id)).returning();
    if (kept === undefined) throw new Error("a row that was written is there");
    const { subdomain } = company;
    const { expiresAt } = times;
    const mail = invitationMail(mailing, { email, role, subdomain, token, expiresAt });
    await enqueue(statements, mail, row.mailId);
    return audited(describe(kept), eventOf(kept));
  };

  /** An open invitation that the caller may change, locked. */
  const getOpen = async (
    { statements }: Transaction,
    { actor }: Caller,
    { company, id }: { readonly company: Company; readonly id: string | undefined },
  ): Promise<InvitationRow> => {
    const [row] =
      id === undefined
        ? []
        : await statements
            .select()
            .from(invitations)
            .where(and(eq(invitations.companyId, company.id), eq(invitations.id, id), isOpen))
            .for("no key update");
    if (row === undefined) throw notFound();
    if (!givesRole(actor, company.id, row.role)) throw forbidden("change an owner's invitation");
    return row;
  };

  return {
    list: async (caller, subdomain) => {
      const operation = await resolve({ caller, action: "invitation.list" }, subdomain);
      return operations.read(operation, async (across) => {
        const rows = await across((statements) =>
          statements
            .select()
            .from(invitations)
            .where(and(eq(invitations.companyId, operation.company.id), isOpen))
            .orderBy(asc(invitations.email)),
        );
        return audited(rows.map(describe), {});
      });
    },

    create: async (caller, subdomain, { requestId, ...asked }) => {
      const operation = await resolve({ caller, action: "invitation.create" }, subdomain);
      const { company } = operation;
      const enqueue = await mailing?.ready();
      const deny = givesRole(caller.actor, company.id, asked.role) ? undefined : forbidden("invite an owner");
      const once = { requestId, asked: { company: company.id, ...asked }, answer: StoredDescription };
      const change = { ...operation, deny, once, guard: guardOf(caller, company) };
      return operations.change(change, async (transaction) => {
        const email = parseAddress(asked.email);
        if (email === undefined) {
          throw new TenantSecretsError(
            "INVALID_INPUT",
            "The invitation was refused: that is no e-mail address.",
          );
        }
        const { statements, writer } = transaction;
        await requireNoMember(statements, { companyId: company.id, email });
        const [open] = await statements
          .select()
          .from(invitations)
          .where(and(eq(invitations.companyId, company.id), eq(invitations.email, email), isOpen))
          .for("no key update");
        if (open !== undefined) {
          if (!givesRole(caller.actor, company.id, open.role))
            throw forbidden("change an owner's invitation");
          writer.require(invitationState(open), open);
        }
        return send(transaction, { caller, company, enqueue }, { email, role: asked.role, open });
      });
    },

    resend: async (caller, subdomain, id) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "invitation.create", subject }, subdomain);
      const { company } = operation;
      const enqueue = await mailing?.ready();
      return operations.change({ ...operation, guard: guardOf(caller, company) }, async (transaction) => {
        const open = await getOpen(transaction, caller, { company, id: subject });
        transaction.writer.require(invitationState(open), open);
        const sender = { caller, company, enqueue };
        return send(transaction, sender, { email: open.email, role: open.role, open });
      });
    },

    revoke: async (caller, subdomain, id) => {
      const subject = z.uuid().safeParse(id).data;
      const operation = await resolve({ caller, action: "invitation.revoke", subject }, subdomain);
      const { company } = operation;
      await operations.change({ ...operation, guard: guardOf(caller, company) }, async (transaction) => {
        const { statements, writer } = transaction;
        const open = await getOpen(transaction, caller, { company, id: subject });
        const state = invitationState(open);
        const beside = await writer.close({ ...state, closed: true }, writer.isGenuine(state, open));
        await statements
          .update(invitations)
          .set({ revokedAt: sql`now()`, ...beside })
          .where(eq(invitations.id, open.id));
        return audited(null, eventOf({ ...open, ...beside }));
      });
    },
  };
}

/** Dates are strings in the JSON of a stored answer. */
const StoredDescription = InvitationDescription.extend({
  createdAt: z.coerce.date(),
  expiresAt: z.coerce.date(),
});

function describe(row: InvitationRow): InvitationDescription {
  const { id, email, role, createdAt, expiresAt, mailedAt, mailFailure } = row;
  const state = mailedAt === null ? "waiting" : mailFailure === null ? "accepted" : "failed";
  const mail = { state, at: mailedAt ?? undefined, failure: mailFailure ?? undefined } as const;
  return { id, email, role, createdAt, expiresAt, mail };
}

function eventOf({ id, role, revision }: Pick<InvitationRow, "id" | "role" | "revision">): EventDetails {
  return { subject: id, reason: role, version: revision };
}

function noMail(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "This deployment sends no mail, and an invitation needs one: set SMTP_URL (docs/configuration.md).",
  );
}
