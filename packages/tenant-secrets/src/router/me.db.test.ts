import { TRPCError } from "@trpc/server";
import { describe, expect, test } from "vitest";
import { permissions } from "../access/permissions.ts";
import { passkeyResponse } from "../testing/accounts.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { appRouter, createCaller } from "./router.ts";
import { createContext, publicError } from "./trpc.ts";

const fixture = await createFixture();
const { accounts, superuser } = fixture;
const secrets = fixture.another({ limits: { refusalsPerMinute: 10_000, sensitiveCallsPerMinute: 10_000 } });

const headersOf = (id: string): Headers => new Headers({ "x-test-session": id });
/** The API for one request of a session. */
const api = (id: string, over = secrets) => createCaller(createContext(over, { headers: headersOf(id) }));
const start = (userId: string, session?: Parameters<typeof accounts.start>[1]): string =>
  accounts.start(userId, session).session.id;

async function codeAndMessageOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "answered";
  } catch (error) {
    if (!(error instanceof TRPCError)) throw error;
    const { code, message } = publicError(error);
    return `${code}: ${message}`;
  }
}

/** Calls each procedure with no input, which is enough for the checks that come before it is read. */
async function callEach(id: string): Promise<Readonly<Record<string, string>>> {
  const outcomes: Record<string, string> = {};
  for (const path of Object.keys(appRouter._def.procedures)) {
    const call: unknown = path
      .split(".")
      .reduce<unknown>((at, name) => Reflect.get(Object(at), name), api(id));
    if (typeof call !== "function") throw new Error(`${path} is no procedure`);
    outcomes[path] = await codeAndMessageOf(Promise.resolve(call(undefined)));
  }
  return outcomes;
}

test("me.get tells a person their companies with the verbs of each role, their session and their factors", async () => {
  const [a, b] = [await fixture.company("database"), await fixture.company("database")];
  const { userId } = await fixture.person(a, "auditor");
  const [member] = await secrets.members.list(operator, a);
  await secrets.members.add(operator, b, { email: member?.email ?? "", name: "Test", role: "owner" });
  await fixture.person(await fixture.company("database"), "owner");
  await secrets.suspension.suspend(operator, b);
  const confirmedAt = new Date(Date.now() - 60_000);
  const account = await api(start(userId, { confirmedAt })).me.get();
  expect(account).toMatchObject({
    id: userId,
    companies: [
      {
        subdomain: a,
        role: "auditor",
        verbs: permissions.auditor,
        suspended: false,
        secondFactorRequired: false,
      },
      { subdomain: b, role: "owner", verbs: permissions.owner, suspended: true },
    ],
    session: { confirmedUntil: new Date(confirmedAt.getTime() + 300_000) },
    factors: { totp: true, due: false },
  });
  const unconfirmed = await api(start(userId, { confirmedAt: undefined })).me.get();
  expect(unconfirmed.session.confirmedUntil).toBeUndefined();
});

test("me.get tells since when a company's keys are destroyed, and of the others nothing of that kind", async () => {
  const [a, b] = [await fixture.company("database"), await fixture.company("database")];
  const { userId } = await fixture.person(a, "owner");
  const [owner] = await secrets.members.list(operator, a);
  await secrets.members.add(operator, b, { email: owner?.email ?? "", name: "Test", role: "member" });
  await secrets.shredding.shred(operator, b, { backupsKeptDays: 30 });
  const { shreddedAt } = await secrets.companies.get(operator, b);
  expect(shreddedAt).toBeInstanceOf(Date);
  const { companies } = await api(start(userId)).me.get();
  expect(companies.map((company) => [company.subdomain, company.shreddedAt])).toEqual([
    [a, undefined],
    [b, shreddedAt],
  ]);
});

