import { TenantSecretsError } from "@repo/catalog";
import { enqueueJob, type Statements } from "@repo/db";
import { decryptMail, deriveMailKey, encryptMail } from "@repo/envelope";
import { MailError, oneLine, type Mail, type MailFailure, type SendMail } from "@repo/mail";
import { z } from "zod";

/** How a deployment sends mail. */
export interface MailOptions {
  readonly send: SendMail;
  /** The origin of links in mails. Never taken from a request. */
  readonly publicUrl: string;
}

/** A secret of the sign-in, at least 32 characters. */
export interface SignInSecret {
  readonly version: number;
  readonly value: string;
}

/** The current one first; the others decrypt, and encrypt nothing new. */
export type SignInSecrets = readonly [SignInSecret, ...SignInSecret[]];

/**
 * Enqueues a mail in the transaction of a change. It waits encrypted, because its link is a credential.
 *
 * @param id what `deliver` notes the outcome by, random
 */
export type EnqueueMail = (statements: Statements, mail: Mail, id: string) => Promise<void>;

/** Mails that belong to a change: a job sends them once the change is committed. */
export interface Mailing {
  readonly publicUrl: string;
  /** Loads the key of mails, before the transaction. @throws {TenantSecretsError} KEY_UNAVAILABLE */
  ready(): Promise<EnqueueMail>;
  /**
   * Sends a mail that was enqueued, and notes the outcome with its invitation, if it is of one.
   *
   * @throws {TenantSecretsError} INTEGRITY_FAILURE if none of the secrets encrypted it; KEY_UNAVAILABLE
   * @throws {MailError} if the server did not accept it: the job is retried
   */
  deliver(encrypted: string, id: string): Promise<void>;
}

/** Notes what became of a mail. @param failure undefined for one that was accepted */
export type NoteMail = (id: string, failure: MailFailure | undefined) => Promise<void>;

/** The job that calls `deliver`, with what `enqueue` encrypted. */
export const mailTask = "send-mail";

const StoredMail = z.strictObject({ to: z.string(), subject: z.string(), text: z.string() });

export function createMailing(
  { send, publicUrl }: MailOptions,
  loadSecrets: () => Promise<SignInSecrets>,
  note: NoteMail,
): Mailing {
  return {
    publicUrl,
    ready: async () => {
      const [current] = await loadSecrets();
      const key = deriveMailKey(current.value);
      return async (statements, mail, id) => {
        const encrypted = encryptMail(key, Buffer.from(JSON.stringify(mail), "utf8"));
        await enqueueJob(statements, { task: mailTask, payload: { encrypted, id } });
      };
    },
    deliver: async (encrypted, id) => {
      const text = decryptWithAny(encrypted, await loadSecrets());
      try {
        await send(StoredMail.parse(JSON.parse(text)));
      } catch (error) {
        if (error instanceof MailError) await note(id, error.reason);
        throw error;
      }
      await note(id, undefined);
    },
  };
}

/** Mails that were enqueued before a rotation are under an earlier secret. */
function decryptWithAny(encrypted: string, [secret, ...others]: SignInSecrets): string {
  try {
    return decryptMail(deriveMailKey(secret.value), encrypted).toString("utf8");
  } catch (error) {
    const [next, ...rest] = others;
    const isOther = error instanceof TenantSecretsError && error.code === "INTEGRITY_FAILURE";
    if (!isOther || next === undefined) throw error;
    return decryptWithAny(encrypted, [next, ...rest]);
  }
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
