export type { InfisicalFolder, InfisicalSecret, InfisicalSecretSummary } from "./answers.ts";
export { createInfisicalClient } from "./client.ts";
export type { InfisicalClient, InfisicalEnvironment, InfisicalOptions } from "./client.ts";
export { InfisicalError } from "./errors.ts";
export type { InfisicalErrorCode } from "./errors.ts";
export { getSecrets } from "./get-secrets.ts";
export { survivesInfisical } from "./input.ts";
export { infisicalVariables, readInfisicalOptions } from "./variables.ts";
