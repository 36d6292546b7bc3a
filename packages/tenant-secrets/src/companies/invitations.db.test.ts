import { startJobs } from "@repo/db/jobs";
import { createSmtpMail } from "@repo/mail";
import { linkIn, startInbox } from "@repo/mail/inbox";
import { whenDone } from "@repo/db/testing";
import { describe, expect, test } from "vitest";
import { type Caller, type Role, TenantSecretsError } from "@repo/catalog";
import type { AssemblyOptions } from "../assembly/assembly.ts";
import { createTasks } from "../jobs/jobs.ts";
import { createContext } from "../router/trpc.ts";
import { createCaller } from "../router/router.ts";
import { createTestAccounts } from "../testing/accounts.ts";
import { codeOf, createFixture, operator } from "../testing/fixture.ts";
import type { Accounts } from "./accounts.ts";
import { invitationMail } from "./mailing.ts";

const fixture = await createFixture();
const { superuser } = fixture;
const inbox = await startInbox();
whenDone(() => inbox.stop());

/** Passwords as a sign-in keeps them: the first that is set for each person. */
const passwords = new Map<string, string>();
let dies = false;
const accounts: Accounts = {
  ...createTestAccounts(),
  hasPassword: async (userId) => passwords.has(userId),
  signsIn: async (userId, given) => passwords.get(userId) === given,
  createPassword: async (userId, password) => {
    if (passwords.has(userId)) throw new TenantSecretsError("CONFLICT", "There is a password.");
    passwords.set(userId, password);
    if (dies) throw new Error("the process died here");
  },
};
const publicUrl = "https://admin.example.test";
const send = createSmtpMail({ url: inbox.smtpUrl, from: "no-reply@example.test" });
const deployment = { accounts, mail: { send, publicUrl } } satisfies Partial<AssemblyOptions<never>>;
const secrets = fixture.another(deployment);
const { invitations, acceptance, members } = secrets;
const log: string[] = [];
const jobs = await startJobs({
  maintenanceUrl: fixture.urls.maintenance,
  tasks: createTasks({ database: fixture.database, secrets, log: (_, line) => log.push(line) }),
  cron: {},
  log: (_, line) => log.push(line),
});
whenDone(() => jobs.stop());

let people = 0;
const newAddress = (): string => `person-${++people}@example.test`;
const password = "fake-password-of-a-person";

/** Invites, and waits for the mail. @returns the token in its link */
async function invited(
  company: string,
  email: string,
  { role = "member", by = operator }: { role?: Role; by?: Caller } = {},
) {
  const before = inbox.mails().length;
  const { id } = await invitations.create(by, company, { email, role });
  await expect.poll(() => inbox.mails().length, { timeout: 60_000 }).toBeGreaterThan(before);
  return { id, token: tokenOf(linkIn(await inbox.mailTo(email)) ?? "") };
}
const tokenOf = (link: string): string => link.slice(link.indexOf("#") + 1);

let addresses = 0;
/** A visitor from a network of its own. */
const guest = () => ({ address: `10.${++addresses >> 8}.${addresses & 255}.1` });
const as = async (userId: string) => ({
  ...guest(),
  person: await secrets.authenticate({ headers: new Headers({ "x-test-user": userId }) }),
});
const eventsOf = (subject: string) =>
  superuser`select action, outcome, reason, actor_kind as kind from audit_events where subject = ${subject} order by position`;

