import { z } from "zod";
import type { InfisicalFolder, InfisicalSecret, InfisicalSecretSummary } from "./answers.ts";
import type { BreakerState } from "./breaker.ts";
import { createBulkClient } from "./bulk.ts";
import type { BulkClient, BulkOptions } from "./bulk.ts";
import { openConnection } from "./connection.ts";
import { InfisicalError } from "./errors.ts";
import { checkPath, normalizeSiteUrl } from "./input.ts";
import type { InfisicalCall } from "./observation.ts";
import { rightTo } from "./rights.ts";
import { createSharedReads } from "./shared-reads.ts";
import { createSingleCalls } from "./single-calls.ts";
import type { SingleCalls } from "./single-calls.ts";
import type { InfisicalNews } from "./watch.ts";

export const infisicalEnvironment = z.enum(["dev", "staging", "prod"]);
export type InfisicalEnvironment = z.output<typeof infisicalEnvironment>;

export interface InfisicalOptions {
  /** Address of the server, https unless it is on this machine or `allowHttp` is set. */
  siteUrl: string;
  clientId: string;
  clientSecret: string;
  projectId: string;
  environment: InfisicalEnvironment;
  /** For a whole call, log-in, waiting and re-reading included. Default 5,000. */
  deadlineMs?: number;
  /** Requests in flight at once. Default 8. */
  maxConcurrency?: number;
  /** Calls in a row without a proper answer, after which calls are refused at once. Default 5. */
  maxFailures?: number;
  /** How long calls are refused then, before one of them probes; also the most that the probe may take. Default 1,500. */
  coolDownMs?: number;
  /** How long no log-in is tried after one that was refused, at least; at most twice as long. Default 300,000: as long as Infisical locks an identity. */
  refusedLogInMs?: number;
  /** The rate limit of a server that does not tell it: requests a minute on one route. Default: none. */
  requestsPerMinute?: number;
  /** Told of every call when it has ended, refused ones too. Must not throw. */
  onCall?: (call: InfisicalCall) => void;
  /** Told when an outage, a denied right or another trouble begins, and when it ends. Must not throw. */
  onNews?: (news: InfisicalNews) => void;
  /** Whether plain http is accepted for other machines too, as inside a cluster. Default false. */
  allowHttp?: boolean;
}

/**
 * Folders and secrets of one environment of one Infisical project. Every method throws `InfisicalError`: before
 * anything is sent `INVALID_INPUT` for a path, name or value of a wrong form, after it any of the other codes. While
 * Infisical is down or limits our rate, calls are refused at once: `UNREACHABLE` or `RATE_LIMITED`, with `retryAfterMs`.
 */
export interface InfisicalClient extends SingleCalls {
  /** The project and environment of the client, for messages about missing secrets. */
  readonly place: { readonly projectId: string; readonly environment: InfisicalEnvironment };
  /** The direct children of a folder; none for a missing folder. Of folders that share a name, one. */
  listFolders(path: string): Promise<readonly InfisicalFolder[]>;
  /** The secrets directly in a folder, ordered by name; none for a missing folder. References are not expanded. */
  listSecrets(path: string): Promise<readonly InfisicalSecret[]>;
  /** Like `listSecrets`, without asking for the values. */
  listSecretSummaries(path: string): Promise<readonly InfisicalSecretSummary[]>;
  /** Resolves if the log-in works and the server knows project and environment. Refused like any call while it is down. */
  ping(): Promise<void>;
  /** The state of the circuit breaker, for metrics and readiness. `ping` asks the server itself. */
  state(): BreakerState;
  /** Current problems that recent calls have shown, a sentence each. Sends no request. */
  troubles(): readonly string[];
  /**
   * A client for work on many companies, at the same place and with the same credentials, which leaves this client's calls alone.
   *
   * @throws {InfisicalError} `INVALID_INPUT` for options of a wrong form
   */
  bulk(options?: BulkOptions): BulkClient;
}

const optionsSchema = z.object({
  siteUrl: z.string().min(1),
  clientId: z.string().min(1),
  clientSecret: z.string().min(1),
  projectId: z.string().min(1),
  environment: infisicalEnvironment,
  deadlineMs: z.int().positive().default(5_000),
  maxConcurrency: z.int().positive().default(8),
  maxFailures: z.int().positive().default(5),
  coolDownMs: z.int().positive().default(1_500),
  refusedLogInMs: z.int().positive().default(300_000),
  requestsPerMinute: z.int().positive().optional(),
  allowHttp: z.boolean().default(false),
});

/**
 * Makes a client; nothing is sent before its first call.
 *
 * @throws {InfisicalError} `INVALID_INPUT` for options of a wrong form
 */
export function createInfisicalClient(options: InfisicalOptions): InfisicalClient {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    const names = parsed.error.issues.map((issue) => String(issue.path[0]));
    throw new InfisicalError("INVALID_INPUT", {
      sentence: `these options are missing or wrong: ${names.join(", ")}`,
    });
  }
  const { clientId, clientSecret, projectId, environment, allowHttp, ...rest } = parsed.data;
  const { refusedLogInMs, requestsPerMinute, ...limits } = rest;
  const destination = {
    credentials: { siteUrl: normalizeSiteUrl(parsed.data.siteUrl, allowHttp), clientId, clientSecret },
    place: { projectId, environment },
    refusedLogInMs,
    requestsPerMinute,
  };
  const connection = openConnection(destination, {
    ...limits,
    // A probe that hangs would keep everybody out for its whole time, though the server may be back meanwhile.
    probeMs: Math.min(limits.deadlineMs, limits.coolDownMs),
    isBulk: false,
    onCall: options.onCall,
    onNews: options.onNews,
  });
  const { call, folders, secrets } = connection;
  const reads = {
    listFolders: createSharedReads<InfisicalFolder[]>(),
    listSecrets: createSharedReads<readonly InfisicalSecret[]>(),
    listSecretSummaries: createSharedReads<readonly InfisicalSecretSummary[]>(),
  };

  return {
    ...createSingleCalls(connection),
    listFolders: (path) =>
      call("listFolders", {
        check: () => checkPath(path),
        work: async (deadline) =>
          oneOfEachName(await reads.listFolders(path, deadline, (until) => folders.list(until, path))),
      }),
    listSecrets: (path) =>
      call("listSecrets", {
        check: () => checkPath(path),
        work: (deadline) => reads.listSecrets(path, deadline, (until) => secrets.list(until, path)),
        rightsShownBy: (found) => [rightTo.list(path), ...(found.length > 0 ? [rightTo.read(path)] : [])],
      }),
    listSecretSummaries: (path) =>
      call("listSecretSummaries", {
        check: () => checkPath(path),
        work: (deadline) =>
          reads.listSecretSummaries(path, deadline, (until) => secrets.listSummaries(until, path)),
        rightsShownBy: () => [rightTo.list(path)],
      }),
    ping: () =>
      call("ping", {
        work: async (deadline) => {
          // A list of secrets would not do: the older server lists none, without an error, where there is no environment.
          await folders.list(deadline, "/");
        },
      }),
    state: () => connection.state(),
    troubles: () => connection.troubles(),
    place: destination.place,
    bulk: (bulkOptions = {}) => createBulkClient(destination, bulkOptions),
  };
}

/** Ordered by name; of twins the one with the smaller id, so that every process sees the same. */
function oneOfEachName(found: readonly InfisicalFolder[]): InfisicalFolder[] {
  const byId = found.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const byName = new Map(byId.map((folder) => [folder.name, folder]));
  return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
