import type { Variables } from "@repo/environment";

/** This process's environment variables. */
export const environmentVariables = (): Variables => process.env;
