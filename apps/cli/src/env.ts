import { EnvironmentError, readEnvironment } from "@repo/environment";
import { z } from "zod";
import { UsageError } from "./failure.ts";

/** @throws {UsageError} when a variable is missing or malformed; names it, and never its value */
export function readVariables<Shape extends z.ZodRawShape>(shape: Shape): z.output<z.ZodObject<Shape>> {
  try {
    return readEnvironment(shape, process.env);
  } catch (error) {
    throw error instanceof EnvironmentError ? new UsageError(error.message) : error;
  }
}

export type CredentialName = "TENANT_SECRETS_API_KEY" | "TENANT_SECRETS_OPERATOR_TOKEN";

const Credential = z.string().regex(/^[\x21-\x7e]+$/);

/** @throws {UsageError} when there is none, or it could not stand in a header */
export function readCredential(name: CredentialName): string {
  return name === "TENANT_SECRETS_API_KEY"
    ? readVariables({ TENANT_SECRETS_API_KEY: Credential }).TENANT_SECRETS_API_KEY
    : readVariables({ TENANT_SECRETS_OPERATOR_TOKEN: Credential }).TENANT_SECRETS_OPERATOR_TOKEN;
}

/** Where the API is; undefined when the work is to be done in this process. */
export function readApiUrl(): string | undefined {
  const url = z.url({ protocol: /^https?$/ }).optional();
  return readVariables({ TENANT_SECRETS_URL: url }).TENANT_SECRETS_URL;
}
