import { randomUUID } from "node:crypto";
import { connectSignInDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { operator, type Backends, type Subdomain } from "@repo/hono-api/testing";
import { createSignIn } from "@repo/sign-in";
import { codeOf } from "@repo/sign-in/authenticator-code";
import type { Cookie } from "playwright-core";

export type Role = "owner" | "admin" | "member" | "auditor";

/** A person with an account. */
export interface Person {
  readonly userId: string;
  readonly email: string;
  readonly password: string;
  /** Of the authenticator app; undefined for a person without a second factor. */
  readonly totpSecret: string | undefined;
  /** Each counts once. */
  readonly backupCodes: readonly string[];
}

export interface People {
  /** Makes a person with an account. Owners and admins get a second factor, as the product demands it of them. */
  person(roles: Partial<Record<Subdomain, Role>>, options?: { readonly enrolled?: boolean }): Promise<Person>;
  /** Signs a person in without a browser. @returns the cookie of the session */
  session(person: Person, options?: { readonly confirmed?: boolean }): Promise<SessionCookie>;
  /** Ends the sessions of a person, as a sign-out elsewhere or an operator does. */
  endSessions(person: Person): Promise<void>;
  /** Lets an hour pass since the person last confirmed who they are. */
  unconfirm(person: Pick<Person, "userId">): Promise<void>;
  /** Leaves the sessions of a person so many seconds without input. */
  leaveIdle(person: Person, seconds: number): Promise<void>;
}

type SessionCookie = Pick<Cookie, "name" | "value">;

/** Of every person in tests. */
const password = "correct horse battery staple";

interface Options {
  readonly backends: Backends;
  readonly publicUrl: string;
}

/** People who sign in to the API at `publicUrl`, which has the same Infisical and database. */
export function createPeople({ backends, publicUrl }: Options): People {
  const databaseUrl = backends.database.urls.signIn;
  const signIn = createSignIn({
    databaseUrl,
    secrets: () => backends.secrets.admin.signInSecrets.load(),
    publicUrl,
    sendMail: () => Promise.reject(new Error("The process of the API sends the mails.")),
    admit: async () => {},
    onEvent: async () => {},
  });
  const database = connectSignInDatabase(databaseUrl);
  whenDone(async () => {
    await signIn.close();
    await database.close();
  });

  const take = async (path: string, body: object, cookie = ""): Promise<SessionCookie> => {
    const request = new Request(`${publicUrl}/api/sign-in/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "Tests", cookie },
      body: JSON.stringify(body),
    });
    const response = await whenNotOverloaded(() => signIn.handler(request.clone(), { address: "192.0.2.1" }));
    const pairs = response.headers.getSetCookie().map((line) => line.split(";")[0] ?? "");
    const pair = pairs.findLast((each) => !each.endsWith("=")) ?? "";
    const at = pair.indexOf("=");
    return { name: pair.slice(0, at), value: pair.slice(at + 1) };
  };
  const codesUsed = new Map<string, number>();

  const execute = async (statement: string): Promise<void> => {
    await database.call((statements) => statements.execute(statement));
  };

  const unconfirm: People["unconfirm"] = ({ userId }) =>
    execute(
      `update sign_in.sessions set confirmed_at = now() - interval '1 hour' where user_id = '${userId}'`,
    );

  return {
    unconfirm,
    endSessions: async ({ userId }) => void (await signIn.accounts.endSessions(userId)),
    leaveIdle: ({ userId }, seconds) =>
      execute(
        `update sign_in.sessions set idle_ends_at = now() + interval '${seconds} seconds' where user_id = '${userId}'`,
      ),

    person: async (roles, { enrolled } = {}) => {
      const name = `Pat ${randomUUID().slice(0, 4)}`;
      const email = `${name.replace(" ", "-").toLowerCase()}@acmecorp.example`;
      const id = randomUUID();
      let userId: string = id;
      for (const [company, role] of Object.entries(roles)) {
        const member = { email, name, role };
        ({ userId } = await backends.secrets.admin.members.add(operator, company, member));
      }
      await whenNotOverloaded(() => signIn.accounts.createPassword(userId, password));
      const needsFactor = Object.values(roles).some((role) => role === "owner" || role === "admin");
      if (!(enrolled ?? needsFactor))
        return { userId, email, password, totpSecret: undefined, backupCodes: [] };
      const { secret: totpSecret } = await signIn.accounts.totp.begin(userId);
      const code = await codeOf(totpSecret);
      const backupCodes = await signIn.accounts.totp.finish(userId, { code, keepSession: id });
      return { userId, email, password, totpSecret, backupCodes };
    },

    session: async ({ userId, email, backupCodes }, { confirmed = true } = {}) => {
      let cookie = await take("email", { email, password });
      if (backupCodes.length > 0) {
        // From the end: tests that type one take the first.
        const used = (codesUsed.get(userId) ?? 0) + 1;
        codesUsed.set(userId, used);
        const code = backupCodes.at(-used) ?? "";
        cookie = await take("second-factor", { code }, `${cookie.name}=${cookie.value}`);
      }
      if (!confirmed) await unconfirm({ userId });
      return cookie;
    },
  };
}

/** On a busy machine the hash of a password takes longer than a person is let wait for it. */
async function whenNotOverloaded<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call();
    } catch (error) {
      if (reasonOf(error) !== "OVERLOADED" || tries === 5) throw error;
    }
  }
}

function reasonOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
