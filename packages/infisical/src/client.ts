import { z } from "zod";
import type { InfisicalFolder, InfisicalSecret, InfisicalSecretSummary } from "./answers.ts";
import { createBreaker } from "./breaker.ts";
import type { BreakerState } from "./breaker.ts";
import { createTurns } from "./concurrency.ts";
import { startDeadline } from "./deadline.ts";
import type { Deadline } from "./deadline.ts";
import { InfisicalError } from "./errors.ts";
import { createExchange } from "./exchange.ts";
import { createFolders } from "./folders.ts";
import { checkName, checkPath, checkValue, normalizeSiteUrl, splitPath } from "./input.ts";
import { observed } from "./observation.ts";
import type { InfisicalCall, InfisicalOperation } from "./observation.ts";
import { rightTo } from "./rights.ts";
import type { InfisicalRight } from "./rights.ts";
import { createSecrets } from "./secrets.ts";
import { createSharedReads } from "./shared-reads.ts";
import type { NewValue, Put } from "./secrets.ts";
import { createWatch } from "./watch.ts";
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
export interface InfisicalClient {
  /** The project and environment of the client, for messages about missing secrets. */
  readonly place: { readonly projectId: string; readonly environment: InfisicalEnvironment };
  /** The direct children of a folder; none for a missing folder. Of folders that share a name, one. */
  listFolders(path: string): Promise<readonly InfisicalFolder[]>;
  /** Makes the folder and its missing parents; nothing happens to those that exist. */
  createFolder(path: string): Promise<void>;
  /** Deletes the folder with everything below it; nothing happens if it is missing. */
  deleteFolder(path: string): Promise<void>;
  /** The secrets directly in a folder, ordered by name; none for a missing folder. References are not expanded. */
  listSecrets(path: string): Promise<readonly InfisicalSecret[]>;
  /** Like `listSecrets`, without asking for the values. */
  listSecretSummaries(path: string): Promise<readonly InfisicalSecretSummary[]>;
  /** One secret, or undefined when it or its folder is missing. References are not expanded. */
  findSecret(path: string, name: string): Promise<InfisicalSecret | undefined>;
  /**
   * Creates or replaces a secret, and its folder if that is missing. `AMBIGUOUS` when it is not known whether the
   * write was applied. Values must pass `survivesInfisical`.
   */
  putSecret(path: string, name: string, value: string): Promise<Put>;
  /**
   * Like `putSecret`. After a creation it looks for a secret of the same name that another client created at the same time, and
   * leaves none but this one.
   */
  putSoleSecret(path: string, name: string, value: string): Promise<Put>;
  /** Deletes a secret. False when there was none; true also when it is gone after an attempt without an answer. */
  deleteSecret(path: string, name: string): Promise<boolean>;
  /** Resolves if the log-in works and the server knows project and environment. Refused like any call while it is down. */
  ping(): Promise<void>;
  /** The state of the circuit breaker, for metrics and readiness. `ping` asks the server itself. */
  state(): BreakerState;
  /** Current problems that recent calls have shown, a sentence each. Sends no request. */
  troubles(): readonly string[];
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

interface ClientCall<T> {
  /** Throws `INVALID_INPUT` before anything is sent. */
  readonly check?: () => void;
  readonly work: (deadline: Deadline) => Promise<T>;
  /** The rights that a result proves. */
  readonly rightsShownBy?: (result: T) => readonly InfisicalRight[];
}

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
  const { clientId, clientSecret, projectId, environment, allowHttp, ...limits } = parsed.data;
  const { deadlineMs, maxConcurrency, maxFailures, coolDownMs, refusedLogInMs, requestsPerMinute } = limits;
  const credentials = { siteUrl: normalizeSiteUrl(parsed.data.siteUrl, allowHttp), clientId, clientSecret };
  const watch = createWatch((news) => options.onNews?.(news));
  // No longer than the cool-down, so that a probe finds a slot.
  const exchange = createExchange(credentials, {
    maxConcurrency,
    graceMs: coolDownMs,
    refusedLogInMs,
    requestsPerMinute,
    watch,
  });
  const turns = createTurns();
  const place = { projectId, environment };
  const folders = createFolders(exchange, place, turns);
  const secrets = createSecrets({ exchange, folders, place, turns });
  const reads = {
    listFolders: createSharedReads<InfisicalFolder[]>(),
    listSecrets: createSharedReads<readonly InfisicalSecret[]>(),
    listSecretSummaries: createSharedReads<readonly InfisicalSecretSummary[]>(),
    findSecret: createSharedReads<InfisicalSecret | undefined>(),
  };
  const breaker = createBreaker({ maxFailures, coolDownMs });
  // A probe that hangs would keep everybody out for its whole time, though the server may be back meanwhile.
  const durationMs = (isProbe: boolean) => (isProbe ? Math.min(deadlineMs, coolDownMs) : deadlineMs);
  const call = <T>(
    operation: InfisicalOperation,
    { check = () => {}, work, rightsShownBy = () => [] }: ClientCall<T>,
  ) =>
    observed(operation, options.onCall, async () => {
      check();
      try {
        const result = await breaker.run((isProbe) => work(startDeadline(durationMs(isProbe))));
        watch.succeeded(rightsShownBy(result));
        return result;
      } catch (error) {
        if (error instanceof InfisicalError) watch.failed(error);
        throw error;
      }
    });
  const put = (path: string, secret: NewValue) =>
    call("putSecret", {
      check: () => {
        checkSecret(path, secret.name);
        checkValue(secret.value);
      },
      work: (deadline) => secrets.put(deadline, path, secret),
      rightsShownBy: ({ created }) => [created ? rightTo.create(path) : rightTo.edit(path)],
    });

