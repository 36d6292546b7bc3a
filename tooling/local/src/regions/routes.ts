import { rmSync } from "node:fs";
import path from "node:path";
import { startEmbeddedPostgres } from "@repo/db/embedded";
import { openDataDirectory } from "../data-directory.ts";
import { choosePorts } from "../ports.ts";
import type { Shutdown } from "../shutdown.ts";
import { type LocalRegion, replicating } from "./region.ts";

interface Parts {
  readonly say: (line: string) => void;
  readonly shutdown: Shutdown;
}

/**
 * Replicates the copies of one region to another, by an export's server that stands at the home. Repeated at each start: a server
 * may have another port.
 */
export async function connectRegions(
  home: LocalRegion,
  target: LocalRegion,
  { say, shutdown }: Parts,
): Promise<void> {
  const data = openDataDirectory(path.join(home.path, `export-to-${target.name}`));
  const ports = choosePorts(data, say);
  const port = ports.lastOf("Export");
  const dataDir = data.at("postgres");
  const server = await startEmbeddedPostgres({
    dataDir,
    settings: replicating,
    ...(port !== undefined && { port }),
  });
  shutdown.onStop(() => server.stop());
  ports.remember("Export", server.port);
  say(
    `${home.name}  Export       127.0.0.1:${server.port}  (a PostgreSQL with nothing but the copies for ${target.name})`,
  );
  const passwordFile = path.join(dataDir, "home-password");
  const subscription = data.at("subscription.json");
  rmSync(subscription, { force: true });
  const atHome = {
    DATABASE_SUPERUSER_URL: home.database.superuserUrl,
    EXPORT_SUPERUSER_URL: server.superuserUrl,
  };
  const inTarget = { DATABASE_SUPERUSER_URL: target.database.superuserUrl };
  await home.direct(["regions", "publish", target.name, "--password-file", passwordFile], {
    variables: atHome,
  });
  await home.direct(
    ["regions", "connect", target.name, "--password-file", passwordFile, "--output", subscription],
    { variables: atHome },
  );
  await target.direct(["regions", "subscribe", subscription], { variables: inTarget });
}
