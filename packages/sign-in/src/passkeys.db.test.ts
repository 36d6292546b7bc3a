import { expect, test } from "vitest";
import { createAuthenticator } from "./testing/authenticator.ts";
import { createWorld, password, publicUrl, type Browser } from "./testing/fixture.ts";

const world = await createWorld();
const { accounts } = world.signIn;
const { hostname, origin } = new URL(publicUrl);

const sessionOf = async (browser: Browser) => (await world.signIn.session(browser.headers()))?.session;

/** A person with an authenticator app, and a passkey that was added in `browser`. */
async function withPasskey() {
  const person = await world.person();
  const browser = await world.signedIn(person);
  await world.enrol(person, browser);
  const authenticator = createAuthenticator(hostname);
  const response = authenticator.create(await accounts.passkeys.begin(person.id), { origin });
  const keepSession = (await sessionOf(browser))?.id ?? "";
  await accounts.passkeys.finish(person.id, { name: "Fake phone", response, keepSession });
  return { person, browser, authenticator, response, keepSession };
}

async function challengeFor(browser: Browser): Promise<string> {
  await browser.post("passkey-options", {});
  const options: { readonly challenge: string } = JSON.parse(browser.bodies.at(-1) ?? "");
  return options.challenge;
}

test("a passkey signs a person in as with both factors", async () => {
  const { person, authenticator } = await withPasskey();
  const browser = world.browser();
  const challenge = await challengeFor(browser);
  expect(await browser.post("passkey", { passkey: authenticator.get(challenge, { origin }) })).toBe("done");
  expect((await world.signIn.session(browser.headers()))?.userId).toBe(person.id);
  expect(browser.setCookies.at(-1)).toMatch(/^__Host-.*; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  const [passkey] = await accounts.passkeys.list(person.id);
  expect(passkey).toMatchObject({ name: "Fake phone", lastUsedAt: expect.any(Date) });
  expect((await accounts.describe(person.id)).factors).toMatchObject({ totp: true, passkeys: 1 });
});

test("an answer counts once, in two requests at once too", async () => {
  const { authenticator } = await withPasskey();
  const challenge = await challengeFor(world.browser());
  const passkey = authenticator.get(challenge, { origin });
  const results = await Promise.all(
    [world.browser(), world.browser()].map((each) => each.post("passkey", { passkey })),
  );
  expect(results.toSorted()).toEqual(["UNAUTHENTICATED", "done"]);
  expect(await world.browser().post("passkey", { passkey })).toBe("UNAUTHENTICATED");
});

test.each<readonly [string, (one: ReturnType<typeof createAuthenticator>, challenge: string) => object]>([
  ["of a phishing page", (one, challenge) => one.get(challenge, { origin: "https://evil.example" })],
  ["without the person verified", (one, challenge) => one.get(challenge, { origin, verifies: false })],
  ["to a challenge of the attacker's own", (one) => one.get("ZmFrZS1jaGFsbGVuZ2U", { origin })],
  [
    "that another authenticator signed",
    (one, challenge) => {
      const { id, rawId } = one.get(challenge, { origin });
      return { ...createAuthenticator(hostname).get(challenge, { origin }), id, rawId };
    },
  ],
  ["for another host", (one, challenge) => one.get(challenge, { origin, askedBy: "evil.example" })],
])("an answer %s starts no session", async (_, answer) => {
  const { authenticator } = await withPasskey();
  const browser = world.browser();
  const challenge = await challengeFor(browser);
  expect(await browser.post("passkey", { passkey: answer(authenticator, challenge) })).toBe(
    "UNAUTHENTICATED",
  );
  expect(await sessionOf(browser)).toBeUndefined();
});

test("an answer after five minutes starts no session", async () => {
  const { authenticator } = await withPasskey();
  const browser = world.browser();
  const challenge = await challengeFor(browser);
  await world.superuser`update sign_in.verifications set expires_at = now() - interval '1 second'`;
  const passkey = authenticator.get(challenge, { origin });
  expect(await browser.post("passkey", { passkey })).toBe("UNAUTHENTICATED");
});

test("a passkey confirms the session of its person and no other", async () => {
  const { browser, authenticator } = await withPasskey();
  const other = await world.signedIn(await world.person());
  const before = await sessionOf(browser);
  const first = authenticator.get(await challengeFor(other), { origin });
  expect(await other.post("confirm", { passkey: first })).toBe("UNAUTHENTICATED");
  const second = authenticator.get(await challengeFor(browser), { origin });
  expect(await browser.post("confirm", { passkey: second })).toBe("done");
  const after = await sessionOf(browser);
  expect(after?.id).toBe(before?.id);
  expect(after?.confirmedAt?.getTime()).toBeGreaterThan(before?.confirmedAt?.getTime() ?? 0);
});

test("a passkey is added once, by whom it was begun for, and not without an authenticator app", async () => {
  const { person, response, keepSession } = await withPasskey();
  const again = { name: "Fake phone", response, keepSession };
  await expect(accounts.passkeys.finish(person.id, again)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  const { person: other } = await withPasskey();
  const begun = await accounts.passkeys.begin(other.id);
  const foreign = createAuthenticator(hostname).create(begun, { origin });
  await expect(accounts.passkeys.finish(person.id, { ...again, response: foreign })).rejects.toMatchObject({
    code: "INVALID_INPUT",
  });
  const unverified = createAuthenticator(hostname).create(await accounts.passkeys.begin(person.id), {
    origin,
    verifies: false,
  });
  await expect(accounts.passkeys.finish(person.id, { ...again, response: unverified })).rejects.toMatchObject(
    { code: "INVALID_INPUT" },
  );
  expect(await accounts.passkeys.list(person.id)).toHaveLength(1);
  await expect(accounts.passkeys.begin((await world.person()).id)).rejects.toMatchObject({
    code: "CONFLICT",
  });
});

test("a new or a removed passkey ends the other sessions, and a removed one starts no session", async () => {
  const { person, browser, authenticator, keepSession } = await withPasskey();
  const other = world.browser();
  const signIn = async (into: Browser) =>
    into.post("passkey", { passkey: authenticator.get(await challengeFor(into), { origin }) });
  expect(await signIn(other)).toBe("done");
  const second = createAuthenticator(hostname).create(await accounts.passkeys.begin(person.id), { origin });
  await accounts.passkeys.finish(person.id, { name: "Fake key", response: second, keepSession });
  expect(await sessionOf(other)).toBeUndefined();
  expect(await sessionOf(browser)).toBeDefined();
  const [first] = await accounts.passkeys.list(person.id);
  const id = first?.id ?? "";
  const stranger = await world.person();
  await expect(accounts.passkeys.remove(stranger.id, { id, keepSession })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
  await accounts.passkeys.rename(person.id, { id, name: "Fake old phone" });
  await accounts.passkeys.remove(person.id, { id, keepSession });
  expect((await accounts.passkeys.list(person.id)).map(({ name }) => name)).toEqual(["Fake key"]);
  expect(await signIn(other)).toBe("UNAUTHENTICATED");
});

test("an operator's reset of the second factor removes the passkeys", async () => {
  const { person, authenticator } = await withPasskey();
  await accounts.resetSecondFactor(person.id);
  const browser = world.browser();
  const passkey = authenticator.get(await challengeFor(browser), { origin });
  expect(await browser.post("passkey", { passkey })).toBe("UNAUTHENTICATED");
  expect(await browser.post("email", { email: person.email, password })).toBe("done");
});
