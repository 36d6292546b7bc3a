import type { PoolConfig } from "pg";
import postgres from "postgres";
import { parseDatabaseUrl, type DatabaseAddress } from "./url.ts";
import type { Tls } from "./url-tls.ts";

type Options = postgres.Options<Record<string, never>>;

/** What the driver takes beside what its types know. */
interface UntypedOptions extends Omit<Options, "host" | "port"> {
  readonly host: readonly string[];
  readonly port: readonly number[];
  /** What it takes defaults from, in place of `process.env`: it is patched for that. */
  readonly env: Readonly<Record<string, string>>;
}

/** Connection options beside the URL. */
export interface DriverOptions {
  readonly max: number;
  readonly applicationName: string;
  /** False to prepare no statement, whatever the URL says. */
  readonly prepare?: boolean;
  /** Seconds after which an idle connection is closed. Without it idle connections stay open. */
  readonly idleTimeout?: number;
  /** Whether connections are replaced after a while, half an hour to an hour. Default true. */
  readonly renews?: boolean;
  /** Seconds to wait after so many failures. */
  readonly backoff?: (failures: number) => number;
}

/**
 * Opens nothing yet: connections are made by the first statements. No PG… variable is read.
 *
 * @throws {DatabaseUrlError}
 */
export function openDriver(url: string | DatabaseAddress, options: DriverOptions): postgres.Sql {
  const address = typeof url === "string" ? parseDatabaseUrl(url) : url;
  const { hosts, isSocket, options: settings } = address;
  const [first] = hosts;
  return postgres(
    asOptions({
      env: {},
      host: isSocket ? ["localhost"] : hosts.map(({ name }) => name),
      port: hosts.map(({ port }) => port),
      ...(isSocket && first !== undefined && { path: `${first.name}/.s.PGSQL.${first.port}` }),
      username: address.user,
      password: address.password,
      database: address.database,
      ssl: address.tls === undefined ? false : tlsOptions(address.tls),
      ...(address.primaryOnly && { target_session_attrs: "primary" as const }),
      prepare: address.prepare && (options.prepare ?? true),
      connect_timeout: address.connectTimeoutSeconds,
      keep_alive: address.keepAliveSeconds,
      max: options.max,
      idle_timeout: options.idleTimeout ?? 0,
      ...(options.renews === false && { max_lifetime: null }),
      ...(options.backoff !== undefined && { backoff: options.backoff }),
      fetch_types: true,
      debug: false,
      onnotice: () => {},
      connection: {
        application_name: address.applicationName ?? options.applicationName,
        ...(settings !== undefined && { options: settings }),
      },
    }),
  );
}

function asOptions(options: UntypedOptions): Options {
  // parseOptions in the driver's src/index.js takes lists of hosts and ports as they are, which its types do not say.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return options as unknown as Options;
}

/**
 * The same for the driver that the job runner speaks, which knows one host.
 *
 * @throws {DatabaseUrlError}
 */
export function poolConfig(address: DatabaseAddress, applicationName: string): PoolConfig {
  const [host] = address.hosts;
  return {
    host: host?.name ?? "",
    port: host?.port ?? 5432,
    user: address.user,
    // A function also where it is empty, which this driver would fill in from PGPASSWORD.
    password: () => address.password,
    database: address.database,
    ssl: address.tls === undefined ? false : tlsOptions(address.tls),
    connectionTimeoutMillis: address.connectTimeoutSeconds * 1000,
    keepAlive: address.keepAliveSeconds > 0,
    keepAliveInitialDelayMillis: address.keepAliveSeconds * 1000,
    application_name: address.applicationName ?? applicationName,
    ...(address.options !== undefined && { options: address.options }),
  };
}

function tlsOptions({ verify, ca, identity }: Tls): object {
  return {
    rejectUnauthorized: verify !== "nothing",
    ...(verify === "chain" && { checkServerIdentity: () => undefined }),
    ...(ca !== undefined && { ca }),
    ...identity,
  };
}
