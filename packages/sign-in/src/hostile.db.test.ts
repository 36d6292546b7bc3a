import { createServer } from "node:net";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAuth } from "./auth.ts";
import { createSignIn } from "./index.ts";
import { connectSignInDatabase } from "@repo/db";
import { createPasswords } from "./passwords.ts";
import { codeOf, createWorld, firstSecret, password, publicUrl } from "./testing/fixture.ts";

const attemptsPerMinute = 20;
const world = await createWorld({ attemptsPerMinute });
const { signIn } = world;

const send = (path: string, init: RequestInit = {}) =>
  signIn
    .handler(new Request(`${publicUrl}${path}`, { method: "POST", body: "{}", ...init }))
    .then(({ status }) => String(status))
    .catch((error: { code: string }) => error.code);

describe("the paths of the sign-in", () => {
  test("are ours alone: none of better-auth's can be reached", async () => {
    const options = {
      secrets: [firstSecret] as const,
      publicUrl,
      sendMail: async () => {},
    };
    const database = connectSignInDatabase(world.databaseUrl);
    onTestFinished(() => database.close());
    const auth = createAuth(options, { database, passwords: createPasswords(database) });
    const paths = Object.values(auth.api).flatMap((endpoint) =>
      "path" in endpoint && typeof endpoint.path === "string" ? [endpoint.path] : [],
    );
    expect(paths.length).toBeGreaterThan(20);
    const ours = new Set(["/sign-out", "/request-password-reset", "/reset-password"]);
    for (const path of paths) {
      for (const base of ["/api/sign-in", "/api/auth", "/api/sign-in/../auth"]) {
        const isOurs = base === "/api/sign-in" && ours.has(path);
        const answer = await send(base + path, { body: '{"of":"another form"}' });
        expect([base + path, answer]).toEqual([base + path, isOurs ? "INVALID_INPUT" : "NOT_FOUND"]);
      }
    }
    // Those of ours that have the same name take other bodies.
    expect(await send("/api/sign-in/sign-out", { body: '{"callbackURL":"https://evil.example"}' })).toBe(
      "INVALID_INPUT",
    );
    expect(await send("/api/sign-in/reset-password?token=x", { body: '{"newPassword":"x"}' })).toBe(
      "INVALID_INPUT",
    );
  });

  test("take POST alone", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH"])
      expect(await send("/api/sign-in/email", { method, body: method === "GET" ? null : "{}" })).toBe(
        "NOT_FOUND",
      );
  });

  test.each(["__proto__", "constructor", "toString", "email/", "EMAIL", "email%00", "..", ""])(
    "do not include %j",
    async (path) => {
      expect(await send(`/api/sign-in/${path}`)).toBe("NOT_FOUND");
    },
  );
});

describe("a malformed body", () => {
  test.each([
    "",
    "null",
    "[]",
    "{",
    "{}",
    '{"email":"pat@acmecorp.example"}',
    '{"email":["pat@acmecorp.example"],"password":"x"}',
    '{"email":"pat@acmecorp.example","password":""}',
    `{"email":"pat@acmecorp.example","password":"${"x".repeat(1025)}"}`,
    '{"email":"pat@acmecorp.example","password":"x","callbackURL":"https://evil.example"}',
    '{"email":"pat@acmecorp.example","password":"x","rememberMe":true}',
    '{"email":"pat@acmecorp.example","password":"x","__proto__":{"admin":true}}',
  ])("is refused before any work: %s", async (body) => {
    expect(await send("/api/sign-in/email", { body })).toBe("INVALID_INPUT");
  });

  test.each([
    "pat@acmecorp.example\0",
    "'; drop table users; --",
    "pat@acmecorp.example\r\nbcc: x@evil.example",
  ])("with the address %j finds no account", async (email) => {
    const answer = await send("/api/sign-in/email", { body: JSON.stringify({ email, password: "x" }) });
    expect(["UNAUTHENTICATED", "INVALID_INPUT"]).toContain(answer);
  });
});

describe("guesses", () => {
  test("of one account's password are limited, from one address and from many", async () => {
    const person = await world.person();
    const tried = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        world.browser().post("email", { email: person.email, password: `guess ${i}` }, `198.51.100.${i}`),
      ),
    );
    expect(tried.filter((answer) => answer !== "RATE_LIMITED")).toHaveLength(attemptsPerMinute);
    expect(
      await world.browser().post("email", { email: person.email.toUpperCase(), password }, "203.0.113.9"),
    ).toBe("RATE_LIMITED");
  });

  test("from one address are limited, over many accounts", async () => {
    const tried = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        world
          .browser()
          .post("email", { email: `user${i}@acmecorp.example`, password: "guess" }, "203.0.113.1"),
      ),
    );
    expect(tried.filter((answer) => answer !== "RATE_LIMITED")).toHaveLength(attemptsPerMinute);
  });

  test("of codes are ten for a factor, of 50 at once over 10 sign-ins", async () => {
    const roomy = await createWorld();
    const person = await roomy.person();
    const { secret } = await roomy.enrol(person, await roomy.signedIn(person));
    const browsers = await Promise.all(
      Array.from({ length: 10 }, async () => {
        const browser = roomy.browser();
        await browser.post("email", { email: person.email, password });
        return browser;
      }),
    );
    const answers = await Promise.all(
      browsers.flatMap((browser, b) =>
        Array.from({ length: 5 }, (_, i) =>
          browser.post("second-factor", { code: String(100_000 + 10 * b + i) }),
        ),
      ),
    );
    expect(answers).not.toContain("done");
    // A code is stored when it is verified.
    expect(await roomy.superuser`select from sign_in.used_codes where user_id = ${person.id}`).toHaveLength(
      10,
    );
    const last = roomy.browser();
    await last.post("email", { email: person.email, password });
    expect(await last.post("second-factor", { code: await codeOf(secret) })).toBe("RATE_LIMITED");
    await roomy.superuser`update sign_in.two_factors set locked_until = now() where user_id = ${person.id}`;
    expect(await last.post("second-factor", { code: await codeOf(secret) })).toBe("done");
  });
});

test("without its database, each step says so", async () => {
  const holder = createServer();
  await once(holder.listen(0, "127.0.0.1"), "listening");
  const address = holder.address();
  const port = typeof address === "object" ? address?.port : undefined;
  holder.close();
  const url = new URL(world.databaseUrl);
  url.port = String(port);
  const apart = createSignIn({
    databaseUrl: url.href,
    secrets: async () => [firstSecret],
    publicUrl,
    sendMail: async () => {},
    admit: async () => {},
    onEvent: async () => {},
  });
  onTestFinished(() => apart.close());
  const browser = await world.signedIn(await world.person());
  await expect(apart.session(browser.headers())).rejects.toMatchObject({ kind: "unavailable" });
  const body = JSON.stringify({ email: "pat@acmecorp.example", password });
  await expect(
    apart.handler(new Request(`${publicUrl}/api/sign-in/email`, { method: "POST", body })),
  ).rejects.toMatchObject({ code: "DATABASE_UNAVAILABLE" });
});

test.each(["http://secrets.example.com", "http://10.0.0.7:3000"])(
  "is not offered at %s, where browsers keep no secure cookie",
  (url) => {
    expect(() =>
      createSignIn({
        databaseUrl: world.databaseUrl,
        secrets: async () => [firstSecret],
        publicUrl: url,
        sendMail: async () => {},
        admit: async () => {},
        onEvent: async () => {},
      }),
    ).toThrow(TypeError);
  },
);
