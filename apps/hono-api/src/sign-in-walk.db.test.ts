import { connectSignInDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { linkIn, startInbox } from "@repo/mail/inbox";
import { codeOf } from "@repo/sign-in/authenticator-code";
import { expect, test } from "vitest";
import { openBrowser, reasonOf } from "./testing/browser.ts";
import { companies, createBackends, operator } from "./testing/fixture.ts";
import { sendJson, type Answer } from "./testing/raw-http.ts";
import { startServer, variablesOf } from "./testing/spawn.ts";

const publicUrl = "http://localhost:3000";
const email = "kim@acmecorp.example";
const password = "correct horse battery staple";
const backends = await createBackends();
const { urls } = backends.database;
const inbox = await startInbox();
const url = await startApi();

/** The API as it is deployed: a process of its own, which sends its mail by SMTP. */
async function startApi(): Promise<string> {
  const server = startServer({
    ...variablesOf(urls, backends.emulator),
    DATABASE_SIGN_IN_URL: urls.signIn,
    SMTP_URL: inbox.smtpUrl,
    MAIL_FROM: "no-reply@example.test",
    PUBLIC_URL: publicUrl,
  });
  whenDone(async () => {
    server.kill("SIGTERM");
    await server.ended;
    await inbox.stop();
  });
  const address = await server.url();
  await server.says(/"msg":"ready/);
  return address;
}

const queryOf = (path: string, input: unknown) =>
  `/trpc/${path}?input=${encodeURIComponent(JSON.stringify({ json: input }))}`;
const list = queryOf("secrets.list", { company: "acmecorp" });

/** What a procedure answered. */
function dataOf({ status, body }: Answer) {
  expect(status, body).toBe(200);
  return JSON.parse(body).result.data.json;
}

/** An operator invites the person. @returns the token of the link in the mail */
async function invite(): Promise<string> {
  const inAnHour = new Date(Date.now() + 3_600_000);
  const { token } = await backends.secrets.admin.operators.create(operator, {
    name: "walk",
    expiresAt: inAnHour,
  });
  const invited = await sendJson(url, {
    path: "/trpc/invitations.create",
    body: { json: { company: "acmecorp", email, role: "admin" } },
    headers: { authorization: `Bearer ${token}` },
  });
  expect(dataOf(invited)).toMatchObject({ email, role: "admin" });
  const link = new URL(linkIn(await inbox.mailTo(email)) ?? "");
  expect(link.origin + link.pathname).toBe(`${publicUrl}/invitation`);
  return link.hash.slice(1);
}

/** As six minutes without a confirmation would. */
async function forgetConfirmations(): Promise<void> {
  const database = connectSignInDatabase(urls.signIn);
  await database.call((statements) =>
    statements.execute("update sign_in.sessions set confirmed_at = now() - interval '6 minutes'"),
  );
  await database.close();
}

test("an invited person registers, adds a second factor, reveals a value, and ends another session", async () => {
  const token = await invite();
  const here = openBrowser(url, publicUrl);
  expect(dataOf(await here.post("/trpc/invitations.look", { json: { token } }))).toMatchObject({
    company: "acmecorp",
    email: "k…@acmecorp.example",
    role: "admin",
    next: "register",
  });
  const acceptance = { json: { token, name: "Kim", password } };
  expect(dataOf(await here.post("/trpc/invitations.accept", acceptance))).toEqual({
    company: "acmecorp",
    role: "admin",
  });
  expect(reasonOf(await here.post("/trpc/invitations.accept", acceptance))).toBe("CONFLICT");

  // An admin without a second factor may add one, and do nothing else.
  const first = await here.post("/api/sign-in/email", { email, password });
  expect([first.status, first.body]).toEqual([200, '{"next":"done"}']);
  const early = await here.get(list);
  expect([early.status, reasonOf(early)]).toEqual([403, "FORBIDDEN"]);
  const { secret } = dataOf(await here.post("/trpc/me.totp.begin", {}));
  const enrolment = { json: { code: await codeOf(secret) } };
  const { backupCodes } = dataOf(await here.post("/trpc/me.totp.finish", enrolment));
  expect(backupCodes).toHaveLength(10);
  const listed = dataOf(await here.get(list));
  expect(listed.secrets).toMatchObject([{ secretKey: "STRIPE_SECRET_KEY" }]);

  expect((await here.post("/api/sign-in/sign-out", {})).status).toBe(200);
  expect((await here.get(list)).status).toBe(401);

  // The password alone opens nothing any more.
  const there = openBrowser(url, publicUrl);
  for (const [browser, code] of [
    [here, await codeOf(secret, 1)],
    [there, backupCodes[0]],
  ] as const) {
    expect((await browser.post("/api/sign-in/email", { email, password })).body).toBe(
      '{"next":"second-factor"}',
    );
    expect((await browser.get(list)).status).toBe(401);
    expect((await browser.post("/api/sign-in/second-factor", { code })).body).toBe('{"next":"done"}');
    expect((await browser.get(list)).status).toBe(200);
  }

  await forgetConfirmations();
  const reveal = { json: { company: "acmecorp", secretKey: "STRIPE_SECRET_KEY", purpose: "debugging" } };
  const due = await here.post("/trpc/secrets.reveal", reveal);
  expect([due.status, reasonOf(due)]).toEqual([403, "CONFIRMATION_REQUIRED"]);
  expect((await here.post("/api/sign-in/confirm", { password, code: backupCodes[1] })).status).toBe(200);
  expect(dataOf(await here.post("/trpc/secrets.reveal", reveal))).toMatchObject({
    value: companies.acmecorp.stripeKey,
  });

  const sessions: { readonly id: string; readonly current: boolean }[] = dataOf(
    await here.get("/trpc/me.sessions.list"),
  );
  expect(sessions.filter(({ current }) => current)).toHaveLength(1);
  const [other, ...more] = sessions.filter(({ current }) => !current);
  expect(more).toEqual([]);
  expect((await there.get(list)).status).toBe(200);
  dataOf(await here.post("/trpc/me.sessions.end", { json: { sessionId: other?.id } }));
  const over = await there.get(list);
  expect([over.status, reasonOf(over)]).toEqual([401, "UNAUTHENTICATED"]);
  expect((await here.get(list)).status).toBe(200);
});