describe("a second factor", () => {
  test.each(["owner", "admin"] as const)("an %s without one may add one, and nothing else", async (role) => {
    const company = await fixture.company("database");
    const { userId } = await fixture.person(company, role);
    const id = start(userId, { enrolled: false });
    const outcomes = await callEach(id);
    const allowed = Object.keys(outcomes).filter((path) => !outcomes[path]?.includes("second factor"));
    // A link of an invitation works without a session as well, and gives no more than a membership.
    const forVisitors = ["invitations.look", "invitations.accept"];
    const ofFactors = ["me.totp.begin", "me.totp.finish", "me.passkeys.begin", "me.passkeys.finish"];
    expect(allowed).toEqual(["me.get", "me.active", ...ofFactors, ...forVisitors]);
    expect(outcomes["secrets.list"]).toMatch(/^FORBIDDEN: .*add a passkey or an authenticator app/);
    expect((await api(id).me.get()).factors.due).toBe(true);

    await api(id).me.totp.begin();
    await api(id).me.totp.finish({ code: "fake-code" });
    expect((await api(id).me.get()).factors.due).toBe(false);
    expect((await api(id).secrets.list({ company })).secrets).toEqual([]);
  });

  test("may be a passkey alone, which gives backup codes", async () => {
    const company = await fixture.company("database");
    const { userId } = await fixture.person(company, "owner");
    const id = start(userId, { enrolled: false });
    expect((await api(id).me.passkeys.begin()).challenge).toBe("fake-challenge");
    const add = () => api(id).me.passkeys.finish({ name: "Laptop", response: passkeyResponse });
    expect((await add()).backupCodes?.length).toBeGreaterThan(0);
    expect((await api(id).me.get()).factors).toMatchObject({ totp: false, passkeys: 1, due: false });
    expect((await api(id).secrets.list({ company })).secrets).toEqual([]);
    expect((await add()).backupCodes).toBeUndefined();
  });

  test("is not removed where it is the last one of an owner, whichever it is", async () => {
    const company = await fixture.company("database");
    const { userId } = await fixture.person(company, "owner");
    const { me } = api(start(userId));
    const last = /^CONFLICT: This is the only second factor/;
    expect(await codeAndMessageOf(me.totp.remove())).toMatch(last);
    await me.passkeys.finish({ name: "Laptop", response: passkeyResponse });
    await me.totp.remove();
    expect((await me.get()).factors).toMatchObject({ totp: false, passkeys: 1, due: false });
    const [passkey] = await me.passkeys.list();
    const remove = () => me.passkeys.remove({ id: passkey?.id ?? "" });
    expect(await codeAndMessageOf(remove())).toMatch(last);
    await me.totp.finish({ code: "fake-code" });
    await remove();
    expect((await me.get()).factors).toMatchObject({ totp: true, passkeys: 0 });

    const member = await fixture.person(company, "member");
    const own = api(start(member.userId)).me;
    await own.totp.remove();
    expect((await own.get()).factors).toMatchObject({ totp: false, due: false, backupCodesLeft: 0 });
  });

  test("is asked of every member where a company requires it, at the next request, and no longer once it does not", async () => {
    const company = await fixture.company("database");
    const [owner, member] = [await fixture.person(company, "owner"), await fixture.person(company, "member")];
    const set = (required: boolean) =>
      api(start(owner.userId)).companies.setSecondFactor({ company, required });
    const without = start(member.userId, { enrolled: false });
    const list = () => codeAndMessageOf(api(without).secrets.list({ company }));
    expect(await list()).toBe("answered");
    expect(await set(true)).toMatchObject({ secondFactorRequired: true });
    expect(await secrets.companies.get(operator, company)).toMatchObject({ secondFactorRequired: true });
    await expect.poll(list, { timeout: 20_000 }).toMatch(/^FORBIDDEN: This account needs a second factor/);
    const account = await api(without).me.get();
    expect(account.factors.due).toBe(true);
    expect(account.companies).toMatchObject([{ subdomain: company, secondFactorRequired: true }]);

    await api(without).me.totp.finish({ code: "fake-code" });
    expect(await list()).toBe("answered");
    expect(await codeAndMessageOf(api(without).me.totp.remove())).toMatch(/^CONFLICT/);
    expect(await set(false)).toMatchObject({ secondFactorRequired: false });
    await expect
      .poll(async () => codeAndMessageOf(api(without).me.totp.remove()), { timeout: 20_000 })
      .toBe("answered");
    expect(await list()).toBe("answered");
  });

  test("members and auditors need none", async () => {
    const company = await fixture.company("database");
    for (const role of ["member", "auditor"] as const) {
      const { userId } = await fixture.person(company, role);
      const id = start(userId, { enrolled: false });
      expect((await api(id).secrets.list({ company })).secrets).toEqual([]);
    }
  });

  test("an operator resets a lost one: the sessions end, and the next one has to add another", async () => {
    const company = await fixture.company("database");
    const { userId } = await fixture.person(company, "owner");
    const id = start(userId);
    await secrets.users.resetSecondFactor(operator, userId);
    expect(await codeAndMessageOf(api(id).me.get())).toMatch(/^UNAUTHENTICATED/);
    const next = start(userId, { enrolled: false });
    expect((await api(next).me.get()).factors).toMatchObject({ totp: false, due: true });
    expect(await codeAndMessageOf(api(next).secrets.list({ company }))).toMatch(/^FORBIDDEN/);
  });
});

