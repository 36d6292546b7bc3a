import { connectDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import type { Mail } from "@repo/sign-in";
import { linkIn, startInbox } from "@repo/mail/inbox";
import { systemCaller } from "@repo/tenant-secrets";
import { expect, test } from "vitest";
import { createBackends, operator, startApi } from "./testing/fixture.ts";
import { send, sendJson, type Answer } from "./testing/raw-http.ts";
import { startServer, variablesOf } from "./testing/spawn.ts";

const password = "correct horse battery staple";
const mails: Mail[] = [];
const backends = await createBackends();
const { members, operators, users } = backends.secrets.admin;
const api = await startApi({ backends, mails, trustedProxies: 1 });
const { superuserUrl } = backends.database;
const superuser = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
whenDone(() => superuser.close());

const commandLine = systemCaller("command-line", { verbs: [], secretKeys: [] });

let people = 0;
async function person() {
  const email = `person-${++people}@acmecorp.example`;
  const { userId } = await members.add(operator, "acmecorp", { email, name: "Pat", role: "member" });
  await api.accounts?.createPassword(userId, password);
  return { email, userId };
}
const signIn = (email: string, given: string, address: string) =>
  sendJson(api.url, {
    path: "/api/sign-in/email",
    body: { email, password: given },
    headers: { origin: new URL(api.url).origin, "x-forwarded-for": address },
  });
const cookieOf = ({ headers }: Answer): string => headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
const list = `/trpc/secrets.list?input=${encodeURIComponent('{"json":{"company":"acmecorp"}}')}`;
const open = (url: string, headers: Record<string, string>) => send(url, { path: list, headers });

/** 1000 guesses, fifty at once. @returns how many the limits let through: Argon2 runs for these alone */
async function guess(attempt: (i: number) => Promise<Answer>): Promise<number> {
  let verified = 0;
  for (let from = 0; from < 1000; from += 50) {
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => attempt(from + i)));
    verified += answers.filter(({ status }) => status !== 429).length;
    // 503: too many hashes at once.
    const statuses = new Set(answers.map(({ status }) => status));
    expect([...statuses].filter((status) => ![401, 429, 503].includes(status))).toEqual([]);
  }
  return verified;
}

// Twenty a minute; a minute may end meanwhile.
test("of 1000 guesses at one account from 1000 addresses, 40 at most reach the password hash", async () => {
  const { email } = await person();
  const verified = await guess((i) => signIn(email, `guess ${i}`, `10.1.${i >> 8}.${i & 255}`));
  expect(verified).toBeGreaterThanOrEqual(20);
  expect(verified).toBeLessThanOrEqual(40);
});

test("of 1000 guesses from one address at 1000 accounts, 40 at most reach the password hash", async () => {
  const verified = await guess((i) => signIn(`guess-${i}@acmecorp.example`, "guess", "10.2.0.1"));
  expect(verified).toBeGreaterThanOrEqual(20);
  expect(verified).toBeLessThanOrEqual(40);
});

test.each<readonly [string, (userId: string) => Promise<unknown>, number]>([
  ["the person was removed", (userId) => members.remove(operator, "acmecorp", { userId }), 404],
  ["the person was disabled", (userId) => users.disable(operator, userId), 401],
  [
    "the password was changed",
    async (userId) => api.accounts?.setPassword(userId, { password: `new ${password}`, keepSession: userId }),
    401,
  ],
])("a session opens nothing once %s", async (_, change, status) => {
  const { email, userId } = await person();
  const cookie = cookieOf(await signIn(email, password, `10.3.0.${people}`));
  expect((await open(api.url, { cookie })).status).toBe(200);
  await change(userId);
  expect((await open(api.url, { cookie })).status).toBe(status);
});

test("a session has the rights of the role that the person has now", async () => {
  const { email, userId } = await person();
  const cookie = cookieOf(await signIn(email, password, "10.4.0.1"));
  const origin = new URL(api.url).origin;
  const write = async () =>
    (
      await sendJson(api.url, {
        path: "/trpc/secrets.write",
        body: { json: { company: "acmecorp", secretKey: "CUSTOM_OF_ROLE", value: "fake_0001" } },
        headers: { cookie, origin },
      })
    ).status;
  expect(await write()).toBe(200);
  await members.change(operator, "acmecorp", { userId, role: "auditor" });
  expect(await write()).toBe(403);
});

test("without the database of the sign-in, sessions are told to wait, and API keys work", async () => {
  const url = new URL(backends.database.urls.signIn);
  url.port = "1";
  const apart = await startApi({ backends, mails, signInUrl: url.href });
  const { email } = await person();
  const cookie = cookieOf(await signIn(email, password, "10.5.0.1"));
  expect((await open(apart.url, { cookie })).status).toBe(503);
  const { apiKey } = await backends.apiKey("acmecorp");
  expect((await open(apart.url, { authorization: `Bearer ${apiKey}` })).status).toBe(200);
});

// Two processes start here.
test(
  "an invitation whose acceptance was killed is accepted by the same link and password",
  { timeout: 240_000 },
  async () => {
    const inbox = await startInbox();
    whenDone(() => inbox.stop());
    const variables = {
      ...variablesOf(backends.database.urls, backends.emulator),
      DATABASE_SIGN_IN_URL: backends.database.urls.signIn,
      SMTP_URL: inbox.smtpUrl,
      MAIL_FROM: "no-reply@example.test",
      PUBLIC_URL: "http://localhost:3000",
    };
    const start = async () => {
      const server = startServer(variables);
      whenDone(async () => {
        server.kill("SIGKILL");
        await server.ended;
      });
      await server.says(/"msg":"ready/);
      return { server, url: await server.url() };
    };
    const first = await start();
    const email = "newcomer@acmecorp.example";
    const inAnHour = new Date(Date.now() + 3_600_000);
    const { token: credential } = await operators.create(commandLine, {
      name: "inviter",
      expiresAt: inAnHour,
    });
    const invited = await sendJson(first.url, {
      path: "/trpc/invitations.create",
      body: { json: { company: "acmecorp", email, role: "member" } },
      headers: { authorization: `Bearer ${credential}` },
    });
    expect([invited.status, invited.body]).toEqual([200, expect.stringContaining(email)]);
    const token = (linkIn(await inbox.mailTo(email)) ?? "").split("#")[1];
    const accept = (url: string) =>
      sendJson(url, {
        path: "/trpc/invitations.accept",
        body: { json: { token, name: "Noa", password } },
        headers: { origin: "http://localhost:3000" },
      });

    // The lock lets the process set the password, and stops it before the membership.
    const [isLocked, isKilled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const lock = superuser.acrossCompanies(async (statements) => {
      await statements.execute("lock table memberships in share mode");
      isLocked.resolve();
      await isKilled.promise;
    });
    await isLocked.promise;
    const killed = accept(first.url).catch(() => undefined);
    const passwords = `select from sign_in.accounts a join users u on u.id = a.user_id where u.email = '${email}'`;
    await expect
      .poll(() => superuser.acrossCompanies((statements) => statements.execute(passwords)), {
        timeout: 60_000,
      })
      .toHaveLength(1);
    first.server.kill("SIGKILL");
    await killed;
    isKilled.resolve();
    await lock;
    const named = async () =>
      (await members.list(operator, "acmecorp")).filter((each) => each.email === email);
    expect(await named()).toEqual([]);

    const second = await start();
    const accepted = await accept(second.url);
    expect([accepted.status, accepted.body]).toEqual([200, expect.stringContaining("acmecorp")]);
    expect(await named()).toMatchObject([{ name: "Noa", role: "member" }]);
  },
);
