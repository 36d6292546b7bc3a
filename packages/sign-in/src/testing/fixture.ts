import { randomUUID } from "node:crypto";
import { RateLimiterMemory } from "rate-limiter-flexible";
import postgres from "postgres";
import { TenantSecretsError } from "@repo/catalog";
import { createTestDatabase, whenDone } from "@repo/db/testing";
import { codeOf } from "../authenticator-code.ts";
import { createSignIn, type Mail, type SignIn, type SignInEvent } from "../index.ts";
import type { SignInSecrets } from "../ports.ts";

export { codeOf } from "../authenticator-code.ts";

export const password = "correct horse battery staple";
export const publicUrl = "http://localhost:3000";

export const firstSecret = { version: 1, value: "fake-secret-of-a-test-fake-secret-of-a-test" } as const;

export interface Person {
  readonly id: string;
  readonly email: string;
}

/** One browser: its cookies, and what it was answered last. */
export interface Browser {
  /** The headers of its requests. */
  headers(): Headers;
  /** @returns the answer's `next`, or the code of the error */
  post(path: string, body: unknown, address?: string): Promise<string>;
  /** The cookies as they were set, with their attributes. */
  readonly setCookies: readonly string[];
  /** Bodies of all answers. */
  readonly bodies: readonly string[];
  setCookie(name: string, value: string): void;
  cookie(name: string): string | undefined;
}

export interface World {
  readonly signIn: SignIn;
  readonly superuser: postgres.Sql;
  readonly mails: Mail[];
  readonly events: SignInEvent[];
  readonly databaseUrl: string;
  /** Replaces the secrets of the sign-in. */
  setSecrets(secrets: SignInSecrets): void;
  person(options?: { readonly password?: string }): Promise<Person>;
  browser(): Browser;
  /** A browser that a person without a second factor has signed in with. */
  signedIn(person: Person): Promise<Browser>;
  /** Enrols an authenticator app. */
  enrol(
    person: Person,
    browser: Browser,
  ): Promise<{ readonly secret: string; readonly backupCodes: readonly string[] }>;
}

/** The sign-in on a database of its own. Rate limits are per key and minute, in memory. */
export async function createWorld({ attemptsPerMinute = 1000 } = {}): Promise<World> {
  const database = await createTestDatabase();
  const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} });
  // Rows of people have MACs by keys of the core, which a trigger checks and this package does not have.
  await superuser`set session_replication_role = replica`;
  const mails: Mail[] = [];
  const events: SignInEvent[] = [];
  const limiter = new RateLimiterMemory({ points: attemptsPerMinute, duration: 60 });
  let secrets: SignInSecrets = [firstSecret];
  const signIn = createSignIn({
    databaseUrl: database.urls.signIn,
    secrets: async () => secrets,
    publicUrl,
    sendMail: async (mail) => void mails.push(mail),
    admit: async (key) => {
      await limiter.consume(key).catch(() => {
        throw new TenantSecretsError("RATE_LIMITED", "Too many attempts.", { retryAfterMs: 1000 });
      });
    },
    onEvent: async (event) => void events.push(event),
  });
  whenDone(async () => {
    await signIn.close();
    await superuser.end();
    await database.drop();
  });

  const person = async (options: { readonly password?: string } = {}): Promise<Person> => {
    const id = randomUUID();
    const email = `pat-${id.slice(0, 8)}@acmecorp.example`;
    await superuser`insert into users (id, email, revision, mac_key_version, mac) values (${id}, ${email}, 1, 1, '\\x00')`;
    await signIn.accounts.createPassword(id, options.password ?? password);
    return { id, email };
  };
  const browser = () => openBrowser(signIn);
  const signedIn = async (who: Person): Promise<Browser> => {
    const opened = browser();
    const next = await opened.post("email", { email: who.email, password });
    if (next !== "done") throw new Error(`the sign-in answered ${next}`);
    return opened;
  };
  return {
    signIn,
    superuser,
    mails,
    events,
    databaseUrl: database.urls.signIn,
    setSecrets: (given) => {
      secrets = given;
    },
    person,
    browser,
    signedIn,
    enrol: async ({ id }, opened) => {
      const { secret } = await signIn.accounts.totp.begin(id);
      const session = await signIn.session(opened.headers());
      const code = await codeOf(secret);
      const backupCodes = await signIn.accounts.totp.finish(id, {
        code,
        keepSession: session?.session.id ?? "",
      });
      await superuser`delete from sign_in.used_codes where user_id = ${id}`;
      return { secret, backupCodes };
    },
  };
}

function openBrowser(signIn: SignIn): Browser {
  const jar = new Map<string, string>();
  const setCookies: string[] = [];
  const bodies: string[] = [];
  const headers = (): Headers =>
    new Headers({
      "content-type": "application/json",
      "user-agent": "Test browser",
      ...(jar.size > 0 && { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") }),
    });
  return {
    headers,
    setCookies,
    bodies,
    setCookie: (name, value) => void jar.set(name, value),
    cookie: (name) => jar.get(name),
    post: async (path, body, address = "192.0.2.1") => {
      const request = new Request(`${publicUrl}/api/sign-in/${path}`, {
        method: "POST",
        headers: headers(),
        body: JSON.stringify(body),
      });
      try {
        const response = await signIn.handler(request, { address });
        for (const cookie of response.headers.getSetCookie()) {
          setCookies.push(cookie);
          const [pair = ""] = cookie.split(";");
          const at = pair.indexOf("=");
          const value = pair.slice(at + 1);
          if (value === "" || /max-age=0/i.test(cookie)) jar.delete(pair.slice(0, at));
          else jar.set(pair.slice(0, at), value);
        }
        const text = await response.text();
        bodies.push(text);
        return String(JSON.parse(text).next);
      } catch (error) {
        if (!(error instanceof TenantSecretsError)) throw error;
        bodies.push(error.message);
        return error.code;
      }
    },
  };
}
