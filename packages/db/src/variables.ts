import { z } from "zod";

const url = z.string().regex(/^postgres(?:ql)?:\/\/.+/);

/** The environment variables of the database, for composition roots. docs/configuration.md says what they are. */
export const databaseVariables = {
  DATABASE_URL: url,
  DATABASE_MAINTENANCE_URL: url,
  DATABASE_MIGRATION_URL: url.optional(),
  DATABASE_LISTENER_URL: url,
} as const;
