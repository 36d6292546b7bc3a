import { expect, test } from "vitest";
import { createAuthenticator } from "./testing/authenticator.ts";
import { codeOf, createWorld, password, publicUrl, type Browser } from "./testing/fixture.ts";

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

test("a passkey is added once, by the person that it was begun for", async () => {
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

/** A person whose only second factor is a passkey, with the backup codes that came with it. */
async function withPasskeyAlone() {
  const person = await world.person();
  const browser = await world.signedIn(person);
  const authenticator = createAuthenticator(hostname);
  const response = authenticator.create(await accounts.passkeys.begin(person.id), { origin });
  const keepSession = (await sessionOf(browser))?.id ?? "";
  const codes = await accounts.passkeys.finish(person.id, { name: "Fake phone", response, keepSession });
  const factors = async () => (await accounts.describe(person.id)).factors;
  return { person, browser, authenticator, keepSession, codes: codes ?? [], factors };
}

test("a passkey alone is a second factor: the password leads on to it or to a backup code, and to no session", async () => {
  const { person, browser, authenticator, codes, factors } = await withPasskeyAlone();
  expect(codes).toHaveLength(10);
  expect(await factors()).toEqual({ totp: false, passkeys: 1, backupCodesLeft: 10 });
  expect((await sessionOf(browser))?.enrolled).toBe(true);

  const other = world.browser();
  expect(await other.post("email", { email: person.email, password })).toBe("second-factor");
  expect(await sessionOf(other)).toBeUndefined();
  expect(await other.post("second-factor", { code: "000000" })).toBe("UNAUTHENTICATED");
  const challenge = await challengeFor(other);
  expect(await other.post("passkey", { passkey: authenticator.get(challenge, { origin }) })).toBe("done");

  const third = world.browser();
  await third.post("email", { email: person.email, password });
  const [code = ""] = codes;
  expect(await third.post("second-factor", { code })).toBe("done");
  expect(await third.post("confirm", { password, code })).toBe("UNAUTHENTICATED");
  expect(await third.post("confirm", { password, code: codes[1] })).toBe("done");
  expect((await factors()).backupCodesLeft).toBe(8);
});

test("an authenticator app that was begun beside a passkey counts for nothing until its code was given", async () => {
  const { person, codes, keepSession, factors } = await withPasskeyAlone();
  const { secret } = await accounts.totp.begin(person.id);
  const browser = world.browser();
  await browser.post("email", { email: person.email, password });
  expect(await browser.post("second-factor", { code: await codeOf(secret) })).toBe("UNAUTHENTICATED");
  await world.superuser`delete from sign_in.used_codes where user_id = ${person.id}`;
  // Nor does a backup code add the app.
  const finish = (code: string) => accounts.totp.finish(person.id, { code, keepSession });
  await expect(finish(codes[0] ?? "")).rejects.toMatchObject({ code: "INVALID_INPUT" });
  expect(await factors()).toEqual({ totp: false, passkeys: 1, backupCodesLeft: 10 });

  const renewed = await finish(await codeOf(secret));
  expect(renewed.filter((code) => codes.includes(code))).toEqual([]);
  expect(await factors()).toEqual({ totp: true, passkeys: 1, backupCodesLeft: 10 });
});

test("backup codes and the question for a second factor stay with either factor, and end with the last", async () => {
  const { person, browser, codes, keepSession, factors } = await withPasskeyAlone();
  const { secret } = await world.enrol(person, browser);
  await accounts.totp.remove(person.id, { keepSession });
  expect(await factors()).toEqual({ totp: false, passkeys: 1, backupCodesLeft: 10 });
  const other = world.browser();
  expect(await other.post("email", { email: person.email, password })).toBe("second-factor");
  expect(await other.post("second-factor", { code: await codeOf(secret) })).toBe("UNAUTHENTICATED");

  const [passkey] = await accounts.passkeys.list(person.id);
  await accounts.passkeys.remove(person.id, { id: passkey?.id ?? "", keepSession });
  expect(await factors()).toEqual({ totp: false, passkeys: 0, backupCodesLeft: 0 });
  const [code = ""] = codes;
  expect(await other.post("second-factor", { code })).toBe("UNAUTHENTICATED");
  expect(await other.post("email", { email: person.email, password })).toBe("done");
});

test("two passkeys that are added at once give one set of backup codes", async () => {
  const person = await world.person();
  const browser = await world.signedIn(person);
  const keepSession = (await sessionOf(browser))?.id ?? "";
  const given = await Promise.all(
    ["Fake phone", "Fake key"].map(async (name) => {
      const options = await accounts.passkeys.begin(person.id);
      const response = createAuthenticator(hostname).create(options, { origin });
      return { name, response, keepSession };
    }),
  );
  const answers = await Promise.all(given.map((each) => accounts.passkeys.finish(person.id, each)));
  expect(answers.filter((codes) => codes !== undefined)).toHaveLength(1);
  const [code = ""] = answers.find((codes) => codes !== undefined) ?? [];
  const other = world.browser();
  await other.post("email", { email: person.email, password });
  expect(await other.post("second-factor", { code })).toBe("done");
});

test("the last sign-in is that of a completed one, and outlives its session", async () => {
  const { person, authenticator } = await withPasskeyAlone();
  const last = async () => (await accounts.lastSignIns([person.id])).get(person.id);
  const first = await last();
  expect(first).toEqual({ lastSignInAt: expect.any(Date), secondFactor: true });
  const browser = world.browser();
  await browser.post("email", { email: person.email, password });
  expect(await last()).toEqual(first);
  const challenge = await challengeFor(browser);
  await browser.post("passkey", { passkey: authenticator.get(challenge, { origin }) });
  const second = await last();
  expect(second?.lastSignInAt?.getTime()).toBeGreaterThan(first?.lastSignInAt?.getTime() ?? Infinity);
  await browser.post("sign-out", {});
  expect(await last()).toEqual(second);
  const never = await world.person();
  expect((await accounts.lastSignIns([never.id])).get(never.id)).toEqual({
    lastSignInAt: undefined,
    secondFactor: false,
  });
});
