import { APIError } from "better-auth/api";
import { z } from "zod";
import { asTenantSecretsError } from "@repo/audit-log";
import { TenantSecretsError, unauthenticated } from "@repo/catalog";
import { scrubDatabaseError } from "@repo/db";
import { accountKey, addressHeader, type Auth } from "./auth.ts";
import { Assertion, type Passkeys, type RequestOptions } from "./passkeys.ts";
import type { Origin, SignInEvent, SignInOptions } from "./ports.ts";
import { requireStrongPassword } from "./password-rules.ts";
import { verifyPassword } from "./password-hash.ts";
import type { SecondFactor } from "./second-factor.ts";
import { cookieOf, type Sessions } from "./sessions.ts";

const basePath = "/api/sign-in";

/** What the page shows next. */
export interface SignInAnswer {
  readonly next: "done" | "second-factor";
}

interface Parts {
  readonly auth: Auth;
  readonly options: SignInOptions;
  readonly sessions: Sessions;
  readonly secondFactor: SecondFactor;
  readonly passkeys: Passkeys;
  /** The hash of a person's password. */
  readonly findHash: (userId: string) => Promise<string | undefined>;
}

interface Step {
  readonly headers: Headers;
  readonly origin: Origin;
}

/** What a step answers, and the cookies that go with it. */
interface Done {
  readonly answer: SignInAnswer | RequestOptions;
  readonly cookies: readonly string[];
}

/** Limits keep the work bounded: Argon2 reads all of a password. */
const Password = z.string().min(1).max(1024);
const Email = z.string().min(3).max(254);
const Code = z.string().regex(/^(?:\d{6}|[a-zA-Z0-9]{5}-[a-zA-Z0-9]{5})$/);

const bodies = {
  email: z.strictObject({ email: Email, password: Password }),
  "second-factor": z.strictObject({ code: Code }),
  confirm: z.union([
    z.strictObject({ password: Password, code: Code.optional() }),
    z.strictObject({ passkey: Assertion }),
  ]),
  // By POST, since it makes a challenge.
  "passkey-options": z.strictObject({}),
  passkey: z.strictObject({ passkey: Assertion }),
  "request-password-reset": z.strictObject({ email: Email }),
  "reset-password": z.strictObject({ token: z.string().min(1).max(100), password: Password }),
  "sign-out": z.strictObject({}),
} as const;
type Path = keyof typeof bodies;

/**
 * The paths of the sign-in, all POST with JSON: `email`, `second-factor`, `passkey-options`, `passkey`, `confirm`, `sign-out`, `request-password-reset`,
 * `reset-password`. The token of a session is in the cookie alone.
 */
export interface SignInHandler {
  /**
   * @throws {TenantSecretsError} INVALID_INPUT; UNAUTHENTICATED with the same message whatever is wrong; RATE_LIMITED;
   *   OVERLOADED; NOT_FOUND for another path; DATABASE_UNAVAILABLE
   */
  (request: Request, origin?: Origin): Promise<Response>;
  /** Resolves once mails of resets are sent. */
  settle(): Promise<void>;
}

