import type { Scope } from "./answers.ts";
import { createBreaker } from "./breaker.ts";
import type { BreakerState } from "./breaker.ts";
import { createCaller } from "./calls.ts";
import type { Caller } from "./calls.ts";
import { createTurns } from "./concurrency.ts";
import { createExchange } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { createFolders } from "./folders.ts";
import type { Folders } from "./folders.ts";
import type { Credentials } from "./log-in-pause.ts";
import type { InfisicalCall } from "./observation.ts";
import { createSecrets } from "./secrets.ts";
import type { Secrets } from "./secrets.ts";
import { createWatch } from "./watch.ts";
import type { InfisicalNews, Watch } from "./watch.ts";

/** Where a client goes, and as whom. */
export interface Destination<Environment extends string = string> {
  readonly credentials: Credentials;
  readonly place: { readonly projectId: string; readonly environment: Environment };
  readonly refusedLogInMs: number;
  readonly requestsPerMinute: number | undefined;
}

interface ConnectionLimits {
  readonly deadlineMs: number;
  /** For the call that probes whether the server is back. */
  readonly probeMs: number;
  readonly maxConcurrency: number;
  readonly maxFailures: number;
  readonly coolDownMs: number;
  /** Whether it carries work on many companies, and no company's own calls. */
  readonly isBulk: boolean;
  readonly onCall?: ((call: InfisicalCall) => void) | undefined;
  readonly onNews?: ((news: InfisicalNews) => void) | undefined;
}

/** What a client is made of: a log-in, slots, a rate budget and a breaker of its own. */
export interface Connection {
  readonly call: Caller;
  readonly exchange: Exchange;
  readonly folders: Folders;
  readonly secrets: Secrets;
  readonly place: Omit<Scope, "path">;
  state(): BreakerState;
  troubles: Watch["troubles"];
}

/** Nothing is sent before the first call. */
export function openConnection(destination: Destination, limits: ConnectionLimits): Connection {
  const { credentials, place, refusedLogInMs, requestsPerMinute } = destination;
  const { deadlineMs, probeMs, maxConcurrency, maxFailures, coolDownMs, isBulk, onCall } = limits;
  const watch = createWatch((news) => limits.onNews?.(news));
  const exchange = createExchange(credentials, {
    maxConcurrency,
    // No longer than the cool-down, so that a probe finds a slot.
    graceMs: coolDownMs,
    refusedLogInMs,
    requestsPerMinute,
    isBulk,
    watch,
  });
  const turns = createTurns();
  const folders = createFolders(exchange, place, turns);
  const secrets = createSecrets({ exchange, folders, place, turns });
  const breaker = createBreaker({ maxFailures, coolDownMs });
  const call = createCaller({ breaker, watch, onCall, deadlineMs, probeMs });
  return {
    call,
    exchange,
    folders,
    secrets,
    place,
    state: () => breaker.state(),
    troubles: () => watch.troubles(),
  };
}
