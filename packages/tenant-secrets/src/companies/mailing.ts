import { enqueueJob, type Statements } from "@repo/db";
import { decryptMail, deriveMailKey, encryptMail } from "@repo/envelope";
import { oneLine, type Mail, type SendMail } from "@repo/mail";
import { z } from "zod";

/** How a deployment sends mail. */
export interface MailOptions {
  readonly send: SendMail;
  /** SIGN_IN_SECRET, from which the key is derived that encrypts mails while they wait. */
  readonly secret: string;
  /** The origin of links in mails. Never taken from a request. */
  readonly publicUrl: string;
}

/** Mails that belong to a change: a job sends them once the change is committed. */
export interface Mailing {
  readonly publicUrl: string;
  /** Enqueues a mail in the transaction of the change. It waits encrypted, because its link is a credential. */
  enqueue(statements: Statements, mail: Mail): Promise<void>;
  /**
   * Sends a mail that was enqueued.
   *
   * @throws {TenantSecretsError} INTEGRITY_FAILURE if another secret encrypted it
   * @throws {MailError} if the server did not accept it: the job is retried
   */
  deliver(encrypted: string): Promise<void>;
}

/** The job that calls `deliver`, with what `enqueue` encrypted. */
export const mailTask = "send-mail";

const StoredMail = z.strictObject({ to: z.string(), subject: z.string(), text: z.string() });

export function createMailing({ send, secret, publicUrl }: MailOptions): Mailing {
  const key = deriveMailKey(secret);
  return {
    publicUrl,
    enqueue: async (statements, mail) => {
      const encrypted = encryptMail(key, Buffer.from(JSON.stringify(mail), "utf8"));
      await enqueueJob(statements, { task: mailTask, payload: { encrypted } });
    },
    deliver: async (encrypted) => {
      const text = decryptMail(key, encrypted).toString("utf8");
      await send(StoredMail.parse(JSON.parse(text)));
    },
  };
}

/** The mail with the link of an invitation. @param token in the fragment, which browsers send to no server */
export function invitationMail(
  { publicUrl }: Pick<Mailing, "publicUrl">,
  { email, role, subdomain, token, expiresAt }: InvitationLetter,
): Mail {
  const company = oneLine(subdomain, 63);
  return {
    to: email,
    subject: `Invitation to ${company}`,
    text: [
      `You are invited to join ${company} as ${role === "owner" || role === "admin" || role === "auditor" ? "an" : "a"} ${role}.`,
      "",
      `The link works once, until ${expiresAt.toISOString().slice(0, 10)}:`,
      `${publicUrl}/invitation#${token}`,
      "",
      "If you did not expect this mail, ignore it: without the link nothing happens.",
      "",
    ].join("\n"),
  };
}

interface InvitationLetter {
  readonly email: string;
  readonly role: string;
  readonly subdomain: string;
  readonly token: string;
  readonly expiresAt: Date;
}
