import { randomUUID } from "node:crypto";
import { and, asc, eq, inArray, isNull } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type Mail, oneLine } from "@repo/mail";
import type { EnqueueMail, Mailing } from "../../companies/mailing.ts";

const { memberships, users } = tables;

/** What the owners and admins of a company are told of its deletion. */
export interface DeletionLetter {
  readonly subdomain: string;
  readonly news: "scheduled" | "due" | "kept" | "deleted";
  /** The date of the deletion; of one that is done, when it was. */
  readonly at: Date;
}

/** Enqueues the mails in the transaction of what they tell. The addresses are in them: they arrive also where it removes the people. */
export type TellOwners = (statements: Statements, companyId: string, letter: DeletionLetter) => Promise<void>;

/**
 * Loads the key of mails, before the transaction.
 *
 * @param mailing undefined where this deployment sends no mail: then no one is told
 * @throws {TenantSecretsError} KEY_UNAVAILABLE
 */
export async function readyToTell(mailing: Pick<Mailing, "ready"> | undefined): Promise<TellOwners> {
  return tellingOwners(await mailing?.ready());
}

function tellingOwners(enqueue: EnqueueMail | undefined): TellOwners {
  return async (statements, companyId, letter) => {
    if (enqueue === undefined) return;
    const recipients = await statements
      .select({ email: users.email })
      .from(memberships)
      .innerJoin(users, eq(users.id, memberships.userId))
      .where(
        and(
          eq(memberships.companyId, companyId),
          inArray(memberships.role, ["owner", "admin"]),
          isNull(users.disabledAt),
        ),
      )
      .orderBy(asc(users.email));
    for (const { email } of recipients) await enqueue(statements, mailOf(email, letter), randomUUID());
  };
}

function mailOf(to: string, { subdomain, news, at }: DeletionLetter): Mail {
  const company = oneLine(subdomain, 63);
  const time = `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  const { subject, lines } = {
    scheduled: {
      subject: `${company} will be deleted`,
      lines: [
        `An operator of this platform has scheduled the deletion of ${company} for ${time}.`,
        "The company is suspended from now on: its secrets are neither read nor written, and its API keys open nothing.",
        "Nothing is deleted before that time, and an operator can undo it until then.",
        "If you did not expect this, tell the operators of this platform at once.",
      ],
    },
    due: {
      subject: `${company} will be deleted soon`,
      lines: [
        `${company} is deleted at ${time}: its keys, values, people and API keys.`,
        "Until then an operator of this platform can undo it. Afterwards it cannot be undone.",
      ],
    },
    kept: {
      subject: `${company} is not deleted`,
      lines: [
        `An operator of this platform has undone the deletion of ${company}, which was scheduled for ${time}.`,
        "Nothing was deleted. The company is again as it was before: open, unless it was suspended then.",
      ],
    },
    deleted: {
      subject: `${company} was deleted`,
      lines: [
        `${company} was deleted at ${time}. Its keys were destroyed, and its values, people, invitations, API keys and webhook endpoints are removed.`,
        "The operators of this platform have a signed receipt, which says what stays and until when.",
        "The credentials themselves are still valid at their providers: revoke them there.",
      ],
    },
  }[news];
  return { to, subject, text: `${lines.join("\n\n")}\n` };
}
