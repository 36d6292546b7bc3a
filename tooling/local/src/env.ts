import type { Variables } from "./environment.ts";

/** This process's environment variables. */
export const environmentVariables = (): Variables => process.env;
