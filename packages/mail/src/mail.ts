/** A mail of plain text to one person. */
export interface Mail {
  /** One e-mail address, without a name. */
  readonly to: string;
  /** Control characters become spaces, and what is over 200 characters is cut. */
  readonly subject: string;
  readonly text: string;
}

/**
 * Hands a mail to a server, which has accepted it when this returns. A mail can arrive twice: the answer of the server may be
 * lost.
 *
 * @throws {MailError} if the server did not accept it
 */
export type SendMail = (mail: Mail) => Promise<void>;

/** Why a mail was not accepted, in a word that can be kept and shown. */
export type MailFailure =
  | "no-answer"
  | "no-connection"
  | "no-address"
  | "no-encryption"
  | "no-smtp"
  | "login-refused"
  | "recipient-refused"
  | "mail-refused"
  | "unknown";

/** A mail was not accepted. The message quotes neither the mail, nor an address, nor a password, nor the server's answer. */
export class MailError extends Error {
  override readonly name = "MailError";
  readonly reason: MailFailure;
  constructor(message: string, reason: MailFailure) {
    super(message);
    this.reason = reason;
  }
}

/** Characters: RFC 5322 asks for lines below 998, and clients show about 80. */
const longestSubject = 200;

/**
 * A text that a person chose, such as a name, for one line of a mail: without line breaks and other control characters, which
 * would begin a header or a paragraph of their own, and cut.
 *
 * @param longest in characters
 */
export function oneLine(text: string, longest: number): string {
  const line = text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
  const characters = Array.from(line);
  return characters.length <= longest ? line : `${characters.slice(0, longest - 1).join("")}…`;
}

/** Whether a text is one e-mail address and nothing else: no list, no name, no comment, no line break. */
export function isAddress(text: string): boolean {
  return (
    text.length <= 254 && /^[^\s\p{Cc}\p{Cf}@<>()[\],;:"\\]+@[^\s\p{Cc}\p{Cf}@<>()[\],;:"\\]+$/u.test(text)
  );
}

/** @throws {MailError} for a recipient that is not one address */
export function checkedMail({ to, subject, text }: Mail): Mail {
  if (!isAddress(to))
    throw new MailError("The recipient of the mail is not one e-mail address.", "recipient-refused");
  return { to, subject: oneLine(subject, longestSubject), text };
}
