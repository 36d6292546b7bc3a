import { setTimeout as sleep } from "node:timers/promises";
import { connectSignInDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import type { Mail } from "@repo/sign-in";
import { codeOf } from "@repo/sign-in/authenticator-code";
import { expect, test } from "vitest";
import { openBrowser, reasonOf, type TestBrowser } from "./testing/browser.ts";
import { createBackends, operator, startApi } from "./testing/fixture.ts";
import { send, type Answer } from "./testing/raw-http.ts";

const password = "correct horse battery staple";
const asOperator = { "tenant-secrets-as": "operator" };
const mails: Mail[] = [];
const backends = await createBackends();
const api = await startApi({ backends, mails });
const { operators, members } = backends.secrets.admin;
const signInDatabase = connectSignInDatabase(backends.database.urls.signIn);
whenDone(() => signInDatabase.close());

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
const queryOf = (path: string, input?: object): string =>
  `/trpc/${path}${input === undefined ? "" : `?input=${encodeURIComponent(JSON.stringify({ json: input }))}`}`;
const companiesList = queryOf("companies.list");
const outcomeOf = (answer: Answer): unknown => (answer.status === 200 ? "answered" : reasonOf(answer));

interface Person {
  readonly email: string;
  readonly userId: string;
  readonly browser: TestBrowser;
  readonly backupCodes: readonly string[];
}

const newBrowser = () => openBrowser(api.url, new URL(api.url).origin);

let people = 0;
/** A member of acmecorp who has signed in with a second factor. */
async function signedIn(): Promise<Person> {
  const email = `person-${++people}@acmecorp.example`;
  const { userId } = await members.add(operator, "acmecorp", { email, name: "Pat", role: "member" });
  await api.accounts?.createPassword(userId, password);
  await api.accounts?.setName(userId, "Pat Operator");
  const secret = (await api.accounts?.totp.begin(userId))?.secret ?? "";
  const codes = await api.accounts?.totp.finish(userId, {
    code: await codeOf(secret),
    keepSession: crypto.randomUUID(),
  });
  const [code, ...backupCodes] = codes ?? [];
  const browser = newBrowser();
  await browser.post("/api/sign-in/email", { email, password });
  const done = await browser.post("/api/sign-in/second-factor", { code });
  expect(done.body).toBe('{"next":"done"}');
  return { email, userId, browser, backupCodes };
}

async function linked(): Promise<Person & { readonly operatorId: string }> {
  const person = await signedIn();
  const { id } = await operators.link(operator, { email: person.email, expiresAt: inDays(90) });
  return { ...person, operatorId: id };
}

test("a linked person acts as operator where a request says so, and nowhere else", async () => {
  const { browser, operatorId, userId, email } = await linked();
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
  expect(outcomeOf(await browser.get(companiesList))).toBe("FORBIDDEN");

  // Another company, which the person does not belong to: an operator looks at it, and reads no value anywhere.
  const elsewhere = { company: "another-company" };
  expect(outcomeOf(await browser.get(queryOf("secrets.list", elsewhere), asOperator))).toBe("answered");
  expect(outcomeOf(await browser.get(queryOf("secrets.list", elsewhere)))).toBe("NOT_FOUND");
  for (const company of ["acmecorp", "another-company"]) {
    const secret = { json: { company, secretKey: "STRIPE_SECRET_KEY" } };
    const revealed = { json: { ...secret.json, purpose: "debugging" } };
    expect(outcomeOf(await browser.post("/trpc/secrets.read", secret, asOperator))).toBe("FORBIDDEN");
    expect(outcomeOf(await browser.post("/trpc/secrets.reveal", revealed, asOperator))).toBe("FORBIDDEN");
  }

  for (const headers of [asOperator, {}]) {
    const account = JSON.parse((await browser.get("/trpc/me.get", headers)).body).result.data.json;
    expect(account).toMatchObject({ id: userId, email, companies: [{ subdomain: "acmecorp" }] });
    expect(Date.parse(account.operator.until)).toBeGreaterThan(inDays(89).getTime());
  }
  expect(outcomeOf(await browser.post("/trpc/me.active", {}, asOperator))).toBe("answered");
  const rename = { json: { name: "Another" } };
  expect(outcomeOf(await browser.post("/trpc/me.setName", rename, asOperator))).toBe("FORBIDDEN");

  const { events } = await backends.secrets.admin.audit.list(operator, {
    limit: 50,
    actions: ["company.list"],
  });
  expect(events.map((event) => [event.actorKind, event.actorId, event.actorName, event.outcome])).toEqual([
    ["user", userId, "Pat", "denied"],
    ["operator", operatorId, "Pat Operator", "success"],
  ]);
  const listed = JSON.parse((await browser.get(queryOf("operators.list"), asOperator)).body).result.data.json;
  expect(listed).toEqual([
    expect.objectContaining({ id: operatorId, user: { id: userId, name: "Pat Operator", email } }),
  ]);
});

test("a request that may not act as operator is refused, and not answered as the person's", async () => {
  const { browser, userId } = await signedIn();
  const mine = queryOf("secrets.list", { company: "acmecorp" });
  expect(outcomeOf(await browser.get(mine))).toBe("answered");
  expect(outcomeOf(await browser.get(mine, asOperator))).toBe("FORBIDDEN");
  for (const value of ["admin", "Operator", "", "operator, operator"]) {
    expect(outcomeOf(await browser.get(mine, { "tenant-secrets-as": value }))).toBe("INVALID_INPUT");
  }
  const { events } = await backends.secrets.admin.audit.list(operator, {
    limit: 1,
    actions: ["operator.act"],
  });
  expect(events).toMatchObject([
    { actorKind: "user", actorId: userId, outcome: "denied", reason: "FORBIDDEN" },
  ]);

  const { apiKey } = await backends.apiKey("acmecorp");
  const { token } = await operators.create(operator, { name: "by token", expiresAt: inDays(1) });
  for (const [credential, path] of [
    [apiKey, mine],
    [token, companiesList],
  ] as const) {
    const bearer = { authorization: `Bearer ${credential}` };
    expect(outcomeOf(await send(api.url, { path, headers: bearer }))).toBe("answered");
    expect(outcomeOf(await browser.get(path, bearer))).toBe("answered");
    expect(outcomeOf(await browser.get(path, { ...bearer, ...asOperator }))).toBe("INVALID_INPUT");
  }
  expect(outcomeOf(await send(api.url, { path: mine, headers: asOperator }))).toBe("UNAUTHENTICATED");
});

test("a link that plain SQL made, or moved to another person, gives nothing", async () => {
  const [planted, victim] = [await signedIn(), await linked()];
  await api.database.acrossCompanies((statements) =>
    statements.execute(`insert into operators (name, user_id, expires_at, revision, mac_key_version, mac)
      select 'planted', '${planted.userId}'::uuid, expires_at, revision + 1000, mac_key_version, mac from operators
      where id = '${victim.operatorId}'::uuid`),
  );
  expect(outcomeOf(await planted.browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
  expect((await planted.browser.get("/trpc/me.get")).body).not.toContain('"operator"');

  const thief = await signedIn();
  await api.database.acrossCompanies((statements) =>
    statements.execute(
      `update operators set user_id = '${thief.userId}'::uuid where id = '${victim.operatorId}'::uuid`,
    ),
  );
  expect(outcomeOf(await thief.browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
  expect(outcomeOf(await victim.browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
});

test("a link ends when it expires and when it is revoked, within a session, which goes on as the person's", async () => {
  const { browser, email, operatorId } = await linked();
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
  const again = await operators.link(operator, { email, expiresAt: new Date(Date.now() + 1500) });
  expect(again.id).toBe(operatorId);
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
  await sleep(1600);
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
  expect(outcomeOf(await browser.get("/trpc/me.get", asOperator))).toBe("FORBIDDEN");

  await operators.link(operator, { email, expiresAt: inDays(366) });
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
  await operators.unlink(operator, email);
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
  expect(outcomeOf(await browser.get("/trpc/me.get"))).toBe("answered");

  const { id } = await operators.link(operator, { email, expiresAt: inDays(1) });
  expect(id).not.toBe(operatorId);
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
  await operators.revoke(operator, id);
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
});

test("the second factor counts for eight hours, and sensitive operations ask for a confirmation within five minutes", async () => {
  const { browser, userId, backupCodes } = await linked();
  const age = (column: string, interval: string) =>
    signInDatabase.call((statements) =>
      statements.execute(
        `update sign_in.sessions set ${column} = now() - interval '${interval}' where user_id = '${userId}'`,
      ),
    );
  await age("second_factor_at", "8 hours 1 second");
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("CONFIRMATION_REQUIRED");
  expect(outcomeOf(await browser.get("/trpc/me.get"))).toBe("answered");
  await age("second_factor_at", "7 hours 59 minutes");
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");

  const suspend = { json: { company: "codewiser" } };
  const post = (path: string) => browser.post(path, suspend, asOperator);
  await age("confirmed_at", "6 minutes");
  expect(outcomeOf(await post("/trpc/companies.suspend"))).toBe("CONFIRMATION_REQUIRED");
  const confirmation = { password, code: backupCodes[0] };
  expect((await browser.post("/api/sign-in/confirm", confirmation)).status).toBe(200);
  expect(outcomeOf(await post("/trpc/companies.suspend"))).toBe("answered");
  expect(outcomeOf(await post("/trpc/companies.resume"))).toBe("answered");
});

test("a linked person without a second factor has to add one, and to confirm with it", async () => {
  const email = "no-factor@acmecorp.example";
  // Belongs to no company, and has no account yet: the password is set by the link of a reset.
  const { userId } = await operators.link(operator, { email, expiresAt: inDays(90) });
  const browser = newBrowser();
  await browser.post("/api/sign-in/request-password-reset", { email });
  await expect.poll(() => mails.find(({ to }) => to === email)).toBeDefined();
  const token = /#(\S+)/.exec(mails.find(({ to }) => to === email)?.text ?? "")?.[1];
  expect((await browser.post("/api/sign-in/reset-password", { token, password })).status).toBe(200);
  await browser.post("/api/sign-in/email", { email, password });
  const due = JSON.parse((await browser.get("/trpc/me.get")).body).result.data.json;
  expect(due).toMatchObject({ id: userId, companies: [], factors: { due: true }, operator: {} });
  expect(outcomeOf(await browser.get(queryOf("me.sessions.list")))).toBe("FORBIDDEN");
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("FORBIDDEN");

  const begun = JSON.parse((await browser.post("/trpc/me.totp.begin", {})).body).result.data.json;
  const finished = await browser.post("/trpc/me.totp.finish", { json: { code: await codeOf(begun.secret) } });
  const { backupCodes } = JSON.parse(finished.body).result.data.json;
  // The session began with the password alone.
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("CONFIRMATION_REQUIRED");
  await browser.post("/api/sign-in/confirm", { password, code: backupCodes[0] });
  expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
});

test("a person who is disabled, or has lost the second factor, acts as operator no more", async () => {
  const [another, disabled, reset] = [await linked(), await linked(), await linked()];
  const change = (path: string, { userId }: Person) =>
    another.browser.post(path, { json: { userId } }, asOperator);
  for (const { browser } of [disabled, reset]) {
    expect(outcomeOf(await browser.get(companiesList, asOperator))).toBe("answered");
  }
  expect(outcomeOf(await change("/trpc/users.disable", disabled))).toBe("answered");
  expect(outcomeOf(await disabled.browser.get(companiesList, asOperator))).toBe("UNAUTHENTICATED");

  expect(outcomeOf(await change("/trpc/users.resetSecondFactor", reset))).toBe("answered");
  expect(outcomeOf(await reset.browser.get(companiesList, asOperator))).toBe("UNAUTHENTICATED");
  await reset.browser.post("/api/sign-in/email", { email: reset.email, password });
  expect(outcomeOf(await reset.browser.get("/trpc/me.get"))).toBe("answered");
  expect(outcomeOf(await reset.browser.get(companiesList, asOperator))).toBe("FORBIDDEN");
});

test("a page of another origin can neither send the header nor use the session with it", async () => {
  const { browser } = await linked();
  for (const origin of ["https://evil.example", "https://admin.example.com"]) {
    const preflight = await send(api.url, {
      method: "OPTIONS",
      path: companiesList,
      headers: {
        origin,
        "access-control-request-method": "GET",
        "access-control-request-headers": "tenant-secrets-as",
      },
    });
    expect(preflight.headers["access-control-allow-headers"] ?? "").not.toContain("tenant-secrets-as");
    expect(preflight.headers["access-control-allow-credentials"]).toBeUndefined();
    const foreign = { origin, "sec-fetch-site": "cross-site", ...asOperator };
    expect(outcomeOf(await browser.get(companiesList, foreign))).toBe("FORBIDDEN");
    expect((await browser.get(companiesList, foreign)).body).toContain("pages of this origin");
  }
});
