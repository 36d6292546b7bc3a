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
};

/** The variables of a process that serves one environment, for `readEnvironment`. */
export const infisicalVariables = { ...connection, INFISICAL_ENVIRONMENT: infisicalEnvironment };

/**
 * Reads the options that do not depend on an environment.
 *
 * @throws {EnvironmentError} when a variable is missing
 */
export function readInfisicalConnection(source: Variables): Omit<InfisicalOptions, "environment"> {
  const variables = readEnvironment(connection, source);
  return {
    siteUrl: variables.INFISICAL_SITE_URL,
    clientId: variables.INFISICAL_CLIENT_ID,
    clientSecret: variables.INFISICAL_CLIENT_SECRET,
    projectId: variables.INFISICAL_PROJECT_ID,
  };
}

/**
 * Reads the options of the environment that `INFISICAL_ENVIRONMENT` names; there is no default.
 *
 * @throws {EnvironmentError} when a variable is missing or malformed
 */
export function readInfisicalOptions(source: Variables): InfisicalOptions {
  const { INFISICAL_ENVIRONMENT: environment } = readEnvironment(infisicalVariables, source);
  return { ...readInfisicalConnection(source), environment };
}
