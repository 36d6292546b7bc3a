import { argon2Sync } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  codeOf,
  createWorld,
  firstSecret,
  password,
  publicUrl,
  type Browser,
  type Person,
} from "./testing/fixture.ts";

const world = await createWorld();
const { signIn, superuser, events, mails } = world;
const sessionCookie = "__Host-tenant-secrets.session_token";

const sessionOf = (browser: Browser) => signIn.session(browser.headers());
const enrolled = async () => {
  const person = await world.person();
  const browser = await world.signedIn(person);
  return { person, browser, ...(await world.enrol(person, browser)) };
};
const challenge = async (person: Person): Promise<Browser> => {
  const browser = world.browser();
  expect(await browser.post("email", { email: person.email, password })).toBe("second-factor");
  return browser;
};

describe("a sign-in with a password", () => {
  test("sets one cookie that scripts and other sites do not get, and puts no token in a body", async () => {
    const person = await world.person();
    const browser = await world.signedIn(person);
    expect(await sessionOf(browser)).toMatchObject({ userId: person.id, session: { enrolled: false } });
    const [cookie = "", ...others] = browser.setCookies;
    expect(others).toEqual([]);
    expect(cookie).toMatch(new RegExp(`^${sessionCookie}=`));
    for (const attribute of ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"])
      expect(cookie.toLowerCase()).toContain(attribute.toLowerCase());
    expect(cookie).not.toMatch(/domain=/i);
    expect(browser.bodies).toEqual(['{"next":"done"}']);
  });

  test("answers a wrong password and an unknown address alike, and records both", async () => {
    const person = await world.person();
    const [wrong, unknown] = [world.browser(), world.browser()];
    expect(await wrong.post("email", { email: person.email, password: "wrong" })).toBe("UNAUTHENTICATED");
    expect(await unknown.post("email", { email: "unknown@acmecorp.example", password: "wrong" })).toBe(
      "UNAUTHENTICATED",
    );
    expect(wrong.bodies).toEqual(unknown.bodies);
    expect(events.slice(-2)).toEqual([
      expect.objectContaining({ action: "sign-in", outcome: "denied", reason: "UNAUTHENTICATED" }),
      expect.objectContaining({ action: "sign-in", outcome: "denied", reason: "UNAUTHENTICATED" }),
    ]);
  });

  test("of a person who was shut out is answered as a wrong password, with and without a second factor", async () => {
    const [without, { person: withApp }] = [await world.person(), await enrolled()];
    const wrong = world.browser();
    await wrong.post("email", { email: without.email, password: "wrong" });
    for (const { id, email } of [without, withApp]) {
      await superuser`update users set disabled_at = now() where id = ${id}`;
      await superuser`delete from sign_in.sessions where user_id = ${id}`;
      const browser = world.browser();
      expect(await browser.post("email", { email, password })).toBe("UNAUTHENTICATED");
      expect(browser.bodies).toEqual(wrong.bodies);
      expect(browser.setCookies).toEqual([]);
      expect(events.at(-1)).toMatchObject({ action: "sign-in", outcome: "denied" });
      expect(await superuser`select from sign_in.sessions where user_id = ${id}`).toHaveLength(0);
    }
  });

  test("makes a new token, whatever cookie the browser came with", async () => {
    const [person, attacker] = [await world.person(), await world.person()];
    const planted = (await world.signedIn(attacker)).cookie(sessionCookie) ?? "";
    const browser = world.browser();
    browser.setCookie(sessionCookie, planted);
    await browser.post("email", { email: person.email, password });
    expect(browser.cookie(sessionCookie)).not.toBe(planted);
    expect((await sessionOf(browser))?.userId).toBe(person.id);
  });

  test("takes a password in any Unicode form", async () => {
    const person = await world.person({ password: "café au lait chaud" });
    const browser = world.browser();
    const decomposed = "café au lait chaud".normalize("NFD");
    expect(await browser.post("email", { email: person.email, password: decomposed })).toBe("done");
  });
});

describe("a password", () => {
  test("whose hash has other parameters than a new one is hashed again when it is used", async () => {
    const person = await world.person();
    const cheap = { message: password, nonce: Buffer.alloc(16, 7), parallelism: 1, tagLength: 32 };
    const hash = argon2Sync("argon2id", { ...cheap, memory: 8192, passes: 1 }).toString("base64");
    const outdated = `$argon2id$v=19$m=8192,t=1,p=1$${cheap.nonce.toString("base64").replaceAll("=", "")}$${hash.replaceAll("=", "")}`;
    await superuser`update sign_in.accounts set password = ${outdated} where user_id = ${person.id}`;
    const stored = async (): Promise<string> => {
      const [row] = await superuser`select password from sign_in.accounts where user_id = ${person.id}`;
      return String(row?.["password"]);
    };
    await world.browser().post("email", { email: person.email, password: "wrong" });
    expect(await stored()).toBe(outdated);
    await world.signedIn(person);
    const renewed = await stored();
    expect(renewed).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    await world.signedIn(person);
    expect(await stored()).toBe(renewed);
  });
});

describe("the cookie of a session", () => {
  test("opens nothing where its signature is changed, missing, or of another secret", async () => {
    const browser = await world.signedIn(await world.person());
    const value = decodeURIComponent(browser.cookie(sessionCookie) ?? "");
    const [token = ""] = value.split(".");
    const [row] = await superuser`select token from sign_in.sessions where token = ${token}`;
    expect(row).toBeDefined();
    for (const forged of [
      token,
      `${token}.`,
      `${token}.AAAA`,
      value.replace(/.{9}$/, (end) => (end.startsWith("A") ? "B" : "A") + end.slice(1)),
      `x${value}`,
    ]) {
      browser.setCookie(sessionCookie, encodeURIComponent(forged));
      expect(await sessionOf(browser)).toBeUndefined();
    }
  });

  test("opens nothing where a sibling host has added a second one of the name", async () => {
    const browser = await world.signedIn(await world.person());
    const headers = browser.headers();
    headers.set("cookie", `${headers.get("cookie")}; ${sessionCookie}=planted.value`);
    expect(await signIn.session(headers)).toBeUndefined();
  });
});

describe("a session", () => {
  test("ends 15 minutes after the last activity and after 8 hours at most", async () => {
    const browser = await world.signedIn(await world.person());
    const session = (await sessionOf(browser))?.session;
    const minutes = (date: Date | undefined) =>
      Math.round(((date?.getTime() ?? 0) - (session?.createdAt.getTime() ?? 0)) / 60_000);
    expect([minutes(session?.idleEndsAt), minutes(session?.endsAt)]).toEqual([15, 480]);
    await superuser`update sign_in.sessions set updated_at = now() - interval '2 minutes',
      idle_ends_at = now() + interval '1 minute' where id = ${session?.id ?? ""}`;
    await signIn.accounts.touch(session?.id ?? "");
    expect(minutes((await sessionOf(browser))?.session.idleEndsAt)).toBe(15);
    await superuser`update sign_in.sessions set idle_ends_at = now() where id = ${session?.id ?? ""}`;
    expect(await sessionOf(browser)).toBeUndefined();
  });

  test("is extended by activity alone, no further than its end, and not after it has ended", async () => {
    const browser = await world.signedIn(await world.person());
    const id = (await sessionOf(browser))?.session.id ?? "";
    await sessionOf(browser);
    await superuser`update sign_in.sessions set updated_at = now() - interval '2 minutes',
      expires_at = now() + interval '3 minutes' where id = ${id}`;
    await signIn.accounts.touch(id);
    const session = (await sessionOf(browser))?.session;
    expect(session?.idleEndsAt).toEqual(session?.endsAt);
    await superuser`update sign_in.sessions set updated_at = now() - interval '2 minutes', idle_ends_at = now() where id = ${id}`;
    await signIn.accounts.touch(id);
    expect(await sessionOf(browser)).toBeUndefined();
  });

  test.each<readonly [string, (person: Person, browser: Browser) => Promise<unknown>]>([
    ["a sign-out", (_, browser) => browser.post("sign-out", {})],
    [
      "its end in the list",
      async (person, browser) =>
        signIn.accounts.endSession(person.id, (await sessionOf(browser))?.session.id ?? ""),
    ],
    ["the end of all", (person) => signIn.accounts.endSessions(person.id)],
    [
      "a new password in another session",
      async (person) =>
        signIn.accounts.setPassword(person.id, {
          password: "another horse battery staple",
          keepSession: (await sessionOf(await world.signedIn(person)))?.session.id ?? "",
        }),
    ],
    [
      "a second factor added in another session",
      async (person) => world.enrol(person, await world.signedIn(person)),
    ],
    ["a reset of the second factor", (person) => signIn.accounts.resetSecondFactor(person.id)],
    ["a reset of the password", (person) => reset(person)],
  ])("ends at once with %s", async (_, end) => {
    const person = await world.person();
    const browser = await world.signedIn(person);
    const headers = browser.headers();
    expect(await signIn.session(headers)).toBeDefined();
    await end(person, browser);
    expect(await signIn.session(headers)).toBeUndefined();
  });

  test("of another person is not ended by its id", async () => {
    const [mine, other] = [await world.person(), await world.person()];
    const browser = await world.signedIn(other);
    await signIn.accounts.endSession(mine.id, (await sessionOf(browser))?.session.id ?? "");
    expect(await sessionOf(browser)).toBeDefined();
  });
});

describe("a second factor", () => {
  test("is asked for, and gives a session that no cookie before it gave", async () => {
    const { person, secret } = await enrolled();
    const browser = await challenge(person);
    expect(await sessionOf(browser)).toBeUndefined();
    expect(browser.cookie(sessionCookie)).toBeUndefined();
    expect(await browser.post("second-factor", { code: await codeOf(secret) })).toBe("done");
    expect(await sessionOf(browser)).toMatchObject({ userId: person.id, session: { enrolled: true } });
    expect(browser.bodies.join("")).not.toMatch(/token/i);
  });

  test("takes a code once, in two sign-ins at once too", async () => {
    const { person, secret } = await enrolled();
    const browsers = await Promise.all([challenge(person), challenge(person), challenge(person)]);
    const code = await codeOf(secret);
    const answers = await Promise.all(browsers.map((browser) => browser.post("second-factor", { code })));
    expect(answers.toSorted()).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED", "done"]);
  });

  test("takes a backup code once, in two sign-ins at once too", async () => {
    const { person, backupCodes } = await enrolled();
    expect(new Set(backupCodes).size).toBe(10);
    const browsers = await Promise.all([challenge(person), challenge(person)]);
    const [code = ""] = backupCodes;
    const answers = await Promise.all(browsers.map((browser) => browser.post("second-factor", { code })));
    expect(answers.toSorted()).toEqual(["UNAUTHENTICATED", "done"]);
    expect((await signIn.accounts.describe(person.id)).factors).toEqual({
      totp: true,
      passkeys: 0,
      backupCodesLeft: 9,
    });
  });

  test("ends the challenge after five wrong codes", async () => {
    const { person, secret } = await enrolled();
    const browser = await challenge(person);
    for (let i = 0; i < 5; i += 1)
      expect(await browser.post("second-factor", { code: `00000${i}` })).toBe("UNAUTHENTICATED");
    expect(await browser.post("second-factor", { code: await codeOf(secret) })).toBe("UNAUTHENTICATED");
  });

  test("is locked for 15 minutes after ten wrong codes, over all challenges", async () => {
    const { person, secret } = await enrolled();
    for (let round = 0; round < 3; round += 1) {
      const browser = await challenge(person);
      for (let i = 0; i < 4; i += 1) await browser.post("second-factor", { code: `1${round}000${i}` });
    }
    const browser = await challenge(person);
    expect(await browser.post("second-factor", { code: await codeOf(secret) })).toBe("RATE_LIMITED");
  });

  test("is not skipped by a browser that asks to be trusted", async () => {
    const { person, secret } = await enrolled();
    const browser = await challenge(person);
    const code = await codeOf(secret);
    expect(await browser.post("second-factor", { code, trustDevice: true })).toBe("INVALID_INPUT");
    expect(await browser.post("second-factor", { code })).toBe("done");
    await browser.post("sign-out", {});
    expect(await browser.post("email", { email: person.email, password })).toBe("second-factor");
  });

  test("that was begun and not finished is not asked for", async () => {
    const person = await world.person();
    await signIn.accounts.totp.begin(person.id);
    await world.signedIn(person);
    await expect(
      signIn.accounts.totp.finish(person.id, { code: "000000", keepSession: "" }),
    ).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("is encrypted in the database", async () => {
    const { person, secret, backupCodes } = await enrolled();
    const [row] = await superuser`select * from sign_in.two_factors where user_id = ${person.id}`;
    const text = JSON.stringify(row);
    expect(text).not.toContain(secret);
    for (const code of backupCodes) expect(text).not.toContain(code);
  });
});

describe("the steps of a sign-in", () => {
  const since = (mark: number) =>
    events.slice(mark).map(({ action, outcome, reason, userId }) => [action, outcome, reason, userId]);

  test("are audited, the allowed and the refused ones, with the person where one is known", async () => {
    const { person, secret, backupCodes } = await enrolled();
    const wrong = "aaaaa-aaaaa";
    const [right] = backupCodes;
    const browser = world.browser();
    let mark = events.length;
    await browser.post("email", { email: person.email, password: "wrong" });
    await browser.post("email", { email: person.email, password });
    await browser.post("second-factor", { code: wrong });
    await browser.post("second-factor", { code: await codeOf(secret) });
    await browser.post("confirm", { password });
    await browser.post("confirm", { password, code: right });
    await browser.post("sign-out", {});
    await browser.post("second-factor", { code: wrong });
    expect(since(mark)).toEqual([
      ["sign-in", "denied", "UNAUTHENTICATED", undefined],
      ["sign-in", "attempted", undefined, person.id],
      ["sign-in.second-factor", "denied", "UNAUTHENTICATED", person.id],
      ["sign-in.second-factor", "success", undefined, person.id],
      ["sign-in.confirm", "denied", "UNAUTHENTICATED", person.id],
      ["sign-in.confirm", "success", undefined, person.id],
      ["session.end", "success", undefined, person.id],
      ["sign-in.second-factor", "denied", "UNAUTHENTICATED", undefined],
    ]);
    mark = events.length;
    await reset(person);
    await world.browser().post("reset-password", { token: "used", password: "renewed horse battery staple" });
    expect(since(mark)).toEqual([
      ["password.reset", "success", undefined, person.id],
      ["password.reset", "denied", "INVALID_INPUT", undefined],
    ]);
  });
});

describe("a rotation of the secret", () => {
  const second = { version: 2, value: "fake-second-secret-of-a-test-fake-secret-of" };

  test("keeps sessions, challenges, authenticator apps and backup codes, which go with the earlier one", async () => {
    const { person, browser, secret, backupCodes } = await enrolled();
    const [waiting, idle] = [await challenge(person), await enrolled()];
    onTestFinished(() => world.setSecrets([firstSecret]));
    world.setSecrets([second, firstSecret]);
    expect((await sessionOf(browser))?.userId).toBe(person.id);
    expect(await waiting.post("second-factor", { code: await codeOf(secret) })).toBe("done");
    const later = await challenge(person);
    expect(await later.post("second-factor", { code: backupCodes[0] })).toBe("done");

    world.setSecrets([second]);
    expect(await sessionOf(browser)).toBeUndefined();
    expect((await sessionOf(waiting))?.userId).toBe(person.id);
    expect(await (await challenge(person)).post("second-factor", { code: backupCodes[1] })).toBe("done");
    await superuser`delete from sign_in.used_codes where user_id = ${person.id}`;
    expect(await (await challenge(person)).post("second-factor", { code: await codeOf(secret) })).toBe(
      "done",
    );
    // Their app is under the secret that is gone: an operator resets it.
    const stranded = await challenge(idle.person);
    expect(await stranded.post("second-factor", { code: await codeOf(idle.secret) })).toBe("KEY_DESTROYED");
    expect(stranded.bodies.at(-1)).toContain("ask an operator to reset it");
    expect(world.events.at(-1)).toMatchObject({
      action: "sign-in.second-factor",
      outcome: "denied",
      reason: "KEY_DESTROYED",
    });
    expect((await signIn.accounts.describe(idle.person.id)).factors).toMatchObject({
      totp: true,
      backupCodesLeft: 0,
    });
    await signIn.accounts.resetSecondFactor(idle.person.id);
    await world.signedIn(idle.person);
  });

  test("leaves backup codes that were made under it, where the app was added under an earlier one that is gone", async () => {
    const { person } = await enrolled();
    onTestFinished(() => world.setSecrets([firstSecret]));
    world.setSecrets([second, firstSecret]);
    const [first, next] = await signIn.accounts.renewBackupCodes(person.id);
    world.setSecrets([second]);
    for (const code of [first, next])
      expect(await (await challenge(person)).post("second-factor", { code })).toBe("done");
  });
});

describe("a confirmation", () => {
  test("takes password and code, renews the time, and replaces the token", async () => {
    const { person, browser, secret } = await enrolled();
    const before = (await sessionOf(browser))?.session;
    const headers = browser.headers();
    await superuser`update sign_in.sessions set confirmed_at = now() - interval '1 hour' where user_id = ${person.id}`;
    expect(await browser.post("confirm", { password })).toBe("UNAUTHENTICATED");
    expect(await browser.post("confirm", { password: "wrong", code: await codeOf(secret) })).toBe(
      "UNAUTHENTICATED",
    );
    expect(await browser.post("confirm", { password, code: await codeOf(secret) })).toBe("done");
    const after = (await sessionOf(browser))?.session;
    expect(after?.id).toBe(before?.id);
    expect(after?.endsAt).toEqual(before?.endsAt);
    expect(Date.now() - (after?.confirmedAt.getTime() ?? 0)).toBeLessThan(60_000);
    expect(await signIn.session(headers)).toBeUndefined();
  });

  test("ends the session after five wrong ones", async () => {
    const person = await world.person();
    const browser = await world.signedIn(person);
    for (let i = 0; i < 5; i += 1)
      expect(await browser.post("confirm", { password: "wrong" })).toBe("UNAUTHENTICATED");
    expect(await sessionOf(browser)).toBeUndefined();
    expect(await browser.post("confirm", { password })).toBe("UNAUTHENTICATED");
  });

  test("without a session is refused, and audited", async () => {
    const before = events.length;
    expect(await world.browser().post("confirm", { password })).toBe("UNAUTHENTICATED");
    expect(events.slice(before)).toEqual([
      expect.objectContaining({
        action: "sign-in.confirm",
        outcome: "denied",
        reason: "UNAUTHENTICATED",
        userId: undefined,
      }),
    ]);
  });

  test("that 20 requests guess at once gets five tries", async () => {
    const person = await world.person();
    const browser = await world.signedIn(person);
    const before = events.length;
    await Promise.all(Array.from({ length: 20 }, () => browser.post("confirm", { password: "wrong" })));
    const tried = events
      .slice(before)
      .filter(({ action, userId }) => action === "sign-in.confirm" && userId === person.id);
    expect(tried).toHaveLength(5);
  });
});

/** Asks for a reset, and follows the link of its mail. */
async function reset(person: Person, newPassword = "renewed horse battery staple"): Promise<string> {
  const browser = world.browser();
  await browser.post("request-password-reset", { email: person.email });
  await signIn.handler.settle();
  const link = mails.findLast(({ to }) => to === person.email)?.text.match(/http\S+#(\S+)/);
  return browser.post("reset-password", { token: link?.[1] ?? "", password: newPassword });
}

describe("a reset of a password", () => {
  test("is answered alike for every address, and mails a link of our own pages to one that has an account", async () => {
    const person = await world.person();
    const before = mails.length;
    const answers = [];
    for (const email of [person.email, "unknown@acmecorp.example"])
      answers.push(await world.browser().post("request-password-reset", { email }));
    await signIn.handler.settle();
    expect(answers).toEqual(["done", "done"]);
    expect(mails.slice(before).map(({ to }) => to)).toEqual([person.email]);
    expect(mails.at(-1)?.text).toContain(`${publicUrl}/reset#`);
  });

  test("works once, starts no session, keeps the second factor, and tells the person", async () => {
    const { person } = await enrolled();
    const browser = world.browser();
    expect(await reset(person)).toBe("done");
    expect(browser.setCookies).toEqual([]);
    expect(mails.findLast(({ to }) => to === person.email)?.subject).toBe("Your password was changed");
    expect(await browser.post("email", { email: person.email, password })).toBe("UNAUTHENTICATED");
    expect(
      await browser.post("email", { email: person.email, password: "renewed horse battery staple" }),
    ).toBe("second-factor");
    const token = mails.findLast(({ text }) => text.includes("#"))?.text.match(/#(\S+)/)?.[1] ?? "";
    expect(await browser.post("reset-password", { token, password: "third horse battery staple" })).toBe(
      "INVALID_INPUT",
    );
  });

  test("changes the password once where one link is used ten times at once", async () => {
    const person = await world.person();
    const browser = world.browser();
    await browser.post("request-password-reset", { email: person.email });
    await signIn.handler.settle();
    const token = mails.findLast(({ to }) => to === person.email)?.text.match(/#(\S+)/)?.[1] ?? "";
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        browser.post("reset-password", { token, password: `horse battery staple number ${i}` }),
      ),
    );
    expect(answers.filter((answer) => answer === "done")).toHaveLength(1);
  });

  test("leaves the link valid where the new password is weak", async () => {
    const person = await world.person();
    const browser = world.browser();
    await browser.post("request-password-reset", { email: person.email });
    await signIn.handler.settle();
    const token = mails.findLast(({ to }) => to === person.email)?.text.match(/#(\S+)/)?.[1] ?? "";
    for (const weak of ["short", "passwordpassword", `my ${person.email} is it`, "aaaaaaaaaaaaaaaa"])
      expect(await browser.post("reset-password", { token, password: weak })).toBe("INVALID_INPUT");
    expect(browser.bodies.join(" ")).not.toContain("passwordpassword");
    expect(await browser.post("reset-password", { token, password: "renewed horse battery staple" })).toBe(
      "done",
    );
  });

  test("token is stored as a hash", async () => {
    const person = await world.person();
    await world.browser().post("request-password-reset", { email: person.email });
    await signIn.handler.settle();
    const token = mails.findLast(({ to }) => to === person.email)?.text.match(/#(\S+)/)?.[1] ?? "";
    const rows = await superuser`select * from sign_in.verifications`;
    expect(JSON.stringify(rows)).not.toContain(token);
  });
});
