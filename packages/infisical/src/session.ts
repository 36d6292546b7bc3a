import { InfisicalSDK } from "@infisical/sdk";
import { z } from "zod";
import type { Slots } from "./concurrency.ts";
import { startDeadline } from "./deadline.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { send } from "./http.ts";
import { parseJson } from "./json.ts";
import { logInPauseOf, type Credentials } from "./log-in-pause.ts";
import { errorOf, meaningOf } from "./outcome.ts";
import type { Refusal } from "./outcome.ts";
import { callSdk } from "./sdk.ts";
import type { Watch } from "./watch.ts";

/** One log-in: an SDK instance that holds a token, and when that token is to be replaced. */
export interface Session {
  readonly sdk: InfisicalSDK;
  readonly token: string;
  readonly renewAt: number;
  readonly expiresAt: number;
}

export interface Sessions {
  /** The session to use now; concurrent callers share one log-in. */
  current(deadline: Deadline): Promise<Session>;
  /** The server took the token of this session. */
  prove(session: Session): void;
  /**
   * Forgets a session whose token the server refused.
   *
   * @throws {InfisicalError} `UNAUTHORIZED` where it refused the token from the start: another log-in would give another such one
   */
  discard(session: Session): void;
}

const claims = z.object({ iat: z.number().optional(), exp: z.number().optional() });

/**
 * Keeps the client logged in. Always by a new log-in, never by renewing: a renewal beyond the maximum life
 * makes the server kill the token that still worked. And always with a new SDK instance: the old one sends its
 * expired token along with the log-in, and the server refuses the log-in for it.
 */
export function createSessions(
  credentials: Credentials,
  slots: Slots,
  { refusedLogInMs, watch }: { refusedLogInMs: number; watch: Pick<Watch, "failed" | "loggedIn"> },
): Sessions {
  let session: Session | undefined;
  let pending: Promise<Session> | undefined;
  const pause = logInPauseOf(credentials);
  const proven = new WeakSet<Session>();

  const open = async (durationMs: number) => {
    pause.check();
    try {
      session = await openSession(credentials, startDeadline(durationMs), slots);
      watch.loggedIn();
      return session;
    } catch (error) {
      throw error instanceof InfisicalError && error.code === "UNAUTHORIZED" ? paused(error) : error;
    }
  };

  const paused = (error: InfisicalError) => {
    // Jitter: processes that fail together and retry together would lock the identity again.
    const retryAfterMs = Math.round(refusedLogInMs * (1 + Math.random()));
    const sentence = `${error.message}. No other log-in is tried for ${periodOf(retryAfterMs)}, or until this process restarts, since Infisical locks an identity whose log-ins keep failing`;
    const told = new InfisicalError("UNAUTHORIZED", { sentence, retryAfterMs });
    pause.begin(told);
    // No call fails while the old token works, so the failure is reported here.
    watch.failed(told);
    return told;
  };

  // Concurrent calls share one log-in, which has the whole deadline of the first.
  const logIn = (durationMs: number) => (pending ??= open(durationMs).finally(() => (pending = undefined)));

  return {
    async current(deadline) {
      const now = performance.now();
      if (session === undefined || now >= session.expiresAt) return deadline.race(logIn(deadline.durationMs));
      // The old token still works, so no call waits for the new one, and a later call reports a failed renewal.
      if (now >= session.renewAt) logIn(deadline.durationMs).catch(() => undefined);
      return session;
    },
    prove: (accepted) => void proven.add(accepted),
    discard(refused) {
      if (session === refused) session = undefined;
      if (proven.has(refused)) return;
      const error = new InfisicalError("UNAUTHORIZED", {
        sentence: uselessLogIn,
        retryAfterMs: uselessLogInMs,
      });
      pause.begin(error);
      throw error;
    },
  };
}

async function openSession(credentials: Credentials, deadline: Deadline, slots: Slots): Promise<Session> {
  const { siteUrl, clientId, clientSecret } = credentials;
  // The SDK follows redirects, and a 307 would make it hand the client secret to another host. So a request without
  // credentials goes first, which refuses them.
  const probe = { method: "GET", url: `${siteUrl}/api/status`, signal: deadline.signal } as const;
  await slots.run(deadline, () => send(probe), { isUrgent: true });
  const sdk = new InfisicalSDK({ siteUrl });
  const openedAt = performance.now();
  const logIn = async () => {
    await sdk.auth().universalAuth.login({ clientId, clientSecret });
    return sdk.auth().getAccessToken();
  };
  const outcome = await callSdk(logIn, { slots, deadline, isUrgent: true });
  if (outcome.kind === "refused") throw logInError(outcome.refusal);
  const token = outcome.kind === "answered" ? z.string().min(1).safeParse(outcome.body).data : undefined;
  if (token === undefined) throw new InfisicalError("INVALID_RESPONSE");
  const lifeMs = lifeOf(token);
  return { sdk, token, renewAt: openedAt + lifeMs * 0.75, expiresAt: openedAt + lifeMs };
}

// A log-in that succeeds locks nothing, and it may be no more than one replica that does not know the token yet.
const uselessLogInMs = 15_000;
const uselessLogIn =
  "Infisical refuses the token of a log-in that it has just let in; check the trusted addresses and the limits of the machine identity's access tokens";
const locked =
  "Infisical has locked the machine identity for some minutes after log-ins that failed; look for a process with a wrong INFISICAL_CLIENT_SECRET";

const periodOf = (ms: number) =>
  ms < 120_000 ? `${Math.ceil(ms / 1_000)} seconds` : `${Math.round(ms / 60_000)} minutes`;

/** An older server answers 404 for an unknown client id, and any 4xx here is about the credentials. */
function logInError(refusal: Refusal): InfisicalError {
  const isUnknownIdentity = refusal.status === 404 && /^no identity\b/i.test(refusal.message);
  const isRefused =
    isUnknownIdentity || ["FORBIDDEN", "INVALID_INPUT", "TOKEN_REFUSED"].includes(meaningOf(refusal));
  if (!isRefused) return errorOf(refusal);
  const isLocked = /\blocked\b/i.test(refusal.message);
  return new InfisicalError("UNAUTHORIZED", isLocked ? { sentence: locked } : {});
}

/**
 * The life of a token in ms, from its own two dates, so that a clock that differs from the server's does no harm.
 * One that cannot be read is used until the server refuses it.
 */
function lifeOf(token: string): number {
  const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8");
  const { iat, exp } = claims.safeParse(parseJson(payload)).data ?? {};
  if (exp === undefined) return Infinity;
  return Math.max(0, (exp - (iat ?? Date.now() / 1_000)) * 1_000);
}