describe("an invitation", () => {
  test("arrives by mail, and makes a new person a member, once", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { id, token } = await invited(company, email, { role: "admin" });
    expect((await inbox.mailTo(email)).text).toContain(`${publicUrl}/invitation#`);
    const seen = await acceptance.look(guest(), token);
    expect(seen).toMatchObject({ company, email: "p…@example.test", role: "admin", next: "register" });
    expect(seen.expiresAt.getTime()).toBeGreaterThan(Date.now() + 6.9 * 86_400_000);
    expect(await acceptance.accept(guest(), { token, name: "Ada", password })).toEqual({
      company,
      role: "admin",
    });
    const [member] = await members.list(operator, company);
    expect(member).toMatchObject({ email, name: "Ada", role: "admin" });
    expect(passwords.get(member?.userId ?? "")).toBe(password);
    const used = { code: "CONFLICT", message: expect.stringContaining("used already") };
    await expect(acceptance.look(guest(), token)).rejects.toMatchObject(used);
    await expect(acceptance.accept(guest(), { token, name: "Ada", password })).rejects.toMatchObject(used);
    expect(await invitations.list(operator, company)).toEqual([]);
    expect(await eventsOf(id)).toMatchObject([
      { action: "invitation.create", outcome: "success", reason: "admin", kind: "operator" },
      { action: "invitation.accept", outcome: "success", reason: "admin", kind: "user" },
    ]);
  });

  test("is looked at any number of times without being spent", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { token } = await invited(company, email);
    const looks = await Promise.all(Array.from({ length: 5 }, () => acceptance.look(guest(), token)));
    expect(new Set(looks.map(({ next }) => next))).toEqual(new Set(["register"]));
    expect(await superuser`select from users where email = ${email}`).toHaveLength(0);
  });

  test("stores its token nowhere: not in its row, not in the job, not in an event", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const silent = fixture.another({ mail: { send, publicUrl } });
    await silent.invitations.create(operator, company, { email, role: "member" });
    const rows = JSON.stringify([
      await superuser`select * from invitations where email = ${email}`,
      await superuser`select * from graphile_worker._private_jobs`,
      await superuser`select * from audit_events`,
    ]);
    const token = tokenOf(linkIn(await inbox.mailTo(email)) ?? "");
    expect(token).toMatch(/^[\w-]{43}$/);
    expect(rows).not.toContain(token);
    expect(rows.match(/"encrypted":"/g)?.length ?? 0).toBeLessThan(2);
  });

  test("sent twice renews: the earlier link is unknown", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const first = await invited(company, email);
    const second = await invited(company, email, { role: "auditor" });
    const third = await invitations.resend(operator, company, second.id);
    expect([first.id, third.id]).toEqual([second.id, second.id]);
    for (const { token } of [first, second])
      expect(await codeOf(acceptance.look(guest(), token))).toBe("NOT_FOUND");
    expect(await invitations.list(operator, company)).toMatchObject([{ email, role: "auditor" }]);
  });

  test("of a member is a CONFLICT; of an owner it is by owners and operators alone", async () => {
    const company = await fixture.company("database");
    const [owner, admin] = [await fixture.person(company, "owner"), await fixture.person(company, "admin")];
    const known = (await members.list(operator, company))[0]?.email ?? "";
    expect(await codeOf(invitations.create(admin, company, { email: known, role: "member" }))).toBe(
      "CONFLICT",
    );
    const email = newAddress();
    expect(await codeOf(invitations.create(admin, company, { email, role: "owner" }))).toBe("FORBIDDEN");
    const { id, token } = await invited(company, email, { role: "owner", by: owner });
    const attempts = [
      invitations.create(admin, company, { email, role: "member" }),
      invitations.resend(admin, company, id),
      invitations.revoke(admin, company, id),
    ];
    expect(await Promise.all(attempts.map(codeOf))).toEqual(attempts.map(() => "FORBIDDEN"));
    expect((await acceptance.look(guest(), token)).role).toBe("owner");
  });

  test("says the same to its sender whether or not the address has an account", async () => {
    const [company, elsewhere] = [await fixture.company("database"), await fixture.company("database")];
    const known = await members.add(operator, elsewhere, { email: newAddress(), name: "Ada", role: "owner" });
    passwords.set(known.userId, password);
    const keys = await Promise.all(
      [known.email, newAddress()].map(async (email) => {
        const {
          id: _,
          email: __,
          createdAt: ___,
          expiresAt: ____,
          ...rest
        } = await invitations.create(operator, company, { email, role: "member" });
        return rest;
      }),
    );
    expect(keys[0]).toEqual(keys[1]);
  });

  test("for a person with an account is accepted by that person alone, signed in", async () => {
    const [company, elsewhere] = [await fixture.company("database"), await fixture.company("database")];
    const ada = await members.add(operator, elsewhere, { email: newAddress(), name: "Ada", role: "owner" });
    const eve = await members.add(operator, elsewhere, { email: newAddress(), name: "Eve", role: "owner" });
    passwords.set(ada.userId, password);
    const { token } = await invited(company, ada.email);
    expect((await acceptance.look(guest(), token)).next).toBe("sign-in");
    expect((await acceptance.look(await as(eve.userId), token)).next).toBe("other-person");
    for (const visitor of [guest(), await as(eve.userId)])
      await expect(
        acceptance.accept(visitor, { token, name: "Eve", password: "fake-password-of-eve" }),
      ).rejects.toMatchObject({
        code: "FORBIDDEN",
        message: expect.stringContaining("p…@example.test"),
      });
    expect(passwords.get(ada.userId)).toBe(password);
    expect(await acceptance.accept(await as(ada.userId), { token })).toEqual({ company, role: "member" });
    expect((await members.list(operator, company)).map(({ userId }) => userId)).toEqual([ada.userId]);
  });

  test("for a new person is not accepted by another person who has signed in", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const eve = await fixture.person(await fixture.company("database"), "owner");
    const { token } = await invited(company, email);
    const attempt = acceptance.accept(await as(eve.userId), { token, name: "Eve", password });
    expect(await codeOf(attempt)).toBe("FORBIDDEN");
    expect(await members.list(operator, company)).toEqual([]);
  });

  test("accepted 50 times at once makes one member with one password", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { token } = await invited(company, email);
    const codes = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        codeOf(
          acceptance.accept(
            { address: `192.0.2.${i}` },
            { token, name: "Ada", password: `fake-password-${i}` },
          ),
        ),
      ),
    );
    expect(codes.filter((code) => code === "no error")).toHaveLength(1);
    expect(
      codes.filter((code) => !["no error", "CONFLICT", "FORBIDDEN", "RATE_LIMITED"].includes(code)),
    ).toEqual([]);
    expect(await members.list(operator, company)).toHaveLength(1);
  });

  test("is finished with the same link and password, and no other, if the process dies between password and membership", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { id, token } = await invited(company, email);
    const answer = { token, name: "Ada", password };
    dies = true;
    await codeOf(acceptance.accept(guest(), answer)).finally(() => (dies = false));
    const wrong = acceptance.accept(guest(), { ...answer, password: "fake-password-of-eve" });
    expect(await codeOf(wrong)).toBe("FORBIDDEN");
    expect(await members.list(operator, company)).toEqual([]);
    expect(await acceptance.accept(guest(), answer)).toEqual({ company, role: "member" });
    const [member] = await members.list(operator, company);
    expect(member).toMatchObject({ name: "Ada", email });
    const actors = await superuser`select actor_kind || ' ' || actor_id as actor from audit_events
      where subject = ${id} and action = 'invitation.accept' and outcome = 'success'`;
    expect(actors).toEqual([{ actor: `user ${member?.userId}` }]);
  });

  test("is not accepted by guesses of a password: 20 a minute are verified", async () => {
    const [company, elsewhere] = [await fixture.company("database"), await fixture.company("database")];
    const ada = await members.add(operator, elsewhere, { email: newAddress(), name: "Ada", role: "owner" });
    passwords.set(ada.userId, password);
    const { token } = await invited(company, ada.email);
    const codes = await Promise.all(
      Array.from({ length: 25 }, (_, i) =>
        codeOf(acceptance.accept(guest(), { token, name: "Ada", password: `fake-guess-number-${i}` })),
      ),
    );
    expect(codes.filter((code) => code === "FORBIDDEN")).toHaveLength(20);
    expect(codes.filter((code) => code === "RATE_LIMITED")).toHaveLength(5);
    expect(await members.list(operator, company)).toEqual([]);
  });

  test("is finished by the person if the process dies between password and membership", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { token } = await invited(company, email);
    dies = true;
    await codeOf(acceptance.accept(guest(), { token, name: "Ada", password })).finally(() => (dies = false));
    expect(await members.list(operator, company)).toEqual([]);
    const [user] = await superuser`select id from users where email = ${email}`;
    expect((await acceptance.look(guest(), token)).next).toBe("sign-in");
    expect(await acceptance.accept(await as(String(user?.["id"])), { token, name: "Ada" })).toMatchObject({
      company,
    });
    expect(await members.list(operator, company)).toMatchObject([{ name: "Ada", email }]);
  });

  test.for([
    ["expired", "update invitations set expires_at = now() - interval '1 second' where email = $1"],
    [
      "of a suspended company",
      "update companies set status = 'suspended' from invitations i where i.company_id = companies.id and i.email = $1",
    ],
  ])("%s gives nothing", async ([, statement]) => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { token } = await invited(company, email);
    await superuser.unsafe(statement ?? "", [email]);
    await fixture.remacRows();
    expect(await codeOf(acceptance.look(guest(), token))).toBe("CONFLICT");
    expect(await codeOf(acceptance.accept(guest(), { token, name: "Ada", password }))).toBe("CONFLICT");
    expect(
      await superuser`select from memberships m join users u on u.id = m.user_id where u.email = ${email}`,
    ).toHaveLength(0);
  });

  test("that was revoked gives nothing, and its address can be invited again", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { id, token } = await invited(company, email);
    await invitations.revoke(operator, company, id);
    expect((await eventsOf(id)).at(-1)).toMatchObject({ action: "invitation.revoke", outcome: "success" });
    expect(await codeOf(acceptance.accept(guest(), { token, name: "Ada", password }))).toBe("CONFLICT");
    expect(await codeOf(invitations.revoke(operator, company, id))).toBe("NOT_FOUND");
    const again = await invited(company, email);
    expect(again.id).not.toBe(id);
    expect((await acceptance.look(guest(), again.token)).next).toBe("register");
  });

  test("of a company that was deleted gives nothing, and makes no person", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { token } = await invited(company, email);
    await superuser`update companies set status = 'deleted', deleted_at = now() where subdomain = ${company}`;
    await fixture.remacRows();
    expect(await codeOf(acceptance.look(guest(), token))).toBe("NOT_FOUND");
    expect(await codeOf(acceptance.accept(guest(), { token, name: "Ada", password }))).toBe("NOT_FOUND");
    expect(await superuser`select from users where email = ${email}`).toHaveLength(0);
    await superuser`update companies set status = 'active', deleted_at = null where subdomain = ${company}`;
    await fixture.remacRows();
    expect((await acceptance.look(guest(), token)).next).toBe("register");
  });

  test("of an admin who was removed gives nothing", async () => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const admin = await fixture.person(company, "admin");
    const { token } = await invited(company, email, { by: admin });
    await members.remove(operator, company, { userId: admin.userId });
    expect(await codeOf(acceptance.accept(guest(), { token, name: "Ada", password }))).toBe("CONFLICT");
  });

  test.for([
    ["role", "role = 'owner'"],
    ["address", "email = 'eve@example.test'"],
    ["company", "company_id = (select id from companies order by created_at limit 1)"],
    ["token", "token_hash = encode(sha256('fake-token'), 'hex')"],
    ["end", "expires_at = now() + interval '1 year'"],
    ["acceptance", "accepted_at = null"],
  ] as const)("whose %s was changed in SQL is not accepted", async ([what, change]) => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { id, token } = await invited(company, email);
    if (what === "acceptance") await acceptance.accept(guest(), { token, name: "Ada", password });
    await superuser.unsafe(`update invitations set ${change} where id = '${id}'`);
    const shown = what === "token" ? "fake-token" : token;
    expect(await codeOf(acceptance.accept(guest(), { token: shown, name: "Ada", password }))).toBe(
      "INTEGRITY_FAILURE",
    );
  });

  test("of another company is not found, and guesses are refused", async () => {
    const [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
    const owner = await fixture.person(mine, "owner");
    const { id } = await invited(theirs, newAddress());
    const attempts = [invitations.resend(owner, mine, id), invitations.revoke(owner, mine, id)];
    expect(await Promise.all(attempts.map(codeOf))).toEqual(["NOT_FOUND", "NOT_FOUND"]);
    for (const token of ["", "x", "x".repeat(100), "' or true --"])
      expect(await codeOf(acceptance.look({ address: "198.51.100.1" }, token))).toBe("NOT_FOUND");
  });

  test.for([
    { name: undefined, password },
    { name: "Ada", password: undefined },
    { name: "a\u001b[31m", password },
  ])("is not spent by %j", async (answer) => {
    const [company, email] = [await fixture.company("database"), newAddress()];
    const { token } = await invited(company, email);
    expect(await codeOf(acceptance.accept(guest(), { token, ...answer }))).toBe("INVALID_INPUT");
    expect(await acceptance.accept(guest(), { token, name: "Ada", password })).toMatchObject({ company });
  });
});

