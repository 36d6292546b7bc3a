import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { linkIn, startInbox, type Inbox } from "./inbox.ts";
import { createSmtpMail, MailError } from "./index.ts";

const from = "Tenant Secrets <no-reply@example.test>";
const mail = {
  to: "pat@example.test",
  subject: "Invitation",
  text: "Follow https://x.test/invitation#fake-token\n",
};
const fakePassword = "fake-smtp-password-0001";

describe("over a server", () => {
  let inbox: Inbox;
  beforeEach(async () => {
    inbox = await startInbox();
  });
  afterEach(() => inbox.stop());
  const send = (changed: Partial<typeof mail>) =>
    createSmtpMail({ url: inbox.smtpUrl, from })({ ...mail, ...changed });

  test("a mail arrives as plain text, with its sender and link", async () => {
    await send({ subject: "Großes & 😀", text: `${mail.text}.\n..\nFrom here: ä` });
    const arrived = await inbox.mailTo(mail.to);
    expect(arrived).toMatchObject({ from: "no-reply@example.test", subject: "Großes & 😀" });
    expect(arrived.text.trimEnd()).toBe(`${mail.text}.\n..\nFrom here: ä`);
    expect(linkIn(arrived)).toBe("https://x.test/invitation#fake-token");
    const [type] = arrived.headers.filter(({ key }) => key === "content-type");
    expect(type?.value).toMatch(/^text\/plain/);
  });

  test("a subject begins no header and no body of its own", async () => {
    await send({ subject: "Hello\r\nBcc: eve@example.test\r\n\r\n<b>body</b>\u2028x\u0000y" });
    const arrived = await inbox.mailTo(mail.to);
    expect(arrived.subject).toBe("Hello Bcc: eve@example.test <b>body</b> x y");
    expect(arrived.headers.map(({ key }) => key)).not.toContain("bcc");
    expect(inbox.mails()).toHaveLength(1);
  });

  test("a long subject is cut, between characters", async () => {
    await send({ subject: "😀".repeat(500) });
    expect((await inbox.mailTo(mail.to)).subject).toBe(`${"😀".repeat(199)}…`);
  });

  test.for([
    "pat@example.test\r\nRCPT TO:<eve@example.test>",
    "pat@example.test\nBcc: eve@example.test",
    "pat@example.test, eve@example.test",
    "Pat <pat@example.test>",
    "pat@example.test> <eve@example.test",
    "pat",
    "",
    `${"p".repeat(250)}@x.test`,
  ])("%j is no recipient", async (to) => {
    const refused = await send({ to }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(MailError);
    expect(String(refused)).not.toContain("eve");
    expect(inbox.mails()).toEqual([]);
  });

  test("the last 50 mails are at /inbox, as text, the newest first", async () => {
    await send({ subject: "<script>1</script>" });
    await Promise.all(Array.from({ length: 49 }, (_, i) => send({ subject: `<script>${i + 2}</script>` })));
    await send({ subject: "<script>51</script>" });
    const page = await fetch(inbox.url);
    expect(page.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    const text = await page.text();
    const shown = text.match(/<script>\d+/g)?.map((line) => Number(line.slice(8))) ?? [];
    expect(shown[0]).toBe(51);
    expect(shown.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i + 2));
    expect((await fetch(new URL("/", inbox.url))).status).toBe(404);
  });
});

describe("a server that fails", () => {
  let server: Server | undefined;
  const sockets = new Set<Socket>();
  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    server?.close();
  });

  const serve = async (talk: (socket: Socket) => void): Promise<string> => {
    const made = createServer((socket) => {
      sockets.add(socket.on("error", () => {}));
      talk(socket);
    });
    server = made.listen(0, "127.0.0.1");
    await once(made, "listening");
    const address = made.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return `smtp://pat:${fakePassword}@127.0.0.1:${address.port}`;
  };

  const failure = async (url: string): Promise<string> => {
    const error: unknown = await createSmtpMail({ url, from, deadlineMs: 500 })(mail).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(MailError);
    const shown =
      error instanceof Error ? `${error.stack} ${JSON.stringify(error)} ${String(error.cause)}` : "";
    for (const secret of [
      fakePassword,
      Buffer.from(fakePassword).toString("base64"),
      "fake-token",
      mail.to,
    ]) {
      expect(shown).not.toContain(secret);
    }
    return error instanceof Error ? error.message : "";
  };

  test("that is down: there was no connection", async () => {
    const url = await serve(() => {});
    server?.close();
    expect(await failure(url)).toMatch(/no connection/);
  });

  test("that hangs: the deadline ends it", async () => {
    const url = await serve(() => {});
    const before = performance.now();
    expect(await failure(url)).toMatch(/in time/);
    expect(performance.now() - before).toBeLessThan(3000);
  });

  test("that sends a byte now and then: the deadline ends that too", async () => {
    const url = await serve((socket) => {
      const timer = setInterval(() => socket.write("2"), 50);
      socket.on("close", () => clearInterval(timer));
    });
    expect(await failure(url)).toMatch(/in time/);
  });

  test("that answers garbage", async () => {
    expect(await failure(await serve((socket) => socket.end("\u0000\u0001garbage\r\n")))).toMatch(
      /not SMTP|no connection/,
    );
  });

  test("that repeats what it was sent: nothing of it is in the error", async () => {
    const url = await serve((socket) => {
      socket.write("220 ready\r\n");
      socket.on("data", (data) => {
        const line = data.toString();
        socket.write(/^(EHLO|HELO)/.test(line) ? "250-here\r\n250 AUTH PLAIN\r\n" : `535 no: ${line}`);
        const sent = /^AUTH PLAIN (\S+)/.exec(line)?.[1] ?? "";
        socket.write(`535 ${Buffer.from(sent, "base64").toString()}\r\n`);
      });
    });
    expect(await failure(url)).toMatch(/user and the password/);
  });
});

test("a server that does not count as this machine's own has to encrypt", async () => {
  const inbox = await startInbox();
  // The inbox, under an address that the rule takes for a foreign one.
  const url = `smtp://0.0.0.0:${new URL(inbox.smtpUrl).port}`;
  await expect(createSmtpMail({ url, from })(mail)).rejects.toThrow(/could not be encrypted/);
  expect(inbox.mails()).toEqual([]);
  await inbox.stop();
});

test.for([
  "http://x.test",
  "smtp://",
  "x",
  "smtp://x.test/path",
  "smtps://x.test?tls.rejectUnauthorized=false",
  "smtp://x.test#fragment",
  "smtp://pat@x.test",
  `smtp://pat%:${fakePassword}@x.test`,
])("the URL %s is refused, unquoted", (url) => {
  expect(() => createSmtpMail({ url, from })).toThrow(TypeError);
  expect(() => createSmtpMail({ url, from })).not.toThrow(fakePassword);
});

test.for(["", "x", "A <b@c>\r\nBcc: <d@e>", "a@b, c@d", "A\nB <a@b>"])(
  "the sender %j is refused",
  (sender) => {
    expect(() => createSmtpMail({ url: "smtps://x.test", from: sender })).toThrow(TypeError);
  },
);
