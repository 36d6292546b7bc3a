import { EnvironmentError, readEnvironment } from "@repo/environment";
import { z } from "zod";
import { commaSeparated } from "./arguments.ts";
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

/** The module with the catalogue of the product: a path or a package. @throws {UsageError} */
export function readCatalogVariable(): string {
  const module = z.string().min(1).default("@repo/delivery-chat");
  return readVariables({ SECRETS_CATALOG: module }).SECRETS_CATALOG;
}

/** Where a rotation's backup goes and who can open it, as far as the environment says. @throws {UsageError} */
export function readBackupVariables(): {
  readonly recipients: string[];
  readonly directory: string | undefined;
} {
  const { KEY_BACKUP_RECIPIENTS, KEY_BACKUP_DIR: directory } = readVariables({
    KEY_BACKUP_RECIPIENTS: z.string().default(""),
    KEY_BACKUP_DIR: z.string().min(1).optional(),
  });
  return { recipients: commaSeparated(KEY_BACKUP_RECIPIENTS), directory };
}

/** Secrets of webhook endpoints, with which notifications are verified. @throws {UsageError} */
export function readWebhookSecrets(): string[] {
  return commaSeparated(readVariables({ WEBHOOK_SECRET: z.string().default("") }).WEBHOOK_SECRET);
}

/**
 * Where rows of the strategy's sample code are: LEGACY_DATABASE_URL, or what a file holds.
 *
 * @param url what it has to be
 * @throws {UsageError}
 */
export function readLegacyDatabaseUrl(file: string | undefined, url: z.ZodString): string {
  const shape = { LEGACY_DATABASE_URL: url };
  if (file === undefined) return readVariables(shape).LEGACY_DATABASE_URL;
  try {
    return readEnvironment(shape, { LEGACY_DATABASE_URL_FILE: file }).LEGACY_DATABASE_URL;
  } catch {
    throw new UsageError(
      "--source-url-file names a file that cannot be read, or holds no URL of PostgreSQL that docs/configuration.md allows.",
    );
  }
}
