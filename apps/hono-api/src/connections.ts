import {
  ConnectionProblem,
  inspectConnection,
  maintenanceConnections,
  signInConnections,
  type Database,
  type Finding,
} from "@repo/db";
import type { SignIn } from "@repo/sign-in";
import type { ApiEnvironment } from "./env.ts";
import { jobsAtOnce } from "./background.ts";
import type { Log } from "./log.ts";
import { StartupError } from "./bootstrap.ts";

type Urls = Pick<
  ApiEnvironment,
  | "DATABASE_URL"
  | "DATABASE_MAINTENANCE_URL"
  | "DATABASE_MIGRATION_URL"
  | "DATABASE_LISTENER_URL"
  | "DATABASE_SIGN_IN_URL"
  | "DATABASE_MAX_CONNECTIONS"
>;

interface ConnectionsToCheck {
  readonly env: Urls;
  readonly database: Pick<Database, "prepareNothing">;
  readonly signIn: Pick<SignIn, "prepareNothing"> | undefined;
  readonly log: Log;
  /** Whether this process runs jobs, which need connections with a session. */
  readonly runsJobs: boolean;
}

const names = [
  "DATABASE_URL",
  "DATABASE_MAINTENANCE_URL",
  "DATABASE_MIGRATION_URL",
  "DATABASE_LISTENER_URL",
  "DATABASE_SIGN_IN_URL",
] as const;

/** How many connections a process opens at once with each; docs/configuration.md says them. */
function connectionsOf(
  { DATABASE_MAX_CONNECTIONS: application }: Urls,
  runsJobs: boolean,
): Readonly<Record<(typeof names)[number], number>> {
  return {
    DATABASE_URL: application,
    DATABASE_MAINTENANCE_URL: maintenanceConnections + (runsJobs ? jobsAtOnce + 2 : 0),
    DATABASE_MIGRATION_URL: 2,
    DATABASE_LISTENER_URL: 2,
    DATABASE_SIGN_IN_URL: signInConnections,
  };
}

const remedy = "give it the address of the server itself, or of a pooler in session mode";

/**
 * {@link checkConnections} for a start that repeats its steps: it runs until it succeeds once, since each run opens up to eight
 * connections.
 */
export function connectionsCheck(connections: ConnectionsToCheck): () => Promise<void> {
  let isDone = false;
  return async () => {
    if (!isDone) await checkConnections(connections);
    isDone = true;
  };
}

/**
 * Connects with each URL, and detects poolers in between: see docs/configuration.md, "Poolers". Where statements cannot be
 * prepared, the pools prepare none from then on.
 *
 * @throws {StartupError} when the server rejects one of them, or a pooler breaks one that needs a session
 * @throws {ConnectionProblem} when the server of one of them is unreachable
 */
async function checkConnections({ env, database, signIn, log, runsJobs }: ConnectionsToCheck): Promise<void> {
  const connections = connectionsOf(env, runsJobs);
  const given = names.flatMap((variable) => {
    const url = env[variable];
    return url === undefined ? [] : [{ variable, url, connections: connections[variable] }];
  });
  const outcomes = await Promise.allSettled(given.map(inspectConnection));
  const problems = outcomes.flatMap((outcome): unknown[] =>
    outcome.status === "rejected" ? [outcome.reason] : [],
  );
  // Problems that a retry cannot solve come first.
  const refusal = problems.find((problem) => problem instanceof ConnectionProblem && !problem.isUnavailable);
  if (refusal instanceof ConnectionProblem) throw new StartupError(refusal.message);
  if (problems.length > 0) throw problems[0];

  const found = new Map<string, Finding>();
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") found.set(given[index]?.variable ?? "", outcome.value);
  }
  const isPooled = (name: (typeof names)[number]): boolean => found.get(name)?.isPooled === true;
  if (isPooled("DATABASE_LISTENER_URL"))
    throw new StartupError(
      `DATABASE_LISTENER_URL goes through a pooler in transaction mode, behind which no news of changes arrive: ${remedy}.`,
    );
  if (runsJobs && isPooled("DATABASE_MAINTENANCE_URL"))
    throw new StartupError(
      `DATABASE_MAINTENANCE_URL goes through a pooler in transaction mode, behind which jobs cannot run: ${remedy}, or ` +
        "set JOBS=none here and start a worker that has one.",
    );
  const pools: readonly (readonly [string, () => void])[] = [
    ["DATABASE_URL", () => database.prepareNothing("application")],
    ["DATABASE_MAINTENANCE_URL", () => database.prepareNothing("maintenance")],
    ["DATABASE_SIGN_IN_URL", () => signIn?.prepareNothing()],
  ];
  for (const [name, prepareNothing] of pools) {
    const finding = found.get(name);
    if (finding === undefined) continue;
    if (!finding.prepares) prepareNothing();
    if (finding.isPooled || !finding.prepares) log("info", decisionOf(name, finding));
  }
}

function decisionOf(name: string, { isPooled, prepares }: Finding): string {
  const between = isPooled ? "goes through a pooler in transaction mode" : "says so";
  if (prepares) return `${name} ${between} that knows prepared statements: they are used`;
  return isPooled
    ? `${name} ${between}, and statements are not prepared: it does not know them, or the URL says so`
    : `${name} ${between}: statements are not prepared`;
}
