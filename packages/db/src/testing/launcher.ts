import { setTimeout as sleep } from "node:timers/promises";
import { startEmbeddedPostgres } from "../embedded/index.ts";

// A process that owns an embedded server, for tests that kill it or run it as another user.
// Takes the data directory, prints the server's URL, and on Ctrl-C stops in order.

const dataDir = process.argv[2];
if (dataDir === undefined) throw new Error("launcher.ts <data directory>");
const server = await startEmbeddedPostgres({ dataDir, settings: { fsync: "off" } });
process.once("SIGINT", () => {
  console.log("interrupted");
  // A server that got the signal too would be gone by then.
  void sleep(500)
    .then(() => server.stop())
    .then(() => process.exit(0));
});
console.log(server.superuserUrl);
