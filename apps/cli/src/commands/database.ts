import type { DatabaseUrls } from "@repo/db";
import { confirm } from "../arguments.ts";
import { defineCommand } from "../command.ts";
import { readVariables } from "../env.ts";
import { writeNewFile } from "../new-file.ts";
import { onServer } from "../on-server.ts";
import { print, printJson } from "../output.ts";

export const provisionCommand = defineCommand({
  positionals: [],
  options: {
    database: { type: "string", value: "name", help: "The database; tenant_secrets unless given" },
    output: {
      type: "string",
      value: "file",
      help: "Write the URLs to a new file that only its owner can read",
    },
    yes: { type: "boolean", help: "Do not ask" },
  },
  details: `Connects as DATABASE_SUPERUSER_URL, creates the database and the roles tenant_secrets_application, _maintenance,
_migration, _listener and _sign_in, and prints their URLs as variables for the server. Run again, it resets the
database and roles to that state, with new passwords. Roles belong to the whole server, so every earlier URL, for
any of its databases, stops working. It therefore asks first; without a terminal
to ask at, --yes is needed.`,
  examples: [
    "database provision --output production.env",
    "database provision --database tenant_secrets_staging --yes",
  ],
  run: async ({ database = "tenant_secrets", output, yes, json }) => {
    await confirm("This ends the passwords that the five roles may have now. Go on?", yes);
    const { databaseVariables, provisionDatabase } = await import("@repo/db");
    const { DATABASE_SUPERUSER_URL: superuserUrl } = readVariables({
      DATABASE_SUPERUSER_URL: databaseVariables.DATABASE_URL,
    });
    const provision = (): Promise<DatabaseUrls> =>
      onServer({ variable: "DATABASE_SUPERUSER_URL", url: superuserUrl }, () =>
        provisionDatabase({ superuserUrl, database }),
      );
    if (output === undefined)
      return json ? printJson(asVariables(await provision())) : print(asLines(await provision()));
    await writeNewFile(output, async () => `${asLines(await provision())}\n`);
    if (json) printJson({ output });
    else print(`The URLs are in ${output}. Next: "database migrate", with its DATABASE_MIGRATION_URL.`);
  },
});

export const migrateCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Connects as DATABASE_MIGRATION_URL. Several may run at once: one does the work and the others wait. A migration
that fails leaves nothing of itself behind. Tables that a newer release has migrated stay as they are. Programs of the last
release go on working meanwhile and afterwards.`,
  examples: ["database migrate"],
  run: async ({ json }) => {
    const { databaseVariables, migrateDatabase } = await import("@repo/db");
    const { DATABASE_MIGRATION_URL: migrationUrl } = readVariables({
      DATABASE_MIGRATION_URL: databaseVariables.DATABASE_URL,
    });
    const { outcome, schema } = await onServer(
      { variable: "DATABASE_MIGRATION_URL", url: migrationUrl },
      () => migrateDatabase(migrationUrl),
    );
    if (json) return printJson({ migrated: outcome === "migrated", outcome, ...schema });
    print(
      outcome === "newer"
        ? `A newer release, ${schema.release}, has brought the tables to version ${schema.version}. Nothing was changed.`
        : `The tables are at version ${schema.version}, of release ${schema.release}${outcome === "migrated" ? "" : ", as before"}.`,
    );
  },
});

export const statusCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Connects as DATABASE_URL and shows the version of the tables beside the one that this program was made for. Fails where this
program would not start: the tables are behind it, or a newer release has changed them so that they serve it no longer.`,
  examples: ["database status"],
  run: async ({ json }) => {
    const { databaseVariables, readDatabaseSchema } = await import("@repo/db");
    const { DATABASE_URL: url } = readVariables({ DATABASE_URL: databaseVariables.DATABASE_URL });
    const { own, found, notice, problem } = await onServer({ variable: "DATABASE_URL", url }, () =>
      readDatabaseSchema(url),
    );
    if (problem !== undefined) {
      const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
      throw new TenantSecretsError("CONFLICT", problem);
    }
    if (json) return printJson({ program: own, database: found });
    const line = ({ version, release, oldest }: typeof own): string =>
      `version ${version}, of release ${release}; serves programs of version ${oldest} and later`;
    print(`This program: ${line(own)}\nThe tables:   ${line(found)}`);
    if (notice !== undefined) print(`Note: ${notice}.`);
  },
});

function asVariables(urls: DatabaseUrls): Readonly<Record<string, string>> {
  return {
    DATABASE_URL: urls.application,
    DATABASE_MAINTENANCE_URL: urls.maintenance,
    DATABASE_MIGRATION_URL: urls.migration,
    DATABASE_LISTENER_URL: urls.listener,
    DATABASE_SIGN_IN_URL: urls.signIn,
  };
}

function asLines(urls: DatabaseUrls): string {
  return Object.entries(asVariables(urls))
    .map(([name, url]) => `${name}=${url}`)
    .join("\n");
}
