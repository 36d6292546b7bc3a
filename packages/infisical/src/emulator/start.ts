import { once } from "node:events";
import type { Server } from "node:http";
import { current } from "./current.ts";
import { createFaultQueue } from "./faults.ts";
import type { InfisicalFaults } from "./faults.ts";
import type { Generation } from "./generation.ts";
import { createLogIn } from "./login.ts";
import { older } from "./older.ts";
import { createRateLimiter } from "./rate-limit.ts";
import { viewerRights } from "./rights.ts";
import type { RightAction, RightSubject } from "./state.ts";
import { createRoutes } from "./routes.ts";
import { createEmulatorServer } from "./server.ts";
import type { RecordedRequest } from "./server.ts";
import { newIdentity, openStore } from "./state.ts";
import type { Credentials, Store, StoredIdentity } from "./state.ts";
import { createTokens } from "./tokens.ts";
import { createAnnouncer } from "./webhook.ts";
import type { InfisicalWebhook } from "./webhook.ts";

export type GenerationName = "current" | "older";

/** `path` is a glob: `*` stands within one segment, and `/**` at the end for a folder and all below it. */
export interface InfisicalRight {
  readonly on: RightSubject;
  readonly actions: readonly RightAction[];
  readonly path: string;
}

/** A further machine identity. Omitted options are as for the first one. */
export interface InfisicalIdentityOptions {
  /** Default: the main project. */
  projectIds?: readonly string[];
  /** May read and not write, as a viewer. */
  isReadOnly?: boolean;
  /** The permissions and their paths, as in a custom role. Default: all. */
  rights?: readonly InfisicalRight[];
  tokenTtlMs?: number;
  tokenMaxTtlMs?: number;
  /** How often each token can be used. Default: unlimited. */
  tokenUses?: number;
}

export interface InfisicalEmulatorOptions extends Partial<Credentials> {
  /** The emulated server's release: of 2025, or of October 2024. Default: `current`. */
  generation?: GenerationName;
  /** Default: any free port. */
  port?: number;
  /** The file of the emulator's state and credentials, readable by its owner only. Default: in memory. */
  dataFile?: string;
  /** Default 30 days. */
  tokenTtlMs?: number;
  /** How long a token can be kept alive by renewing. Default: `tokenTtlMs`. */
  tokenMaxTtlMs?: number;
  /** Whether answers have an `etag`, and `if-none-match` is heeded. Default: true, as on every server. */
  etags?: boolean;
  /** Told of every change of secrets. Default: none. */
  webhook?: InfisicalWebhook;
  /**
   * A rate limit for each route and address: `production` as a server in production mode has it, 40 a minute. Default: none,
   * as on a server of one's own in development mode.
   */
  requestsPerMinute?: number | "production";
  /** Told of every request when it is answered. */
  onRequest?: (request: RecordedRequest) => void;
}

export interface InfisicalEmulator extends Credentials {
  readonly siteUrl: string;
  /** An identity that may enter a second project and not the first. */
  readonly outsider: Credentials;
  addIdentity(options: InfisicalIdentityOptions): Promise<Pick<Credentials, "clientId" | "clientSecret">>;
  /** The last 10,000 requests, oldest first. */
  requests(): readonly RecordedRequest[];
  readonly faults: InfisicalFaults;
  stop(): Promise<void>;
}

const generations: Readonly<Record<GenerationName, Generation>> = { current, older };
const maxRecorded = 10_000;
const monthMs = 30 * 24 * 60 * 60 * 1_000;

/**
 * Starts a local Infisical on 127.0.0.1, for development and tests. It knows the routes that the official SDK uses,
 * projects with the environments dev, staging and prod, and answers as a server of 2025 does, or as an older one.
 *
 * With `dataFile`, a change is on disk before it is answered; credentials and project id that are given count only
 * when the file is new.
 *
 * @throws {Error} when the port is taken or the data file is unreadable
 */
export async function startInfisicalEmulator(
  options: InfisicalEmulatorOptions = {},
): Promise<InfisicalEmulator> {
  const { tokenTtlMs = monthMs, tokenMaxTtlMs = tokenTtlMs, etags = true } = options;
  const generation = generations[options.generation ?? "current"];
  const store = await openStore(options.dataFile, options);
  const tokens = createTokens(store.state, { tokenTtlMs, tokenMaxTtlMs }, generation);
  const queue = createFaultQueue(store.state, () => tokens.expireAll());
  const stopping = new AbortController();
  const recorded: RecordedRequest[] = [];
  const server = createEmulatorServer({
    generation,
    hasEtags: etags,
    routes: createRoutes({
      generation,
      tokens,
      logIn: createLogIn(store.state, tokens, generation),
      announce: createAnnouncer(options.webhook, stopping.signal),
    }),
    tokens,
    store,
    queue,
    limit: createRateLimiter(options.requestsPerMinute),
    record(request) {
      const entry = { ...request, status: 0 };
      recorded.push(entry);
      if (recorded.length > maxRecorded) recorded.shift();
      return (status) => {
        entry.status = status;
        options.onRequest?.({ ...entry });
      };
    },
  });
  const port = await listen(server, options.port ?? 0);
  return {
    siteUrl: `http://127.0.0.1:${port}`,
    ...credentialsOf(store, 0),
    outsider: credentialsOf(store, 1),
    async addIdentity({ projectIds = [credentialsOf(store, 0).projectId], isReadOnly, rights, ...settings }) {
      const granted = rights ?? (isReadOnly === true ? viewerRights : undefined);
      const identity = { ...newIdentity([...projectIds]), ...settings, ...storedRights(granted) };
      store.state.identities.push(identity);
      await store.save();
      const { clientId, clientSecret } = identity;
      return { clientId, clientSecret };
    },
    requests: () => recorded.map((entry) => ({ ...entry })),
    faults: queue.faults,
    async stop() {
      stopping.abort();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await store.save();
    },
  };
}

function storedRights(rights: readonly InfisicalRight[] | undefined): Pick<StoredIdentity, "rights"> {
  return rights === undefined
    ? {}
    : { rights: rights.map((right) => ({ ...right, actions: [...right.actions] })) };
}

function credentialsOf({ state }: Store, index: number): Credentials {
  const identity = state.identities[index];
  const projectId = identity?.projectIds[0];
  if (identity === undefined || projectId === undefined)
    throw new Error("The data file has no such identity");
  return { clientId: identity.clientId, clientSecret: identity.clientSecret, projectId };
}

async function listen(server: Server, port: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(port, "127.0.0.1", resolve);
  try {
    await promise;
  } catch (error) {
    const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    if (isTaken)
      throw new Error(`Port ${port} is taken, so the local Infisical cannot start there`, { cause: error });
    throw error;
  }
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The local Infisical has no port");
  return address.port;
}
