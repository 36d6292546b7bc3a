import type { InfisicalError, InfisicalErrorCode } from "./errors.ts";
import { nameOfRight } from "./rights.ts";
import type { InfisicalRight } from "./rights.ts";

/** That something begins to be wrong with Infisical, or ends: a line for the log. Holds no address, company or value. */
export interface InfisicalNews {
  readonly level: "error" | "warn" | "info";
  /** What it means, and what to do. */
  readonly sentence: string;
  /** Of the first error; none at the end. */
  readonly code?: InfisicalErrorCode;
}

/** Turns what becomes of single calls into what begins and ends. */
export interface Watch {
  failed(error: InfisicalError): void;
  loggedIn(): void;
  /** @param granted rights that the server has just shown that we have */
  succeeded(granted: readonly InfisicalRight[]): void;
  /** The current problems, a sentence each. */
  troubles(): readonly string[];
}

interface Trouble {
  readonly begunAt: number;
  lastAt: number;
  readonly sentence: string;
  readonly right?: InfisicalRight;
}

// A server that fails now and then is one outage with one end, not a pair of lines for each call.
const calmMs = 5_000;
// Milliseconds. A denied permission that was not needed for so long may have been granted meanwhile, so it is no longer reported.
const denialMs = 600_000;

export function createWatch(say: (news: InfisicalNews) => void): Watch {
  const standing = new Map<string, Trouble>();
  let loggedInAt = -Infinity;

  const end = (kind: string, sentence: string) => {
    standing.delete(kind);
    say({ level: "info", sentence });
  };

  const forgetDenials = (now: number) => {
    for (const [kind, { right, lastAt }] of standing) {
      if (right === undefined || now - lastAt < denialMs) continue;
      end(
        kind,
        `Nothing has tried to ${nameOfRight(right)} for 10 minutes, so whether it is denied is not known.`,
      );
    }
  };

  return {
    failed(error) {
      const kind = kindOf(error);
      if (kind === undefined) return;
      const now = performance.now();
      const known = standing.get(kind);
      if (known !== undefined) {
        known.lastAt = now;
        return;
      }
      const sentence = beginningOf(kind, error.message);
      const right = error.right === undefined ? {} : { right: error.right };
      standing.set(kind, { begunAt: now, lastAt: now, sentence, ...right });
      say({ level: kind === "rate limit" ? "warn" : "error", sentence, code: error.code });
    },
    loggedIn: () => void (loggedInAt = performance.now()),
    succeeded(granted) {
      if (standing.size === 0) return;
      const now = performance.now();
      for (const kind of ["outage", "rate limit"]) {
        const trouble = standing.get(kind);
        if (trouble === undefined || now - trouble.lastAt < calmMs) continue;
        const seconds = Math.round((trouble.lastAt - trouble.begunAt) / 1_000);
        end(kind, `Infisical answers again; the ${kind} lasted ${seconds} s.`);
      }
      const logIn = standing.get("log-in");
      if (logIn !== undefined && loggedInAt > logIn.lastAt)
        end("log-in", "Infisical lets this service in again.");
      if (standing.has("project")) end("project", "Infisical knows the project and the environment again.");
      if (standing.has("membership")) {
        end("membership", "The machine identity is a member of the Infisical project again.");
      }
      for (const right of granted) {
        const kind = kindOfRight(right);
        if (standing.has(kind)) end(kind, `The machine identity may ${nameOfRight(right)} again.`);
      }
      forgetDenials(now);
    },
    troubles() {
      forgetDenials(performance.now());
      return Array.from(standing.values(), ({ sentence }) => sentence);
    },
  };
}

/** Undefined for the caller's own errors: an invalid input, or its exhausted share of the rate limit. */
function kindOf({ code, right, isOwnLimit }: InfisicalError): string | undefined {
  switch (code) {
    case "INVALID_INPUT":
      return undefined;
    case "RATE_LIMITED":
      return isOwnLimit === true ? undefined : "rate limit";
    case "UNAUTHORIZED":
      return "log-in";
    case "NOT_FOUND":
      return "project";
    case "FORBIDDEN":
      return right === undefined ? "membership" : kindOfRight(right);
    default:
      return "outage";
  }
}

const kindOfRight = (right: InfisicalRight) => `right to ${nameOfRight(right)}`;

const meanwhile =
  "Until then, companies whose secrets live in Infisical are served from the cache, and their other reads and their writes fail.";

function beginningOf(kind: string, message: string): string {
  const told = `${message.charAt(0).toUpperCase()}${message.slice(1)}.`;
  return kind.startsWith("right to ")
    ? `${told} Calls that need it fail until then.`
    : `${told} ${meanwhile}`;
}