test("an address is told to wait after 30 calls without a credential in a minute", async () => {
  const codes: string[] = [];
  for (let i = 0; i < 32; i += 1) codes.push(await codeOf(acceptance.look({ address: "203.0.113.9" }, "x")));
  expect(codes.slice(0, 30)).not.toContain("RATE_LIMITED");
  expect(codes.slice(30)).toEqual(["RATE_LIMITED", "RATE_LIMITED"]);
  expect(await codeOf(acceptance.look({ address: "203.0.113.10" }, "x"))).toBe("NOT_FOUND");
});

test("over the API, a token of a megabyte is malformed, and a session is asked for by its headers alone", async () => {
  const visitor = createCaller(createContext(secrets, { headers: new Headers(), address: "192.0.2.200" }));
  await expect(visitor.invitations.look({ token: "x".repeat(1024 * 1024) })).rejects.toMatchObject({
    code: "BAD_REQUEST",
  });
  const company = await fixture.company("database");
  const ada = await members.add(operator, await fixture.company("database"), {
    email: newAddress(),
    name: "Ada",
    role: "owner",
  });
  passwords.set(ada.userId, password);
  const { token } = await invited(company, ada.email);
  expect((await visitor.invitations.look({ token })).next).toBe("sign-in");
  const headers = new Headers({ "x-test-user": ada.userId });
  const person = createCaller(createContext(secrets, { headers }));
  expect((await person.invitations.look({ token })).next).toBe("accept");
  expect(await person.invitations.accept({ token })).toEqual({ company, role: "member" });
});

test("without a mail server, an invitation says which variable is missing", async () => {
  const company = await fixture.company("database");
  const without = fixture.another({ mail: undefined });
  await expect(
    without.invitations.create(operator, company, { email: newAddress(), role: "member" }),
  ).rejects.toMatchObject({
    code: "NOT_SUPPORTED",
    message: expect.stringContaining("SMTP_URL"),
  });
  expect(
    await superuser`select from invitations i join companies c on c.id = i.company_id where c.subdomain = ${company}`,
  ).toHaveLength(0);
});

test("what a company is called begins no line of a mail", () => {
  const letter = {
    email: "p@example.test",
    role: "owner",
    subdomain: "a\r\nBcc: eve",
    token: "t",
    expiresAt: new Date(0),
  };
  expect(invitationMail({ publicUrl }, letter).text.split("\n")[0]).toBe(
    "You are invited to join a Bcc: eve as an owner.",
  );
});
