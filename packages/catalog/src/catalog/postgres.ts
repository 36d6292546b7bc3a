import { z } from "zod";
import { jsonSecret } from "./entry.ts";

export const PostgresLogin = z.strictObject({
  host: z.string().min(1).max(253).meta({ title: "Host", secret: false }),
  port: z.int().min(1).max(65_535).default(5432).meta({ title: "Port", secret: false }),
  database: z.string().min(1).max(63).meta({ title: "Database", secret: false }),
  user: z.string().min(1).max(63).meta({ title: "User", secret: false }),
  password: z.string().min(1).max(1000).meta({ title: "Password" }),
});
export type PostgresLogin = z.output<typeof PostgresLogin>;

export const postgresLogin = jsonSecret(PostgresLogin, {
  label: "PostgreSQL login",
  purpose: "Logs in to a PostgreSQL database.",
  docsUrl: "https://www.postgresql.org/docs/current/sql-createrole.html",
  rule: "is an object of host, port, database, user and password, and nothing else",
});
