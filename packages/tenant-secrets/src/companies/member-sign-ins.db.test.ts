import { describe, expect, test } from "vitest";
import type { Caller } from "@repo/catalog";
import { codeOf, createFixture, operator, type Person } from "../testing/fixture.ts";

const fixture = await createFixture();
const { accounts, secrets, superuser } = fixture;

const minuteMs = 60_000;
const hasSession = async (id: string) =>
  (await accounts.signIn(new Headers({ "x-test-session": id }))) !== undefined;

/** A person of two companies, who signed in for the first one and then joined the second one, whose owner asks. */
async function createWorld() {
  const [first, second] = [await fixture.company("database"), await fixture.company("database")];
  const owner = await fixture.person(second, "owner");
  const shared = await fixture.person(first, "member");
  const { session } = accounts.start(shared.userId);
  const [listed] = await secrets.members.list(operator, first);
  await secrets.members.add(operator, second, { email: listed?.email ?? "", name: "Test", role: "member" });
  await superuser`update memberships set created_at = now() + interval '1 minute' where user_id = ${shared.userId}
    and company_id = (select id from companies where subdomain = ${second})`;
  const signInLater = () =>
    accounts.start(shared.userId, { createdAt: new Date(Date.now() + 2 * minuteMs) }).session;
  return { first, second, owner, shared, session, signInLater };
}

async function shownOf({ userId }: Person, caller: Caller, company: string) {
  const members = await secrets.members.list(caller, company);
  const { lastSignInAt, secondFactor } = members.find((each) => each.userId === userId) ?? {};
  return { lastSignInAt, secondFactor };
}

describe("a company", () => {
  test("learns of a member's sign-ins and second factor once they have signed in since they joined", async () => {
    const { first, second, owner, shared, session, signInLater } = await createWorld();
    const nothing = { lastSignInAt: undefined, secondFactor: undefined };
    expect(await shownOf(shared, owner, second)).toEqual(nothing);
    const known = { lastSignInAt: session.createdAt, secondFactor: true };
    expect(await shownOf(shared, operator, second)).toEqual(known);
    expect(await shownOf(shared, await fixture.person(first, "admin"), first)).toEqual(known);
    const { createdAt } = signInLater();
    expect(await shownOf(shared, owner, second)).toEqual({ lastSignInAt: createdAt, secondFactor: true });
  });

  test("ends no session of a person who never signed in as its member, and then all of them", async () => {
    const { second, owner, shared, session, signInLater } = await createWorld();
    const end = () => secrets.members.endSessions(owner, second, shared.userId);
    expect(await codeOf(end())).toBe("CONFLICT");
    expect(await hasSession(session.id)).toBe(true);
    const later = signInLater();
    await end();
    expect([await hasSession(session.id), await hasSession(later.id)]).toEqual([false, false]);
  });

  test("ends those of its members alone, and an admin those of no owner", async () => {
    const company = await fixture.company("database");
    const [owner, admin] = [await fixture.person(company, "owner"), await fixture.person(company, "admin")];
    const stranger = await fixture.person(await fixture.company("database"), "member");
    const [owners, strangers] = [owner, stranger].map(({ userId }) => accounts.start(userId).session.id);
    for (const [of, code] of [
      [owner.userId, "FORBIDDEN"],
      [stranger.userId, "NOT_FOUND"],
      ["x", "NOT_FOUND"],
    ] as const)
      expect(await codeOf(secrets.members.endSessions(admin, company, of))).toBe(code);
    expect(await hasSession(owners ?? "")).toBe(true);
    expect(await hasSession(strangers ?? "")).toBe(true);
  });
});

test("an operator ends the sessions of a member who never signed in since", async () => {
  const { second, shared, session } = await createWorld();
  await secrets.members.endSessions(operator, second, shared.userId);
  expect(await hasSession(session.id)).toBe(false);
});
