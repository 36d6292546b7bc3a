import path from "node:path";
import { fileURLToPath } from "node:url";
import type { RoleUrls } from "./database.ts";
import type { InfisicalServer } from "./seed.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

const checkout = fileURLToPath(new URL("../../../", import.meta.url));

const databaseNames = [
  "DATABASE_URL",
  "DATABASE_MAINTENANCE_URL",
  "DATABASE_MIGRATION_URL",
  "DATABASE_LISTENER_URL",
] as const;
const infisicalNames = [
  "INFISICAL_SITE_URL",
  "INFISICAL_CLIENT_ID",
  "INFISICAL_CLIENT_SECRET",
  "INFISICAL_PROJECT_ID",
  "INFISICAL_ENVIRONMENT",
] as const;
const stripeName = "STRIPE_API_URL";
const sendgridName = "SENDGRID_API_URL";
const allowName = "OUTBOUND_ALLOW";

/** The settings from the environment: the servers that exist already, and where the local ones go. */
export interface Settings {
  /** True if the environment names a server of that kind. None is started then. */
  readonly given: {
    readonly database: boolean;
    readonly infisical: boolean;
    readonly stripe: boolean;
    readonly sendgrid: boolean;
    readonly mail: boolean;
  };
  /** Whether this is a script that npm runs. */
  readonly underNpm: boolean;
  readonly preferredDataDir: string;
  readonly host: string;
  readonly preferredPort: number;
  /** Undefined for any that is free. */
  readonly preferredMetricsPort: number | undefined;
  readonly baseDomain: string;
}

/**
 * One variable of a server selects that server. The API reports the missing ones.
 *
 * @throws {Error} when PORT or METRICS_PORT is no port
 */
export function readSettings(variables: Variables): Settings {
  const isGiven = (name: string) => Boolean(variables[name]) || Boolean(variables[`${name}_FILE`]);
  const portOf = (name: string): number | undefined => {
    const text = variables[name];
    if (!text) return undefined;
    const port = Number(text);
    if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
    throw new Error(`${name} is a number from 1 to 65535.`);
  };
  return {
    given: {
      database: databaseNames.some(isGiven),
      infisical: infisicalNames.some(isGiven),
      stripe: isGiven(stripeName),
      sendgrid: isGiven(sendgridName),
      mail: isGiven("SMTP_URL"),
    },
    underNpm: isGiven("npm_lifecycle_event"),
    preferredDataDir: path.resolve(variables["TENANT_SECRETS_DATA_DIR"] || path.join(checkout, ".data")),
    host: variables["HOST"] || "127.0.0.1",
    preferredPort: portOf("PORT") ?? 3_000,
    preferredMetricsPort: portOf("METRICS_PORT"),
    baseDomain: variables["BASE_DOMAIN"] || "localhost",
  };
}

/** The servers that this start has started; undefined for one that the environment names. */
export interface LocalServers {
  readonly database: RoleUrls | undefined;
  readonly infisical: InfisicalServer | undefined;
  readonly stripe: { readonly url: string } | undefined;
  readonly sendgrid?: { readonly url: string } | undefined;
  readonly mail?: { readonly smtpUrl: string } | undefined;
  readonly receiver?: { readonly url: string } | undefined;
  /** Of the master key in `infisical`; default: "default". */
  readonly region?: string | undefined;
}

interface ApiPlaces {
  readonly ports: { readonly api: number; readonly metrics: number };
  /** Node stores compiled code here, for the next start. */
  readonly cacheDir: string;
}

/** The environment of the API: the variables of this process, with the addresses of the servers that it started. */
export function apiEnvironment(
  variables: Variables,
  servers: LocalServers,
  { ports, cacheDir }: ApiPlaces,
): Variables {
  const own: Variables = {
    PORT: String(ports.api),
    PORT_FILE: undefined,
    METRICS_PORT: String(ports.metrics),
    METRICS_PORT_FILE: undefined,
    // No balancer is in front of it.
    DRAIN_SECONDS: "0",
    DRAIN_SECONDS_FILE: undefined,
    NODE_COMPILE_CACHE: cacheDir,
  };
  const isGiven = "OPERATOR_APPROVALS" in variables || "OPERATOR_APPROVALS_FILE" in variables;
  const all = {
    ...publicUrl(variables, ports.api),
    ...(isGiven ? {} : approvalsOf(servers)),
    ...variables,
    ...own,
    ...variablesOf(servers),
    ...allowed(variables, servers),
  };
  // Without an address for its links, a mail cannot be written.
  return "PUBLIC_URL" in all || "PUBLIC_URL_FILE" in all ? { ...all, ...mailVariables(servers) } : all;
}

/** What the environment allows stays allowed. */
function allowed(variables: Variables, servers: LocalServers): Variables {
  const both = [variables[allowName], variablesOf(servers)[allowName]].filter((part) => part);
  return both.length === 0 || variables[`${allowName}_FILE`] ? {} : { [allowName]: both.join(",") };
}

/** Passkeys need a name, and browsers know this one everywhere. For the host of another network, the API's default holds. */
function publicUrl({ HOST, PUBLIC_URL_FILE }: Variables, port: number): Variables {
  const isHere = ["127.0.0.1", "::1", "0.0.0.0", "::", "localhost"].includes(HOST || "127.0.0.1");
  return isHere && PUBLIC_URL_FILE === undefined ? { PUBLIC_URL: `http://localhost:${port}` } : {};
}

function mailVariables({ mail, database }: LocalServers): Variables {
  return mail === undefined
    ? {}
    : {
        SMTP_URL: mail.smtpUrl,
        MAIL_FROM: "Tenant Secrets <no-reply@tenant-secrets.test>",
        MAIL_FROM_FILE: undefined,
        ...(database !== undefined && { DATABASE_SIGN_IN_URL: database.signIn }),
      };
}

/** The newcomer to a local database is one operator. A server that the environment names gets the default. */
export function approvalsOf({ database }: Pick<LocalServers, "database">): Variables {
  return database === undefined ? {} : { OPERATOR_APPROVALS: "1" };
}

/** What a command needs to know of the servers that this start has started, and of no others. */
export function variablesOf(servers: LocalServers): Variables {
  const { database, infisical, stripe, sendgrid, receiver, region = "default" } = servers;
  const local = [stripe, sendgrid, receiver].flatMap((server) =>
    server === undefined ? [] : [new URL(server.url).host],
  );
  return {
    ...(database && {
      DATABASE_URL: database.application,
      DATABASE_MAINTENANCE_URL: database.maintenance,
      DATABASE_MIGRATION_URL: database.migration,
      DATABASE_LISTENER_URL: database.listener,
    }),
    ...(infisical && {
      INFISICAL_SITE_URL: infisical.siteUrl,
      INFISICAL_CLIENT_ID: infisical.clientId,
      INFISICAL_CLIENT_SECRET: infisical.clientSecret,
      INFISICAL_PROJECT_ID: infisical.projectId,
      INFISICAL_ENVIRONMENT: "dev",
      MASTER_KEY_REGION: region,
    }),
    // The fake keys of the demo are checked where they are known, and not at a provider.
    ...(stripe && { [stripeName]: stripe.url }),
    ...(sendgrid && { [sendgridName]: sendgrid.url }),
    // Rotations and notifications reach no address of this machine but these.
    ...(local.length > 0 && { [allowName]: local.join(",") }),
  };
}

/** These variables as `node --env-file` reads them. */
export function asEnvFile(variables: Variables): string {
  return Object.entries(variables)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"\n`]))
    .join("");
}