  return {
    listFolders: (path) =>
      call("listFolders", {
        check: () => checkPath(path),
        work: async (deadline) =>
          oneOfEachName(await reads.listFolders(path, deadline, (until) => folders.list(until, path))),
      }),
    async createFolder(path) {
      // The root always exists. Nothing is sent, so that this is no sign of life of the server.
      if (path === "/") return;
      await call("createFolder", {
        check: () => checkPath(path),
        work: (deadline) => folders.create(deadline, path),
        rightsShownBy: () => [rightTo.createFolder(splitPath(path).parent)],
      });
    },
    deleteFolder: (path) =>
      call("deleteFolder", {
        check: () => checkDeletable(path),
        work: (deadline) => folders.remove(deadline, path),
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
    findSecret: (path, name) =>
      call("findSecret", {
        check: () => checkSecret(path, name),
        work: (deadline) =>
          reads.findSecret(`${path} ${name}`, deadline, (until) => secrets.find(until, path, name)),
        // A newer server says that there is none before it checks rights; so with writes.
        rightsShownBy: (found) => (found === undefined ? [] : [rightTo.read(path)]),
      }),
    putSecret: (path, name, value) => put(path, { name, value, replacesTwins: false }),
    putSoleSecret: (path, name, value) => put(path, { name, value, replacesTwins: true }),
    deleteSecret: (path, name) =>
      call("deleteSecret", {
        check: () => checkSecret(path, name),
        work: (deadline) => secrets.remove(deadline, path, name),
        rightsShownBy: (isDeleted) => (isDeleted ? [rightTo.delete(path)] : []),
      }),
    ping: () =>
      call("ping", {
        work: async (deadline) => {
          // A list of secrets would not do: the older server lists none, without an error, where there is no environment.
          await folders.list(deadline, "/");
        },
      }),
    state: () => breaker.state(),
    troubles: () => watch.troubles(),
    place,
  };
}

function checkDeletable(path: string): void {
  checkPath(path);
  if (path === "/")
    throw new InfisicalError("INVALID_INPUT", { sentence: "the root folder cannot be deleted" });
}

function checkSecret(path: string, name: string): void {
  checkPath(path);
  checkName(name);
}

/** Ordered by name; of twins the one with the smaller id, so that every process sees the same. */
function oneOfEachName(found: readonly InfisicalFolder[]): InfisicalFolder[] {
  const byId = found.toSorted((a, b) => (a.id < b.id ? 1 : -1));
  const byName = new Map(byId.map((folder) => [folder.name, folder]));
  return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
