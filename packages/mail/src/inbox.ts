import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Server as NetServer } from "node:net";
import { callbackify } from "node:util";
import { buffer } from "node:stream/consumers";
import PostalMime from "postal-mime";
import { SMTPServer } from "smtp-server";

/** A mail that arrived. */
export interface ReceivedMail {
  /** The recipient that the server was told, whatever the headers say. */
  readonly to: string;
  readonly from: string;
  readonly subject: string;
  readonly text: string;
  /** Names in lower case. */
  readonly headers: readonly { readonly key: string; readonly value: string }[];
}

export interface Inbox {
  /** For `SMTP_URL`. */
  readonly smtpUrl: string;
  /** The page that shows the mails. */
  readonly url: string;
  /** The last 50, oldest first. */
  mails(): readonly ReceivedMail[];
  /** @throws {Error} if none arrives within ten seconds @returns the newest mail to this address */
  mailTo(address: string): Promise<ReceivedMail>;
  stop(): Promise<void>;
}

interface InboxOptions {
  readonly smtpPort?: number | undefined;
  readonly port?: number | undefined;
  /** What the server refuses a recipient with; undefined for one that it accepts. Default: it accepts all. */
  readonly refusalOf?: ((recipient: string) => string | undefined) | undefined;
  /** Called for each mail. */
  readonly onMail?: ((mail: ReceivedMail) => void) | undefined;
}

const keptMails = 50;
const largestMailBytes = 1024 * 1024;
const longestWaitMs = 10_000;

/**
 * An SMTP server on 127.0.0.1 that keeps the mails that it accepts in memory, and shows them at `/inbox`. For development and
 * tests: it takes mail from every program of this machine and delivers none.
 *
 * @throws {Error} when a port is taken
 */
export async function startInbox({ smtpPort, port, refusalOf, onMail }: InboxOptions = {}): Promise<Inbox> {
  const mails: ReceivedMail[] = [];
  const keep = callbackify(async (stream: NodeJS.ReadableStream, to: string): Promise<string> => {
    const mail = await receive(stream, to);
    if (mails.push(mail) > keptMails) mails.shift();
    onMail?.(mail);
    return "It is in the inbox.";
  });
  const smtp = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    size: largestMailBytes,
    onRcptTo: ({ address }, _, done) => {
      const refusal = refusalOf?.(address);
      done(refusal === undefined ? null : new Error(refusal));
    },
    onData: (stream, { envelope: { rcptTo } }, done) => keep(stream, rcptTo[0]?.address ?? "", done),
  });
  // A client that goes away in the middle is no news.
  smtp.on("error", () => {});
  const page = createServer((request, response) => {
    if (request.method === "GET" && request.url === "/inbox") showInbox(response, mails);
    else response.writeHead(404).end();
  });
  const smtpAt = await listen(smtp.listen(smtpPort ?? 0, "127.0.0.1"));
  const pageAt = await listen(page.listen(port ?? 0, "127.0.0.1"));
  return {
    smtpUrl: `smtp://127.0.0.1:${smtpAt}`,
    url: `http://127.0.0.1:${pageAt}/inbox`,
    mails: () => [...mails],
    mailTo: async (address) => {
      for (const endsAt = performance.now() + longestWaitMs; performance.now() < endsAt;) {
        const mail = mails.findLast(({ to }) => to === address);
        if (mail !== undefined) return mail;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error("No mail to this address arrived.");
    },
    stop: async () => {
      await new Promise<void>((resolve) => smtp.close(resolve));
      await closed(page);
    },
  };
}

/** @returns the first link of a mail */
export function linkIn({ text }: Pick<ReceivedMail, "text">): string | undefined {
  return /https?:\/\/\S+/.exec(text)?.[0];
}

async function receive(stream: NodeJS.ReadableStream, to: string): Promise<ReceivedMail> {
  const { from, subject, text, headers } = await PostalMime.parse(await buffer(stream));
  return {
    to,
    from: from?.address ?? "",
    subject: subject ?? "",
    text: text ?? "",
    headers: headers.map(({ key, value }) => ({ key, value })),
  };
}

/** Plain text: what a mail contains is never run. */
function showInbox(response: ServerResponse, mails: readonly ReceivedMail[]): void {
  const shown = mails
    .toReversed()
    .map(({ to, from, subject, text }) => `To: ${to}\nFrom: ${from}\nSubject: ${subject}\n\n${text}\n`);
  response.writeHead(200, {
    "content-type": "text/plain; charset=utf-8",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  response.end(shown.length === 0 ? "No mail yet.\n" : shown.join(`\n${"-".repeat(72)}\n\n`));
}

async function listen(server: NetServer): Promise<number> {
  await once(server, "listening");
  return portOf(server.address());
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === "string") throw new Error("The inbox has no port.");
  return address.port;
}

async function closed(server: Server): Promise<void> {
  const done = once(server, "close");
  server.close();
  server.closeAllConnections();
  await done;
}
