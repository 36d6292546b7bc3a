import { flushCompileCache } from "node:module";
import { json } from "node:stream/consumers";
import { connectDatabase } from "@repo/db";
import { startJobs } from "@repo/db/jobs";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createInfisicalClient } from "@repo/infisical";
import { createOutbound } from "@repo/outbound";
import { sql } from "drizzle-orm";
import { z } from "zod";
import { assembleTenantSecrets } from "../assemble.ts";
import { createTasks } from "../jobs/jobs.ts";
import { rotationDrivers } from "../rotation/drivers/drivers.ts";
import { withCommitPoints } from "./points.ts";
import { unpaced } from "./unpaced.ts";

// For rotation/kills.db.test.ts: a worker of jobs that rotates with a local provider, and kills itself at a point: before or after
// a commit that changes something, or before a request to the provider or after its answer. It reads its orders from standard input.

const Orders = z.object({
  /** A point while the run is in this phase, counted from 0. Left out: it works until it is ended. */
  kill: z.object({ phase: z.string(), at: z.int() }).optional(),
  sendgrid: z.string(),
  applicationUrl: z.string(),
  maintenanceUrl: z.string(),
  infisical: z.object({
    siteUrl: z.string(),
    clientId: z.string(),
    clientSecret: z.string(),
    projectId: z.string(),
  }),
});

// A process that is killed leaves no cache otherwise.
flushCompileCache();
const { kill, sendgrid, applicationUrl, maintenanceUrl, infisical } = Orders.parse(await json(process.stdin));

const real = connectDatabase({ applicationUrl, maintenanceUrl });
let reached = 0;
async function reach(): Promise<void> {
  if (kill === undefined) return;
  const [run] = await real.acrossCompanies((statements) =>
    statements.execute(sql`select phase from runs where kind = 'rotate-secret' and finished_at is null`),
  );
  if (run?.["phase"] === kill.phase && reached++ === kill.at) process.kill(process.pid, "SIGKILL");
}

const database = withCommitPoints(real, reach, reach);
const outbound = createOutbound({ allow: [new URL(sendgrid).host] });
const secrets = assembleTenantSecrets({
  database,
  infisical: createInfisicalClient({ ...infisical, environment: "dev" }),
  catalog: deliveryChatCatalog,
  drivers: unpaced(rotationDrivers({ sendgrid })),
  outbound: {
    ...outbound,
    fetch: async (...args) => {
      await reach();
      const answer = await outbound.fetch(...args);
      await reach();
      return answer;
    },
  },
});
await startJobs({
  maintenanceUrl,
  tasks: createTasks({ database, secrets, log: () => {} }),
  cron: {},
  log: () => {},
  // The jobs of the process that was killed before are taken over in the time of a test.
  lookForDeadMs: 100,
});
