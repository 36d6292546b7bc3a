import { z } from "zod";
import { DatabaseUrlError, parseDatabaseUrl } from "./url.ts";

/** A URL of the database; what it breaks is named by a rule that quotes nothing of it. */
export const databaseUrlVariable = z.string().superRefine((text, context) => {
  try {
    parseDatabaseUrl(text);
  } catch (error) {
    if (!(error instanceof DatabaseUrlError)) throw error;
    context.addIssue({ code: "custom", message: error.message });
  }
});

/** The environment variables of the database, for composition roots. docs/configuration.md says what they are. */
export const databaseVariables = {
  DATABASE_URL: databaseUrlVariable,
  DATABASE_MAINTENANCE_URL: databaseUrlVariable,
  DATABASE_MIGRATION_URL: databaseUrlVariable.optional(),
  DATABASE_LISTENER_URL: databaseUrlVariable,
  DATABASE_SIGN_IN_URL: databaseUrlVariable.optional(),
} as const;