export function createSignInHandler({
  auth,
  options,
  sessions,
  secondFactor,
  passkeys,
  findHash,
}: Parts): SignInHandler {
  const behind = new Set<Promise<void>>();

  const record = (event: SignInEvent, { address, requestId }: Origin): Promise<void> =>
    options.onEvent({ ...event, address, requestId });
  const denied = async (
    action: SignInEvent["action"],
    origin: Origin,
    userId?: string,
  ): Promise<TenantSecretsError> => {
    await record({ action, outcome: "denied", reason: "UNAUTHENTICATED", userId }, origin);
    return wrongCredentials();
  };
  const admit = async (kind: string, origin: Origin, account?: string): Promise<void> => {
    await options.admit(`${kind} from ${origin.address ?? "an unknown address"}`, origin);
    if (account !== undefined) await options.admit(`${kind} of ${account}`, origin);
  };

  /** Calls better-auth with the cookies that this step is about, and no other header of the client. */
  const call = async (path: string, body: object, { headers, origin }: Step): Promise<Response> => {
    const request = new Request(`${options.publicUrl}/api/auth${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: {
        "content-type": "application/json",
        origin: new URL(options.publicUrl).origin,
        "user-agent": headers.get("user-agent") ?? "",
        ...(origin.address !== undefined && { [addressHeader]: origin.address }),
        cookie: headers.get("cookie") ?? "",
      },
    });
    const response = await auth.handler(request);
    if (!response.ok)
      throw response.status < 500 ? new Refused() : new Error(`sign-in status ${response.status}`);
    return response;
  };
  const userOf = async (response: Response): Promise<string> => {
    const { user } = z.object({ user: z.object({ id: z.uuid() }) }).parse(await response.json());
    return user.id;
  };

  /** The person that a challenge of the second factor was given to. */
  const challenged = async (headers: Headers): Promise<string | undefined> => {
    const context = await auth.$context;
    const signed = cookieOf(headers, context.createAuthCookie("two_factor").name);
    const identifier = signed?.slice(0, signed.lastIndexOf("."));
    if (!identifier) return undefined;
    return (await context.internalAdapter.findVerificationValue(identifier))?.value;
  };
  /** Without the session of this browser: a code belongs to the challenge, whose wrong ones are counted. */
  const withoutSession = async (headers: Headers): Promise<Headers> => {
    const { authCookies, createAuthCookie } = await auth.$context;
    const challenge = createAuthCookie("two_factor").name;
    const value = cookieOf(headers, challenge);
    const kept = new Headers(headers);
    kept.delete("cookie");
    if (value !== undefined && challenge !== authCookies.sessionToken.name)
      kept.set("cookie", `${challenge}=${encodeURIComponent(value)}`);
    return kept;
  };

  /** Whether the password is the person's, and where there is a second factor the code, too. */
  const isPerson = async (
    { userId, enrolled }: { readonly userId: string; readonly enrolled: boolean },
    { password, code }: { readonly password: string; readonly code?: string | undefined },
  ): Promise<boolean> => {
    const hash = await findHash(userId);
    if (hash === undefined || !(await verifyPassword(hash, password))) return false;
    return !enrolled || (code !== undefined && (await secondFactor.accepts(userId, code)));
  };

  const steps: { readonly [P in Path]: (body: z.infer<(typeof bodies)[P]>, step: Step) => Promise<Done> } = {
    email: async ({ email, password }, step) => {
      await admit("sign-in", step.origin, accountKey(email));
      const headers = await withoutSession(step.headers);
      const response = await call("/sign-in/email", { email, password }, { ...step, headers }).catch(
        async (error: unknown) => {
          throw error instanceof Refused ? await denied("sign-in", step.origin) : error;
        },
      );
      const cookies = response.headers.getSetCookie();
      const answer = z
        .object({ twoFactorRedirect: z.boolean().optional() })
        .parse(await response.clone().json());
      if (answer.twoFactorRedirect === true) return { answer: { next: "second-factor" }, cookies };
      await record({ action: "sign-in", outcome: "success", userId: await userOf(response) }, step.origin);
      return { answer: { next: "done" }, cookies };
    },

    "second-factor": async ({ code }, step) => {
      const userId = await challenged(step.headers);
      await admit("second-factor", step.origin, userId);
      const headers = await withoutSession(step.headers);
      const path = /^\d{6}$/.test(code) ? "/two-factor/verify-totp" : "/two-factor/verify-backup-code";
      const response = await call(path, { code }, { ...step, headers }).catch(async (error: unknown) => {
        throw error instanceof Refused ? await denied("sign-in.second-factor", step.origin, userId) : error;
      });
      await record(
        { action: "sign-in.second-factor", outcome: "success", userId: await userOf(response) },
        step.origin,
      );
      return { answer: { next: "done" }, cookies: response.headers.getSetCookie() };
    },

    "passkey-options": async (_, { origin }) => {
      await admit("passkey", origin);
      return { answer: await passkeys.ask(), cookies: [] };
    },

    passkey: async ({ passkey }, { headers, origin }) => {
      await admit("passkey", origin);
      const userId = await passkeys.verify(passkey);
      if (userId === undefined) throw await denied("sign-in", origin);
      const device = headers.get("user-agent") ?? "";
      const cookie = await sessions.begin(userId, { address: origin.address, device });
      await record({ action: "sign-in", outcome: "success", userId }, origin);
      return { answer: { next: "done" }, cookies: [cookie] };
    },

    confirm: async (given, { headers, origin }) => {
      await admit("confirm", origin);
      const session = await sessions.find(headers);
      if (session === undefined) throw wrongCredentials();
      const { id, userId, enrolled } = session;
      if (!(await sessions.takeAttempt(id))) throw wrongCredentials();
      const isRight =
        "passkey" in given
          ? (await passkeys.verify(given.passkey)) === userId
          : await isPerson({ userId, enrolled }, given);
      if (!isRight) {
        if (await sessions.endIfSpent(id))
          await record({ action: "session.end", outcome: "success", userId }, origin);
        throw await denied("sign-in.confirm", origin, userId);
      }
      const cookie = await sessions.confirm(id);
      if (cookie === undefined) throw wrongCredentials();
      await record({ action: "sign-in.confirm", outcome: "success", userId }, origin);
      return { answer: { next: "done" }, cookies: [cookie] };
    },

    "sign-out": async (_, step) => {
      const session = await sessions.find(step.headers);
      const response = await call("/sign-out", {}, step);
      if (session !== undefined)
        await record({ action: "session.end", outcome: "success", userId: session.userId }, step.origin);
      return { answer: { next: "done" }, cookies: response.headers.getSetCookie() };
    },

    "request-password-reset": async ({ email }, step) => {
      await admit("password-reset", step.origin, accountKey(email));
      // Behind the answer, so that it takes as long for an address that has an account as for one that has none.
      const send = async (): Promise<void> => {
        try {
          await call("/request-password-reset", { email }, step);
        } catch {
          await record({ action: "password.reset", outcome: "denied", reason: "INTERNAL" }, step.origin);
        }
      };
      const work = send().catch(() => {});
      behind.add(work);
      void work.finally(() => behind.delete(work));
      return { answer: { next: "done" }, cookies: [] };
    },

    "reset-password": async ({ token, password }, step) => {
      await admit("password-reset", step.origin);
      requireStrongPassword(password, "@");
      await call("/reset-password", { token, newPassword: password }, step).catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        throw new TenantSecretsError(
          "INVALID_INPUT",
          "This link has expired or was used: ask for another one.",
          {
            fields: ["token"],
          },
        );
      });
      await record({ action: "password.reset", outcome: "success" }, step.origin);
      return { answer: { next: "done" }, cookies: [] };
    },
  };

  const run = async (path: string, request: Request, origin: Origin): Promise<Done> => {
    if (!isPath(path) || request.method !== "POST")
      throw new TenantSecretsError("NOT_FOUND", "There is no such route: check method and path.");
    const body = bodies[path].safeParse(await request.json().catch(() => undefined));
    if (!body.success) throw new TenantSecretsError("INVALID_INPUT", inputProblem(body.error));
    const step = stepOf(steps, path);
    return step(body.data, { headers: request.headers, origin });
  };

  const handle = async (request: Request, origin: Origin = {}): Promise<Response> => {
    const { pathname } = new URL(request.url);
    const path = pathname.startsWith(`${basePath}/`) ? pathname.slice(basePath.length + 1) : "";
    try {
      const { answer, cookies } = await run(path, request, origin);
      const headers = new Headers({ "cache-control": "no-store" });
      for (const cookie of cookies) headers.append("set-cookie", cookie);
      return Response.json(answer, { headers });
    } catch (error) {
      throw asTenantSecretsError(scrubDatabaseError(causeOf(error)));
    }
  };
  return Object.assign(handle, {
    settle: async () => {
      await Promise.all(behind);
    },
  });
}

function isPath(path: string): path is Path {
  return Object.hasOwn(bodies, path);
}

/** The step of a path, whose body was parsed by the schema of the same path. */
function stepOf(steps: object, path: Path): (body: unknown, step: Step) => Promise<Done> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript loses that body and step share the path
  return (steps as Record<Path, (body: unknown, step: Step) => Promise<Done>>)[path];
}

/** A 4xx of better-auth: wrong credentials, a wrong or used code, a challenge or token that has ended. */
class Refused extends Error {}

/** better-auth wraps what its adapter throws. */
function causeOf(error: unknown): unknown {
  return error instanceof APIError && error.cause !== undefined ? error.cause : error;
}

function wrongCredentials(): TenantSecretsError {
  return new TenantSecretsError(
    unauthenticated().code,
    "The e-mail address, the password or the code is wrong, or the sign-in has ended: begin again.",
  );
}

function inputProblem(error: z.ZodError): string {
  const fields = [...new Set(error.issues.map(({ path }) => path.join(".")).filter((field) => field !== ""))];
  return fields.length === 0
    ? "The body has other fields than this route takes."
    : `These fields are malformed: ${fields.join(", ")}.`;
}