describe("sessions", () => {
  test("a session that is ended is refused at its next request, in every process", async () => {
    const { userId } = await fixture.person(await fixture.company("database"), "member");
    const [mine, other, third] = [start(userId), start(userId), start(userId)];
    const served = fixture.another();
    const serving = await served.serve(fixture.urls.listener, () => {});
    try {
      expect(await codeAndMessageOf(api(other, served).me.get())).toBe("answered");
      const listed = await api(mine).me.sessions.list();
      expect(listed.map(({ id, current }) => [id, current])).toEqual([
        [mine, true],
        [other, false],
        [third, false],
      ]);
      await api(mine).me.sessions.end({ sessionId: other });
      expect(await codeAndMessageOf(api(other, served).me.get())).toMatch(/^UNAUTHENTICATED/);
      expect(await api(mine).me.sessions.endOthers()).toEqual({ ended: 1 });
      expect(await codeAndMessageOf(api(third).me.get())).toMatch(/^UNAUTHENTICATED/);
      expect(await codeAndMessageOf(api(mine).me.get())).toBe("answered");
    } finally {
      await serving.stop();
    }
  });

  test("no person ends a session of another", async () => {
    const company = await fixture.company("database");
    const [owner, member] = [await fixture.person(company, "owner"), await fixture.person(company, "member")];
    const [mine, theirs] = [start(owner.userId), start(member.userId)];
    await api(mine).me.sessions.end({ sessionId: theirs });
    await api(mine).me.sessions.endOthers();
    expect(await codeAndMessageOf(api(theirs).me.get())).toBe("answered");
  });

  test("a new password and a new factor end the other sessions", async () => {
    const { userId } = await fixture.person(await fixture.company("database"), "member");
    const mine = start(userId);
    for (const change of [
      () => api(mine).me.setPassword({ password: "a fake password" }),
      () => api(mine).me.totp.finish({ code: "fake-code" }),
      () => api(mine).me.totp.remove(),
    ]) {
      const other = start(userId);
      await change();
      expect(await codeAndMessageOf(api(other).me.get())).toMatch(/^UNAUTHENTICATED/);
      expect(await codeAndMessageOf(api(mine).me.get())).toBe("answered");
    }
  });

  test("those of a disabled person end, and none of them counts again once the person is enabled", async () => {
    const { userId } = await fixture.person(await fixture.company("database"), "member");
    const id = start(userId);
    await secrets.users.disable(operator, userId);
    expect(await codeAndMessageOf(api(id).me.get())).toMatch(/^UNAUTHENTICATED/);
    await secrets.users.enable(operator, userId);
    expect(await codeAndMessageOf(api(id).me.get())).toMatch(/^UNAUTHENTICATED/);
    expect(await codeAndMessageOf(api(start(userId)).me.get())).toBe("answered");
  });

  test("an operator ends all of a person's", async () => {
    const { userId } = await fixture.person(await fixture.company("database"), "member");
    const ids = [start(userId), start(userId)];
    expect(await secrets.users.endSessions(operator, userId)).toBe(2);
    for (const id of ids) expect(await codeAndMessageOf(api(id).me.get())).toMatch(/^UNAUTHENTICATED/);
    const unknown = "0198c0de-0000-7000-8000-000000000001";
    for (const other of [unknown, "x"]) {
      expect(await codeOf(secrets.users.endSessions(operator, other))).toBe("NOT_FOUND");
    }
  });
});

