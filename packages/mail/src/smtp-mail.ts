import { createTransport } from "nodemailer";
import { checkedMail, isAddress, MailError, type MailFailure, type SendMail } from "./mail.ts";

export interface SmtpOptions {
  /**
   * `smtps://user:password@host:465` encrypts from the first byte; `smtp://user:password@host:587` requires STARTTLS, except
   * for a server on this machine. The certificate of the server has to be one of the host. There are no parameters.
   */
  readonly url: string;
  /** The sender: an address, or `Name <address>`. */
  readonly from: string;
  /** For the whole of a mail, in milliseconds. */
  readonly deadlineMs?: number | undefined;
}

/** Milliseconds. A server that checks for spam may take its time over a mail, not over a greeting. */
const defaultDeadlineMs = 30_000;
const greetingMs = 10_000;

/**
 * Sends mail through an SMTP server, over a connection for each mail.
 *
 * @throws {TypeError} naming the rule that the URL or the sender breaks, and quoting neither
 */
export function createSmtpMail({ url, from, deadlineMs = defaultDeadlineMs }: SmtpOptions): SendMail {
  const sender = parseSender(from);
  const transport = createTransport({
    ...parseSmtpUrl(url),
    connectionTimeout: greetingMs,
    greetingTimeout: greetingMs,
    dnsTimeout: greetingMs,
    socketTimeout: deadlineMs,
    // A mail is text: no field of it names a file or an address to include.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async (mail) => {
    const { to, subject, text } = checkedMail(mail);
    // The timeouts of the transport begin again with each byte that a server sends.
    const signal = AbortSignal.timeout(deadlineMs);
    try {
      await transport.sendMail({ from: sender, to: { name: "", address: to }, subject, text, signal });
    } catch (error) {
      throw errorOf(error);
    }
  };
}

interface SmtpServer {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly requireTLS: boolean;
  readonly ignoreTLS: boolean;
  readonly auth?: { readonly user: string; readonly pass: string };
}

/** @throws {TypeError} naming the rule */
function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.parse(text);
  const protocol = url?.protocol;
  if (url === null || (protocol !== "smtp:" && protocol !== "smtps:") || url.hostname === "") {
    throw new TypeError("SMTP_URL starts with smtp:// or smtps:// and names a host");
  }
  const hasMore = url.search !== "" || url.hash !== "" || !["", "/"].includes(url.pathname);
  if (hasMore) throw new TypeError("SMTP_URL has nothing after the host and the port");
  if ((url.username === "") !== (url.password === "")) {
    throw new TypeError("SMTP_URL has both a user and a password, or neither");
  }
  const secure = protocol === "smtps:";
  const isLocal = isThisMachine(url.hostname);
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    requireTLS: !secure && !isLocal,
    ignoreTLS: !secure && isLocal,
    ...(url.username !== "" && { auth: { user: decoded(url.username), pass: decoded(url.password) } }),
  };
}

function isThisMachine(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new TypeError("SMTP_URL writes special characters of the user and the password as %XX");
  }
}

/** @throws {TypeError} naming the rule */
function parseSender(text: string): { readonly name: string; readonly address: string } {
  const named = /^([^<>"\p{Cc}]{1,100}) <([^<>]+)>$/u.exec(text);
  const [name = "", address = ""] = named === null ? ["", text] : [named[1], named[2]];
  if (!isAddress(address)) throw new TypeError("MAIL_FROM is an e-mail address, or a name and an <address>");
  return { name, address };
}

/** What the library calls errors; its messages quote servers, which quote what they were sent. */
const failures: Readonly<Record<string, MailFailure>> = {
  ETIMEDOUT: "no-answer",
  EABORT: "no-answer",
  ECONNECTION: "no-connection",
  ESOCKET: "no-connection",
  EDNS: "no-address",
  ETLS: "no-encryption",
  EPROTOCOL: "no-smtp",
  EAUTH: "login-refused",
  ENOAUTH: "login-refused",
  EENVELOPE: "recipient-refused",
  EMESSAGE: "mail-refused",
};

const words: Readonly<Record<MailFailure, string>> = {
  "no-answer": "it did not answer in time",
  "no-connection": "there was no connection, or it was cut",
  "no-address": "its host has no address",
  "no-encryption": "the connection could not be encrypted",
  "no-smtp": "what it answered is not SMTP",
  "login-refused": "it refused the user and the password",
  "recipient-refused": "it refused the sender or the recipient",
  "mail-refused": "it refused the mail",
  unknown: "for an unknown reason",
};

function errorOf(error: unknown): MailError {
  const code = field(error, "code");
  const reason = (typeof code === "string" ? failures[code] : undefined) ?? "unknown";
  const status = field(error, "responseCode");
  const said = `${words[reason]}${typeof status === "number" ? ` (${status})` : ""}`;
  return new MailError(`The mail server did not accept the mail: ${said}.`, reason);
}

function field(error: unknown, name: "code" | "responseCode"): unknown {
  return error instanceof Error && name in error ? Reflect.get(error, name) : undefined;
}
