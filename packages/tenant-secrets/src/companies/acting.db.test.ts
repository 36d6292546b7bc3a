import { afterAll, expect, test, vi } from "vitest";
import { codeOf, createFixture, operator } from "../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, accounts, superuser } = fixture;
const served = fixture.another();
const serving = await served.serve(fixture.urls.listener, () => {});
afterAll(() => serving.stop());

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);

/** A linked member of a company, with the requests of a session that a second factor has just confirmed. */
async function linkedPerson() {
  const company = await fixture.company("database");
  const { userId } = await fixture.person(company, "member");
  const [member] = await secrets.members.list(operator, company);
  const email = member?.email ?? "";
  const { id } = await secrets.operators.link(operator, { email, expiresAt: inDays(1) });
  const { session } = accounts.start(userId, { secondFactorAt: new Date() });
  const headers = new Headers({ "x-test-session": session.id, "tenant-secrets-as": "operator" });
  return { company, userId, email, id, headers };
}

test("a process that caches authentications learns at once that a link was made, and that it ended", async () => {
  const { email, headers, id, userId } = await linkedPerson();
  const caller = await served.authenticate({ headers });
  expect(caller).toMatchObject({ actor: { kind: "operator", id }, link: { person: { id: userId } } });
  await secrets.operators.unlink(operator, email);
  await vi.waitFor(async () => expect(await codeOf(served.authenticate({ headers }))).toBe("FORBIDDEN"), 900);
  const again = await secrets.operators.link(operator, { email, expiresAt: inDays(1) });
  const actor = { kind: "operator", id: again.id };
  await vi.waitFor(async () => expect(await served.authenticate({ headers })).toMatchObject({ actor }), 900);
  await secrets.users.disable(operator, userId);
  await vi.waitFor(
    async () => expect(await codeOf(served.authenticate({ headers }))).toBe("UNAUTHENTICATED"),
    900,
  );
});

test("access that was checked before the link ended, or the person was disabled, grants no access after", async () => {
  const key = (company: string) => ({
    name: "made in the browser",
    platform: false,
    companies: [company],
    verbs: ["use"] as const,
    secretKeys: ["*"],
    expiresAt: inDays(1),
  });
  const [unlinked, disabled] = [await linkedPerson(), await linkedPerson()];
  const [before, other] = await Promise.all(
    [unlinked, disabled].map(({ headers }) => secrets.authenticate({ headers })),
  );
  if (before === undefined || other === undefined) throw new Error("both act as operators");
  const made = await secrets.apiKeys.create(before, key(unlinked.company));
  const { apiKeys } = await secrets.operators.unlink(operator, unlinked.email);
  expect(apiKeys.map(({ id }) => id)).toEqual([made.description.id]);
  expect(await codeOf(secrets.apiKeys.create(before, key(unlinked.company)))).toBe("UNAUTHENTICATED");

  const own = await secrets.apiKeys.create(other, key(disabled.company));
  const keys = await secrets.users.disable(operator, disabled.userId, { revokeApiKeys: true });
  expect(keys).toMatchObject({ revoked: true, apiKeys: [{ id: own.description.id }] });
  expect(await codeOf(secrets.authenticate({ credential: own.apiKey }))).toBe("UNAUTHENTICATED");
  expect(await codeOf(secrets.apiKeys.create(other, key(disabled.company)))).toBe("UNAUTHENTICATED");
});

test("a sign-in that tells no sessions makes no operators", async () => {
  const { userId } = await linkedPerson();
  const headers = new Headers({ "x-test-user": userId, "tenant-secrets-as": "operator" });
  expect(await codeOf(secrets.authenticate({ headers }))).toBe("FORBIDDEN");
});

test("links have an e-mail address, a name that lists can show, and at most 366 days", async () => {
  const { operators } = secrets;
  for (const [email, expiresAt, name] of [
    ["no address", inDays(1), "Ops"],
    ["ops@example.com", inDays(367), "Ops"],
    ["ops@example.com", inDays(-1), "Ops"],
    ["ops@example.com", inDays(1), "\u202espo"],
  ] as const) {
    expect(await codeOf(operators.link(operator, { email, expiresAt, name }))).toBe("INVALID_INPUT");
  }
  for (const email of ["ops@example.com", "no address"]) {
    expect(await codeOf(operators.unlink(operator, email))).toBe("NOT_FOUND");
  }
});

test("a link that plain SQL made gets no valid MAC: it is not renewed, but unlinked", async () => {
  const { userId, email, id, headers } = await linkedPerson();
  await superuser`update operators set expires_at = now() + interval '300 days' where id = ${id}`;
  expect(await codeOf(secrets.authenticate({ headers }))).toBe("FORBIDDEN");
  const renewal = { email, expiresAt: inDays(1) };
  expect(await codeOf(secrets.operators.link(operator, renewal))).toBe("INTEGRITY_FAILURE");
  await secrets.operators.unlink(operator, email);
  const renewed = await secrets.operators.link(operator, renewal);
  expect(renewed).toMatchObject({ userId, email });
  expect((await secrets.authenticate({ headers })).actor).toEqual({ kind: "operator", id: renewed.id });
});