test("passkeys are added, counted, renamed and removed, by their own person alone", async () => {
  const company = await fixture.company("database");
  const [ada, other] = [await fixture.person(company, "member"), await fixture.person(company, "owner")];
  const [mine, theirs] = [start(ada.userId), start(other.userId)];
  const { me } = api(mine);
  for (const name of ["", "\u202enohp"]) {
    const finish = me.passkeys.finish({ name, response: passkeyResponse });
    expect(await codeAndMessageOf(finish)).toMatch(/^INVALID_INPUT/);
  }
  const second = start(ada.userId);
  await me.passkeys.finish({ name: "Laptop", response: passkeyResponse });
  expect(await codeAndMessageOf(api(second).me.get())).toMatch(/^UNAUTHENTICATED/);
  expect((await me.get()).factors.passkeys).toBe(1);
  expect((await api(theirs).me.get()).factors.passkeys).toBe(0);
  const id = (await me.passkeys.list())[0]?.id ?? "";

  const foreign = api(theirs).me.passkeys;
  expect(await codeAndMessageOf(foreign.rename({ id, name: "Mine" }))).toMatch(/^NOT_FOUND/);
  expect(await codeAndMessageOf(foreign.remove({ id }))).toMatch(/^NOT_FOUND/);
  expect(await foreign.list()).toEqual([]);
  await me.passkeys.rename({ id, name: "Telephone" });
  expect(await me.passkeys.list()).toMatchObject([{ id, name: "Telephone" }]);
  const third = start(ada.userId);
  await me.passkeys.remove({ id });
  expect(await codeAndMessageOf(api(third).me.get())).toMatch(/^UNAUTHENTICATED/);
  expect(await me.passkeys.list()).toEqual([]);
});

test("a name that a list cannot show is refused", async () => {
  const { userId } = await fixture.person(await fixture.company("database"), "member");
  const id = start(userId);
  expect(await codeAndMessageOf(api(id).me.setName({ name: "\u202egnihsihp" }))).toMatch(/^INVALID_INPUT/);
  await api(id).me.setName({ name: "Ada" });
  expect((await api(id).me.get()).name).toBe("Ada");
});

test("where the product has a sign-in of its own, accounts are said to be managed there", async () => {
  const own = fixture.another({ accounts: undefined });
  const company = await fixture.company("database");
  const { userId } = await fixture.person(company, "member");
  expect(await codeAndMessageOf(api(start(userId), own).me.get())).toMatch(
    /^NOT_SUPPORTED: .*sign-in of its own/,
  );
  expect(await codeOf(own.users.endSessions(operator, userId))).toBe("NOT_SUPPORTED");
  expect(await codeOf(own.members.endSessions(operator, company, userId))).toBe("NOT_SUPPORTED");
  const [listed] = await own.members.list(operator, company);
  expect(listed).not.toHaveProperty("secondFactor");
  await expect(own.users.disable(operator, userId)).resolves.toBeDefined();
});

test("neither programs nor people without a session have an account here", async () => {
  const { headers } = await fixture.person(await fixture.company("database"), "owner");
  const inside = createCaller(createContext(secrets, { headers }));
  expect(await codeAndMessageOf(inside.me.get())).toMatch(/^FORBIDDEN/);
  expect(await codeOf(secrets.me.get(product))).toBe("FORBIDDEN");
});

test("no event holds a password, a code, a secret or a name", async () => {
  await secrets.flush();
  const events = await superuser<{ text: string }[]>`select audit_events::text as text from audit_events`;
  expect(events.length).toBeGreaterThan(20);
  expect(events.map(({ text }) => text).join("\n")).not.toMatch(
    /fake password|fake-code|Laptop|Telephone|fake-attestation|FAKETOTP|fake-backup|Ada/,
  );
});
