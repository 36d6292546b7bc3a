import { z } from "zod";
import type { BreakerState } from "./breaker.ts";
import { openConnection } from "./connection.ts";
import type { Destination } from "./connection.ts";
import { InfisicalError } from "./errors.ts";
import { walkFolders } from "./folder-tree.ts";
import type { FolderBelow } from "./folder-tree.ts";
import { checkPath } from "./input.ts";
import type { InfisicalCall } from "./observation.ts";
import type { InfisicalRoute, RateState } from "./rate-budget.ts";
import { createSingleCalls } from "./single-calls.ts";
import type { SingleCalls } from "./single-calls.ts";
import type { SurveyedSecret, SurveyedSummary } from "./survey-answers.ts";
import { createSurveys } from "./survey.ts";

export interface BulkOptions {
  /** For a whole call, log-in, waiting and re-reading included. Default 30,000. */
  deadlineMs?: number;
  /** Requests in flight at once. Default 2. */
  maxConcurrency?: number;
  /** Calls in a row without a proper answer, after which calls are refused at once. Default 5. */
  maxFailures?: number;
  /** How long calls are refused then, before one of them probes. Default 5,000. */
  coolDownMs?: number;
  /** Told of every call when it has ended, refused ones too. Must not throw. */
  onCall?: (call: InfisicalCall) => void;
}

export interface FolderSurvey {
  /** Ordered by name, then id. Of secrets that share a name, lists of live calls have the one that `newestOfEach` leaves. */
  readonly rows: readonly SurveyedSecret[];
}

export type EachRequest = <T>(request: () => Promise<T>) => Promise<T>;

/**
 * Reads and writes of whole companies. It has a log-in, connections, a circuit breaker and a rate budget of its own, so
 * that none of its calls takes the place of a live call, or makes such a call fail. Companies have no shares
 * of its rate budget: its user spreads its calls over time, by `rate`. The last tenth of a minute's limit stays for others.
 *
 * Errors are those of `InfisicalClient`. A rate limit that the server says is passed, `RATE_LIMITED`, is not waited out by the
 * reads of whole folders; until `retryAfterMs` is over, all calls of this client are refused with the same.
 */
export interface BulkClient extends SingleCalls {
  /**
   * All rows directly in a folder. Undefined for a missing folder; an older server (before August 2025) answers for a missing one
   * as for an empty one. No reference is expanded, and no import followed.
   */
  survey(path: string): Promise<FolderSurvey | undefined>;
  /** Like `survey`, without asking for the values: whether something has changed since. */
  surveySummaries(path: string): Promise<readonly SurveyedSummary[] | undefined>;
  /**
   * How many imports a folder has; undefined for a missing folder. A request of its own, which needs a right of its own (`FORBIDDEN`
   * without it): a list with imports would count those alone that the identity may read, and carry their values.
   */
  countImports(path: string): Promise<number | undefined>;
  /**
   * All folders below a path at any depth; none for a missing folder. An older server is asked once for each folder, and shows what
   * is below one of the folders that share a path. Folders with names of other characters than ours are named, not entered.
   *
   * @param options.each makes each of the requests: to wait before it, or to repeat one that was refused
   */
  listFoldersBelow(path: string, options?: { readonly each?: EachRequest }): Promise<readonly FolderBelow[]>;
  /**
   * The rate limit of a route as its last answer told it, less the requests sent since; without a route, of the one that has
   * the smallest part of its limit left. Undefined while no answer has told one.
   */
  rate(route?: InfisicalRoute): RateState | undefined;
  /** The state of its circuit breaker. */
  state(): BreakerState;
}

const optionsSchema = z.object({
  deadlineMs: z.int().positive().default(30_000),
  maxConcurrency: z.int().positive().default(2),
  maxFailures: z.int().positive().default(5),
  coolDownMs: z.int().positive().default(5_000),
});

/** @throws {InfisicalError} `INVALID_INPUT` for options of a wrong form */
export function createBulkClient(destination: Destination, options: BulkOptions): BulkClient {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    throw new InfisicalError("INVALID_INPUT", { sentence: "the options of the bulk client are wrong" });
  }
  // A probe may be the list of a large folder, so it has as long as any call.
  const limits = { ...parsed.data, probeMs: parsed.data.deadlineMs, isBulk: true, onCall: options.onCall };
  const connection = openConnection(destination, limits);
  const { call, exchange, place } = connection;
  const surveys = createSurveys(exchange, place);
  return {
    ...createSingleCalls(connection),
    survey: (path) =>
      call("survey", {
        check: () => checkPath(path),
        work: async (deadline) => {
          const rows = await surveys.rows(deadline, path);
          return rows && { rows };
        },
      }),
    surveySummaries: (path) =>
      call("surveySummaries", {
        check: () => checkPath(path),
        work: (deadline) => surveys.summaries(deadline, path),
      }),
    countImports: (path) =>
      call("countImports", {
        check: () => checkPath(path),
        work: (deadline) => surveys.imports(deadline, path),
      }),
    listFoldersBelow: (path, { each = atOnce } = {}) =>
      walkFolders(path, (at) =>
        each(() =>
          call("listFoldersBelow", {
            check: () => checkPath(at),
            work: (deadline) => surveys.folders(deadline, at),
          }),
        ),
      ),
    rate: (route) => exchange.rate(route),
    state: () => connection.state(),
  };
}

const atOnce: EachRequest = (request) => request();
