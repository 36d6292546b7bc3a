import { existsSync } from "node:fs";
import path from "node:path";
import { startEmbeddedPostgres } from "@repo/db/embedded";
import type { EmbeddedPostgres } from "@repo/db/embedded";
import { openDataDirectory } from "./data-directory.ts";

/** The database of the product. */
export const databaseName = "tenant_secrets";

/** The connection URLs, one per login role. */
export interface RoleUrls {
  readonly application: string;
  readonly maintenance: string;
  readonly migration: string;
  readonly listener: string;
  readonly signIn: string;
}

export interface LocalDatabase extends Pick<EmbeddedPostgres, "port" | "stop" | "superuserUrl"> {
  /** Makes roles and database where they are not known, all of them; later gives them as they are. */
  roleUrls(): Promise<RoleUrls>;
}

/**
 * Starts the embedded PostgreSQL.
 *
 * @param dataDir its own; `roles.json` in it ends with the data that it belongs to
 * @param lastPort taken again where it is free
 * @param settings as in postgresql.conf
 */
export async function startDatabase(
  dataDir: string,
  lastPort: number | undefined,
  settings: Readonly<Record<string, string>> = {},
): Promise<LocalDatabase> {
  const isFirstStart = !existsSync(path.join(dataDir, "cluster"));
  const server = await startEmbeddedPostgres({
    dataDir,
    settings,
    ...(lastPort !== undefined && { port: lastPort }),
  });
  const file = "roles.json";
  return {
    port: server.port,
    superuserUrl: server.superuserUrl,
    stop: () => server.stop(),
    roleUrls: async () => {
      const data = openDataDirectory(dataDir);
      const { application, maintenance, migration, listener, signIn } = isFirstStart ? {} : data.read(file);
      if (application && maintenance && migration && listener && signIn) {
        return {
          application: atPort(application, server.port),
          maintenance: atPort(maintenance, server.port),
          migration: atPort(migration, server.port),
          listener: atPort(listener, server.port),
          signIn: atPort(signIn, server.port),
        };
      }
      // A second start does without this package: it takes longer to load than PostgreSQL to start.
      const { provisionDatabase } = await import("@repo/db");
      const urls = await provisionDatabase({ superuserUrl: server.superuserUrl, database: databaseName });
      data.write(file, { ...urls });
      return urls;
    },
  };
}

function atPort(url: string, port: number): string {
  const moved = new URL(url);
  moved.port = String(port);
  return moved.href;
}
