import { beforeAll, expect, test } from "vitest";
import { codeOf, createWorld, password, type Browser, type World } from "./testing/fixture.ts";

let world: World;
beforeAll(async () => {
  world = await createWorld();
});

const renewed = "fake renewed horse staple";

async function linkFor(email: string): Promise<string> {
  const before = world.mails.length;
  await world.browser().post("request-password-reset", { email });
  await expect.poll(() => world.mails.length).toBeGreaterThan(before);
  return /#(\S+)/.exec(world.mails.findLast(({ to }) => to === email)?.text ?? "")?.[1] ?? "";
}

const keepSessionOf = async (browser: Browser) =>
  (await world.signIn.session(browser.headers()))?.session.id ?? "";

/** A browser of a person who knows the password, before the second factor. */
async function begin(email: string): Promise<Browser> {
  const browser = world.browser();
  expect(await browser.post("email", { email, password })).toBe("second-factor");
  return browser;
}

test.each<
  readonly [
    string,
    (person: { readonly id: string; readonly email: string }, own: Browser) => Promise<unknown>,
  ]
>([
  [
    "the password was reset",
    async ({ email }) => {
      const token = await linkFor(email);
      expect(await world.browser().post("reset-password", { token, password: renewed })).toBe("done");
    },
  ],
  [
    "the password was changed",
    async ({ id }, own) =>
      world.signIn.accounts.setPassword(id, { password: renewed, keepSession: await keepSessionOf(own) }),
  ],
  ["all sessions were ended", ({ id }) => world.signIn.accounts.endSessions(id)],
])("a sign-in that waits for its second factor ends when %s", async (_, change) => {
  const person = await world.person();
  const own = await world.signedIn(person);
  const { secret } = await world.enrol(person, own);
  const thief = await begin(person.email);
  await change(person, own);
  expect(await thief.post("second-factor", { code: await codeOf(secret) })).toBe("UNAUTHENTICATED");
  expect(await world.signIn.session(thief.headers())).toBeUndefined();
});

test("a link that resets the password ends when the password was changed without it, or by another link", async () => {
  const person = await world.person();
  const own = await world.signedIn(person);
  const first = await linkFor(person.email);
  await world.signIn.accounts.setPassword(person.id, {
    password: renewed,
    keepSession: await keepSessionOf(own),
  });
  const [second, third] = [await linkFor(person.email), await linkFor(person.email)];
  expect(await world.browser().post("reset-password", { token: first, password })).toBe("INVALID_INPUT");
  expect(await world.browser().post("reset-password", { token: third, password })).toBe("done");
  expect(await world.browser().post("reset-password", { token: second, password: renewed })).toBe(
    "INVALID_INPUT",
  );
});
