import { APIError } from "better-auth/api";
import { z } from "zod";
import { asTenantSecretsError } from "@repo/audit-log";
import { type ErrorCode, TenantSecretsError, unauthenticated } from "@repo/catalog";
import { scrubDatabaseError } from "@repo/db";
import { accountKey, addressHeader, personOfReset, type LoadAuth } from "./auth.ts";
import type { Challenges } from "./challenges.ts";
import { Assertion, type Passkeys, type RequestOptions } from "./passkeys.ts";
import type { Origin, SignInEvent, SignInOptions } from "./ports.ts";
import { requireStrongPassword } from "./password-rules.ts";
import type { Passwords } from "./passwords.ts";
import type { SecondFactor } from "./second-factor.ts";
import type { Sessions } from "./sessions.ts";

const basePath = "/api/sign-in";

/** What the page shows next. */
export interface SignInAnswer {
  readonly next: "done" | "second-factor";
}

interface Parts {
  readonly loadAuth: LoadAuth;
  readonly options: SignInOptions;
  readonly sessions: Sessions;
  readonly challenges: Challenges;
  readonly secondFactor: SecondFactor;
  readonly passkeys: Passkeys;
  readonly passwords: Passwords;
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

/** What better-auth answers to a right password. */
const SignedIn = z.object({
  user: z.object({ id: z.uuid() }).optional(),
  twoFactorRedirect: z.boolean().optional(),
});

interface Denial {
  readonly userId?: string | undefined;
  readonly error?: TenantSecretsError;
}

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
  loadAuth,
  options,
  sessions,
  challenges,
  secondFactor,
  passkeys,
  passwords,
}: Parts): SignInHandler {
  const behind = new Set<Promise<void>>();

  const record = (event: SignInEvent, { address, requestId }: Origin): Promise<void> =>
    options.onEvent({ ...event, address, requestId });
  const signedIn = async (
    action: "sign-in" | "sign-in.second-factor",
    userId: string | undefined,
    origin: Origin,
  ): Promise<void> => {
    if (userId !== undefined) await sessions.noteSignIn(userId);
    await record({ action, outcome: "success", userId }, origin);
  };
  const denied = async (
    action: SignInEvent["action"],
    origin: Origin,
    { userId, error = wrongCredentials() }: Denial = {},
  ): Promise<TenantSecretsError> => {
    await record({ action, outcome: "denied", reason: error.code, userId }, origin);
    return error;
  };
  const admit = async (kind: string, origin: Origin, account?: string): Promise<void> => {
    await options.admit(`${kind} from ${origin.address ?? "an unknown address"}`, origin);
    if (account !== undefined) await options.admit(`${kind} of ${account}`, origin);
  };

  /** Calls better-auth without the client's cookies, and with no header of the client that it does not need. */
  const call = async (path: string, body: object, { headers, origin }: Step): Promise<Response> => {
    const request = new Request(`${options.publicUrl}/api/auth${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: {
        "content-type": "application/json",
        origin: new URL(options.publicUrl).origin,
        "user-agent": headers.get("user-agent") ?? "",
        ...(origin.address !== undefined && { [addressHeader]: origin.address }),
      },
    });
    const response = await (await loadAuth()).auth.handler(request);
    if (!response.ok)
      throw response.status < 500 ? new Refused() : new Error(`sign-in status ${response.status}`);
    return response;
  };
  /** @throws {TenantSecretsError} as `SecondFactor.accepts`, audited */
  const accepts = (
    code: string,
    { action, userId, origin }: Pick<SignInEvent, "action"> & { userId: string; origin: Origin },
  ): Promise<boolean> =>
    secondFactor.accepts(userId, code).catch(async (error: unknown) => {
      const isRefusal = error instanceof TenantSecretsError && refusals.has(error.code);
      throw isRefusal ? await denied(action, origin, { userId, error }) : error;
    });

  const steps: { readonly [P in Path]: (body: z.infer<(typeof bodies)[P]>, step: Step) => Promise<Done> } = {
    email: async ({ email, password }, step) => {
      await admit("sign-in", step.origin, accountKey(email));
      const response = await call("/sign-in/email", { email, password }, step).catch(
        async (error: unknown) => {
          throw error instanceof Refused ? await denied("sign-in", step.origin) : error;
        },
      );
      const cookies = response.headers.getSetCookie();
      const { user, twoFactorRedirect } = SignedIn.parse(await response.json());
      if (twoFactorRedirect === true) {
        const found = await (await loadAuth()).context.internalAdapter.findUserByEmail(email.toLowerCase());
        await record({ action: "sign-in", outcome: "attempted", userId: found?.user.id }, step.origin);
        return { answer: { next: "second-factor" }, cookies };
      }
      await signedIn("sign-in", user?.id, step.origin);
      return { answer: { next: "done" }, cookies };
    },

    "second-factor": async ({ code }, { headers, origin }) => {
      const action = "sign-in.second-factor";
      const challenge = await challenges.find(headers);
      await admit("second-factor", origin, challenge?.userId);
      if (challenge === undefined) throw await denied(action, origin);
      const { userId } = challenge;
      const isRight =
        (await challenges.takeAttempt(challenge)) && (await accepts(code, { action, userId, origin }));
      const device = headers.get("user-agent") ?? "";
      const cookies = isRight
        ? await sessions.beginAfter(challenge, { address: origin.address, device })
        : undefined;
      if (cookies === undefined) throw await denied(action, origin, { userId });
      await signedIn(action, userId, origin);
      return { answer: { next: "done" }, cookies };
    },

    "passkey-options": async (_, { origin }) => {
      // Each visit of the page asks for them, so that they are counted apart from the attempts.
      await admit("passkey-options", origin);
      return { answer: await passkeys.ask(), cookies: [] };
    },

    passkey: async ({ passkey }, { headers, origin }) => {
      await admit("passkey", origin);
      const userId = await passkeys.verify(passkey);
      if (userId === undefined) throw await denied("sign-in", origin);
      const device = headers.get("user-agent") ?? "";
      const cookie = await sessions.begin(userId, { address: origin.address, device });
      if (cookie === undefined) throw await denied("sign-in", origin, { userId });
      await signedIn("sign-in", userId, origin);
      return { answer: { next: "done" }, cookies: [cookie] };
    },

    confirm: async (given, { headers, origin }) => {
      const action = "sign-in.confirm";
      await admit("confirm", origin);
      const session = await sessions.find(headers);
      if (session === undefined) throw await denied(action, origin);
      const { id, userId, enrolled } = session;
      if (!(await sessions.takeAttempt(id))) throw wrongCredentials();
      const isRight =
        "passkey" in given
          ? (await passkeys.verify(given.passkey)) === userId
          : (await passwords.isOf(userId, given.password)) &&
            (!enrolled ||
              (given.code !== undefined && (await accepts(given.code, { action, userId, origin }))));
      if (!isRight) {
        if (await sessions.endIfSpent(id))
          await record({ action: "session.end", outcome: "success", userId }, origin);
        throw await denied(action, origin, { userId });
      }
      const cookie = await sessions.confirm(id, { secondFactor: enrolled || "passkey" in given });
      if (cookie === undefined) throw wrongCredentials();
      await record({ action, outcome: "success", userId }, origin);
      return { answer: { next: "done" }, cookies: [cookie] };
    },

    "sign-out": async (_, { headers, origin }) => {
      const { userId, cookie } = await sessions.signOut(headers);
      if (userId !== undefined) await record({ action: "session.end", outcome: "success", userId }, origin);
      return { answer: { next: "done" }, cookies: [cookie] };
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
      const { internalAdapter } = (await loadAuth()).context;
      const userId = await personOfReset(internalAdapter, token);
      await call("/reset-password", { token, newPassword: password }, step).catch(async (error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        throw await denied("password.reset", step.origin, { userId, error: linkEnded() });
      });
      await record({ action: "password.reset", outcome: "success", userId }, step.origin);
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

/** Errors of a second factor that are not the deployment's: it is locked, or can be verified no more. */
const refusals: ReadonlySet<ErrorCode> = new Set(["RATE_LIMITED", "KEY_DESTROYED"]);

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

function linkEnded(): TenantSecretsError {
  const message = "This link has expired or was used: ask for another one.";
  return new TenantSecretsError("INVALID_INPUT", message, { fields: ["token"] });
}

function inputProblem(error: z.ZodError): string {
  const fields = [...new Set(error.issues.map(({ path }) => path.join(".")).filter((field) => field !== ""))];
  return fields.length === 0
    ? "The body has other fields than this route takes."
    : `These fields are malformed: ${fields.join(", ")}.`;
}
