import { connectDatabase, type Database, type DatabaseOptions, type ListeningDatabase } from "@repo/db";
import { createInfisicalClient, type InfisicalClient, type InfisicalOptions } from "@repo/infisical";
import type { Caller, Catalog, TenantSecretsError, WriteResult } from "@repo/catalog";
import { assembleTenantSecrets } from "./assemble.ts";
import type { Assembly, AssemblyOptions, CompanySecretsOnServer } from "./assembly/assembly.ts";
import type { CacheOptions } from "./cache/cache-options.ts";
import type { Authenticate, RequestOrigin } from "./companies/authenticate.ts";
import { createLifecycle } from "./lifecycle.ts";
import type { Services } from "./product-services.ts";
import { handleRequest } from "./router/handler.ts";
import type { ApiRequest, RequestObserver } from "./router/observed-context.ts";
import type { Measurements } from "./vault/measurements.ts";

interface ProductOptions<C extends Catalog> extends Omit<
  AssemblyOptions<C>,
  "database" | "infisical" | "cache"
> {
  /** A client, or what one is made from. */
  readonly infisical: InfisicalClient | InfisicalOptions;
  /**
   * Told of what an operator has to look at while the process goes on, such as a wrong key in Infisical. Default: a warning
   * of the process, which Node.js prints on standard error.
   */
  readonly onAlarm?: ((error: TenantSecretsError) => void) | undefined;
}

/** For a process that serves: what it reads is cached, and what other processes change invalidates it. */
interface CachingOptions {
  /** A database that was connected with its `listenerUrl`, or what one is connected from: it is closed by `stop`. */
  readonly database: ListeningDatabase | (DatabaseOptions & { readonly listenerUrl: string });
  /** How much of what was read is cached, and for how long. */
  readonly cache?: CacheOptions | undefined;
}

/** For a command or a script: nothing is cached, nothing is listened to, and `start` is not needed. */
interface UncachedOptions {
  readonly database: Database | DatabaseOptions;
  readonly cache: false;
}

export type TenantSecretsOptions<C extends Catalog> = ProductOptions<C> & (CachingOptions | UncachedOptions);

/** The services behind procedures and commands, for code of the product that administers. Each checks its caller. */
export type Administration<C extends Catalog> = Services &
  Pick<Assembly<C>, "catalog" | "flush" | "createSealer" | "tryInfisicalRights">;

export interface TenantSecrets<C extends Catalog> {
  readonly catalog: C;
  /**
   * Checks that row-level security binds the application's role, loads the keys, joins the processes that serve this database,
   * and turns the cache on. May be called again where it failed.
   *
   * @throws {TenantSecretsError} MASTER_KEY_MISSING, MASTER_KEY_MALFORMED, MASTER_KEY_WRONG: do not serve;
   *   KEY_UNAVAILABLE, DATABASE_UNAVAILABLE: try again
   */
  start(): Promise<void>;
  /** Whether notifications of other processes arrive. Where they do not, cached values are not used. */
  isListening(): boolean;
  /**
   * One company's secrets, typed by the catalogue. The company is resolved for each call, so a handle may be kept.
   *
   * @param as who asks: `systemCaller` for code of the product, or what `authenticate` answered
   * @throws {TypeError} before `start`, unless the options say `cache: false`
   */
  company(subdomain: string, as: Caller): CompanySecretsOnServer<C>;
  /** Who sent a request, by its API key, its operator's token or the session of a person. @throws {TenantSecretsError} UNAUTHENTICATED */
  readonly authenticate: Authenticate;
  /**
   * Answers requests to `/trpc/…`, the API that `createTenantSecretsClient` speaks to, and to `/api/v1/…`, the procedures of services in
   * plain JSON, which `openApiDocument` describes.
   *
   * @param origin where the request comes from, for the audit log and for the limit of wrong credentials of an address; and what
   *   the server's log wants to know
   */
  handler(request: ApiRequest, origin?: RequestOrigin & RequestObserver): Promise<Response>;
  /** @throws {TypeError} before `start`, unless the options say `cache: false` */
  readonly admin: Administration<C>;
  /** What this process has done so far. Cheap, and for asking every few seconds. */
  measurements(): Measurements;
  /** The strategy's own helper, as a job that may use every secret. @returns undefined where there is none */
  getTenantSecret(subdomain: string, secretKey: string): Promise<string | undefined>;
  /** The strategy's own helper, as a job that may write every secret. @throws {TenantSecretsError} as `set` does */
  setTenantSecret(subdomain: string, secretKey: string, value: string): Promise<WriteResult>;
  /**
   * For the end of the process, when nothing calls any more: leaves the other processes, commits what the audit log holds, for
   * ten seconds if need be, and closes the database where it was connected here. There is no start after it.
   */
  stop(): Promise<void>;
}

/**
 * The front door. Opens nothing before `start`, or before the first call with `cache: false`.
 *
 * @throws {TypeError} when the catalogue names a check, a verifier or a rotation driver that is not there, or there is no `listenerUrl` and the
 *   options do not say `cache: false`
 */
export function createTenantSecrets<C extends Catalog>(options: TenantSecretsOptions<C>): TenantSecrets<C> {
  const isCaching = options.cache !== false;
  const isConnected = "inCompany" in options.database;
  const database = isConnected ? options.database : connectDatabase(options.database);
  const infisical =
    "siteUrl" in options.infisical ? createInfisicalClient(options.infisical) : options.infisical;
  const assembly = assembleTenantSecrets({
    ...options,
    database,
    infisical,
    cache: options.cache === false ? undefined : options.cache,
  });
  const lifecycle = createLifecycle({
    assembly,
    database,
    listenerUrl: isCaching ? listenerUrlOf(database) : undefined,
    onAlarm: options.onAlarm ?? warn,
    close: isConnected ? async () => {} : () => database.close(),
  });
  /** The parts, once they may be used. */
  const started = (): Assembly<C> => {
    lifecycle.requireStarted();
    return assembly;
  };
  return {
    catalog: options.catalog,
    start: () => lifecycle.start(),
    isListening: () => lifecycle.isListening(),
    company: (subdomain, as) => started().company(subdomain, as),
    authenticate: async (request) => started().authenticate(request),
    handler: async (request, origin) => handleRequest(started(), request, origin),
    get admin() {
      return started();
    },
    measurements: () => assembly.measurements(),
    getTenantSecret: async (...input) => started().getTenantSecret(...input),
    setTenantSecret: async (...input) => started().setTenantSecret(...input),
    stop: () => lifecycle.stop(),
  };
}

function listenerUrlOf(database: Database | ListeningDatabase): string {
  if ("listenerUrl" in database) return database.listenerUrl();
  throw new TypeError(
    "The database has no listenerUrl, without which nothing can be cached: name it, or say cache: false.",
  );
}

function warn({ code, message, diagnosis }: TenantSecretsError): void {
  process.emitWarning(message, { type: "TenantSecretsAlarm", code, ...(diagnosis && { detail: diagnosis }) });
}
