import { readEnvironment } from "@repo/environment";
import type { Variables } from "@repo/environment";
import { z } from "zod";
import { infisicalEnvironment } from "./client.ts";
import type { InfisicalOptions } from "./client.ts";

const connection = {
  INFISICAL_SITE_URL: z.string(),
  INFISICAL_CLIENT_ID: z.string(),
  INFISICAL_CLIENT_SECRET: z.string(),
  INFISICAL_PROJECT_ID: z.string(),
  /** Accepts plain http to other machines, for http://infisical:8080 inside a cluster. */
  INFISICAL_ALLOW_HTTP: z
    .enum(["true", "false"])
    .transform((text) => text === "true")
    .default(false),
  /** The rate limit of a server that does not tell it along with its answers. */
  INFISICAL_REQUESTS_PER_MINUTE: z
    .string()
    .regex(/^[1-9]\d{0,5}$/)
    .transform(Number)
    .optional(),
};

/** The variables of a process that serves one environment, for `readEnvironment`. */
export const infisicalVariables = {
  ...connection,
  INFISICAL_ENVIRONMENT: infisicalEnvironment,
} as const;

type Connection = z.output<z.ZodObject<typeof connection>>;

function connectionOf(variables: Connection): Omit<InfisicalOptions, "environment"> {
  const { INFISICAL_REQUESTS_PER_MINUTE: requestsPerMinute } = variables;
  return {
    siteUrl: variables.INFISICAL_SITE_URL,
    clientId: variables.INFISICAL_CLIENT_ID,
    clientSecret: variables.INFISICAL_CLIENT_SECRET,
    projectId: variables.INFISICAL_PROJECT_ID,
    allowHttp: variables.INFISICAL_ALLOW_HTTP,
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
  };
}

/** The options that variables which were read as `infisicalVariables` stand for. */
export function infisicalOptionsOf(
  variables: z.output<z.ZodObject<typeof infisicalVariables>>,
): InfisicalOptions {
  return { ...connectionOf(variables), environment: variables.INFISICAL_ENVIRONMENT };
}

/**
 * Reads the options that do not depend on an environment.
 *
 * @throws {EnvironmentError} when a variable is missing or malformed
 */
export function readInfisicalConnection(source: Variables): Omit<InfisicalOptions, "environment"> {
  return connectionOf(readEnvironment(connection, source));
}

/**
 * Reads the options of the environment that `INFISICAL_ENVIRONMENT` names; there is no default.
 *
 * @throws {EnvironmentError} when a variable is missing or malformed
 */
export function readInfisicalOptions(source: Variables): InfisicalOptions {
  return infisicalOptionsOf(readEnvironment(infisicalVariables, source));
}
