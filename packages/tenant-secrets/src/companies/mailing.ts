import { TenantSecretsError } from "@repo/catalog";
import { enqueueJob, type Statements } from "@repo/db";
import { decryptMail, deriveMailKey, encryptMail } from "@repo/envelope";
import { oneLine, type Mail, type SendMail } from "@repo/mail";
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

/** Enqueues a mail in the transaction of a change. It waits encrypted, because its link is a credential. */
export type EnqueueMail = (statements: Statements, mail: Mail) => Promise<void>;

/** Mails that belong to a change: a job sends them once the change is committed. */
export interface Mailing {
  readonly publicUrl: string;
  /** Loads the key of mails, before the transaction. @throws {TenantSecretsError} KEY_UNAVAILABLE */
  ready(): Promise<EnqueueMail>;
  /**
   * Sends a mail that was enqueued.
   *
   * @throws {TenantSecretsError} INTEGRITY_FAILURE if none of the secrets encrypted it; KEY_UNAVAILABLE
   * @throws {MailError} if the server did not accept it: the job is retried
   */
  deliver(encrypted: string): Promise<void>;
}

/** The job that calls `deliver`, with what `enqueue` encrypted. */
export const mailTask = "send-mail";

const StoredMail = z.strictObject({ to: z.string(), subject: z.string(), text: z.string() });

export function createMailing(
  { send, publicUrl }: MailOptions,
  loadSecrets: () => Promise<SignInSecrets>,
): Mailing {
  return {
    publicUrl,
    ready: async () => {
      const [current] = await loadSecrets();
      const key = deriveMailKey(current.value);
      return async (statements, mail) => {
        const encrypted = encryptMail(key, Buffer.from(JSON.stringify(mail), "utf8"));
        await enqueueJob(statements, { task: mailTask, payload: { encrypted } });
      };
    },
    deliver: async (encrypted) => {
      const text = decryptWithAny(encrypted, await loadSecrets());
      await send(StoredMail.parse(JSON.parse(text)));
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
