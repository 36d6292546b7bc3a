import { z } from "zod";
import type { Generation } from "./generation.ts";
import { unauthorized } from "./refusal.ts";
import type { State } from "./state.ts";
import type { TokenAnswer, Tokens } from "./tokens.ts";

export const loginBody = z.object({ clientId: z.string().trim(), clientSecret: z.string().trim() });

const maxFailures = 3;
const lockMs = 300_000;
const forgetMs = 30_000;

export type LogIn = (body: z.output<typeof loginBody>) => TokenAnswer;

/** Universal Auth. On a newer server three failures within half a minute lock the identity for five. */
export function createLogIn(state: State, tokens: Tokens, generation: Generation): LogIn {
  const failures = new Map<string, { count: number; lastAt: number }>();
  return ({ clientId, clientSecret }) => {
    const now = Date.now();
    const failed = failures.get(clientId);
    if (failed !== undefined && failed.count >= maxFailures && now < failed.lastAt + lockMs) {
      throw unauthorized("This identity auth method is temporarily locked, please try again later");
    }
    const identity = state.identities.find((known) => known.clientId === clientId);
    if (identity?.clientSecret === clientSecret) {
      failures.delete(clientId);
      return tokens.issue(identity);
    }
    if (identity === undefined) throw generation.refusals.unknownClient();
    if (generation.locksAfterFailedLogIns) {
      const isRecent = failed !== undefined && now < failed.lastAt + forgetMs;
      failures.set(clientId, { count: (isRecent ? failed.count : 0) + 1, lastAt: now });
    }
    throw unauthorized("Invalid credentials");
  };
}
