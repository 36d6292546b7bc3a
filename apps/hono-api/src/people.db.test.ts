import { connectSignInDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import type { Mail } from "@repo/sign-in";
import { describe, expect, test } from "vitest";
import { openBrowser, reasonOf } from "./testing/browser.ts";
import { createBackends, operator, startApi } from "./testing/fixture.ts";
import { sendJson } from "./testing/raw-http.ts";
import { startServer, variablesOf } from "./testing/spawn.ts";

const password = "correct horse battery staple";
const mails: Mail[] = [];
const backends = await createBackends();
const api = await startApi({ backends, mails });
const { origin } = new URL(api.url);

async function makePerson(email: string, role: "owner" | "member") {
  const { userId } = await backends.secrets.admin.members.add(operator, "acmecorp", {
    email,
    name: "Pat",
    role,
  });
  await api.accounts?.createPassword(userId, password);
  return userId;
}

const list = `/trpc/secrets.list?input=${encodeURIComponent('{"json":{"company":"acmecorp"}}')}`;
const newBrowser = () => openBrowser(api.url, origin);

test("a person signs in, looks at the secrets, and is out at once when the session ends", async () => {
  const email = "mia@acmecorp.example";
  const userId = await makePerson(email, "member");
  const browser = newBrowser();
  expect((await browser.get(list)).status).toBe(401);
  const signedIn = await browser.post("/api/sign-in/email", { email, password });
  expect([signedIn.status, signedIn.body]).toEqual([200, '{"next":"done"}']);
  const listed = await browser.get(list);
  expect(listed.status).toBe(200);
  expect(listed.body).toContain("STRIPE_SECRET_KEY");
  await api.accounts?.endSessions(userId);
  expect((await browser.get(list)).status).toBe(401);
});

test("a change of the account needs a recent confirmation, and ends the other sessions", async () => {
  const email = "kim@acmecorp.example";
  await makePerson(email, "member");
  const [here, elsewhere] = [newBrowser(), newBrowser()];
  for (const browser of [here, elsewhere]) await browser.post("/api/sign-in/email", { email, password });
  const database = connectSignInDatabase(backends.database.urls.signIn);
  whenDone(() => database.close());
  await database.call((statements) =>
    statements.execute("update sign_in.sessions set confirmed_at = now() - interval '1 hour'"),
  );

  const change = { json: { password: "another horse battery staple" } };
  const due = await here.post("/trpc/me.setPassword", change);
  expect([due.status, reasonOf(due)]).toEqual([403, "CONFIRMATION_REQUIRED"]);
  expect((await here.post("/api/sign-in/confirm", { password: "wrong" })).status).toBe(401);
  expect((await here.post("/api/sign-in/confirm", { password })).status).toBe(200);
  expect((await here.post("/trpc/me.setPassword", change)).status).toBe(200);
  expect((await here.get("/trpc/me.get")).status).toBe(200);
  expect((await elsewhere.get("/trpc/me.get")).status).toBe(401);
});

test("an owner without a second factor may add one and do nothing else", async () => {
  const email = "pat@acmecorp.example";
  await makePerson(email, "owner");
  const browser = newBrowser();
  await browser.post("/api/sign-in/email", { email, password });
  const refused = await browser.get(list);
  expect([refused.status, reasonOf(refused)]).toEqual([403, "FORBIDDEN"]);
  expect((await browser.get("/trpc/me.get")).status).toBe(200);
  const begun = await browser.post("/trpc/me.totp.begin", {});
  expect(begun.status).toBe(200);
  expect(begun.body).toContain("otpauth://totp/");
});

test("a page of another origin cannot sign a browser in", async () => {
  const answer = await sendJson(api.url, {
    path: "/api/sign-in/email",
    body: { email: "pat@acmecorp.example", password },
    headers: { origin: "https://evil.example", "sec-fetch-site": "cross-site" },
  });
  expect(answer.status).toBe(403);
  expect(answer.headers["set-cookie"]).toBeUndefined();
});

describe("a process with DATABASE_SIGN_IN_URL", () => {
  const variables = {
    ...variablesOf(backends.database.urls, backends.emulator),
    DATABASE_SIGN_IN_URL: backends.database.urls.signIn,
  };

  test("and no mail server does not start, and says what is missing", async () => {
    const server = startServer(variables);
    await server.says(/DATABASE_SIGN_IN_URL is set: SMTP_URL has to be set/);
    expect(await server.ended).toBe(1);
  });

  test("and a mail server signs people in", async () => {
    const server = startServer({
      ...variables,
      SMTP_URL: "smtp://127.0.0.1:1",
      MAIL_FROM: "no-reply@example.test",
      PUBLIC_URL: "http://localhost:3000",
    });
    whenDone(async () => {
      server.kill("SIGKILL");
      await server.ended;
    });
    await makePerson("noa@acmecorp.example", "member");
    const url = await server.url();
    await server.says(/"msg":"ready/);
    const body = { email: "noa@acmecorp.example", password };
    const answer = await sendJson(url, { path: "/api/sign-in/email", body });
    expect([answer.status, answer.body]).toEqual([200, '{"next":"done"}']);
    expect(answer.headers["set-cookie"]?.[0]).toMatch(/^__Host-tenant-secrets\.session_token=/);
  });
});

// The last, because the attempts of the tests share an address.
test("attempts of one address are limited, and each is in the audit log", async () => {
  const answers = [];
  for (let i = 0; i < 25; i += 1)
    answers.push(
      (
        await newBrowser().post("/api/sign-in/email", {
          email: "guess@acmecorp.example",
          password: `guess ${i}`,
        })
      ).status,
    );
  expect(answers.filter((status) => status === 401).length).toBeLessThanOrEqual(20);
  expect(answers.at(-1)).toBe(429);
  const events = await backends.secrets.admin.audit.list(operator, { limit: 50, actions: ["sign-in"] });
  const reasons = events.events.map(({ reason }) => reason);
  expect(reasons).toContain("UNAUTHENTICATED");
  expect(reasons).toContain("RATE_LIMITED");
});
