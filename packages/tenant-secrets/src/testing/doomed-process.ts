import { connectDatabase, type Database } from "@repo/db";
import { startJobs } from "@repo/db/jobs";
import { createInfisicalClient } from "@repo/infisical";
import { json } from "node:stream/consumers";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { Plaintext } from "@repo/envelope";
import { createOutbound } from "@repo/outbound";
import { createTasks } from "../jobs/jobs.ts";
import { assembleBase } from "../assembly/base.ts";
import { createDatabaseStore } from "../stores/database/database-store.ts";
import { assembleTenantSecrets } from "../assemble.ts";
import { withCommitPoints, withRequestPoints } from "./points.ts";
import { defineToyRun } from "./toy-run.ts";

// For kill tests: a process that does long work and kills itself in the middle: at a given step of a rotation, or just before
// the commit of a transaction that changes something. It reads its orders from standard input, and prints each step.

export const Orders = z.object({
  work: z.enum([
    "rotate",
    "rotate-company",
    "shred",
    "delete",
    "jobs",
    "toy",
    "backfill",
    "migrate",
    "mirror",
    "deliver",
  ]),
  /** For `rotate-company`, `shred` and `backfill`. */
  subdomain: z.string().default(""),
  /** Of the caller. */
  operatorId: z.string().default("test-operator"),
  /** For `migrate` and `delete`: the run. For `mirror`: the company's id. For `toy`: the run, and whether its kind has a clean-up. */
  run: z.string().default(""),
  cleansUp: z.boolean().default(false),
  /** For `jobs`. */
  backup: z.object({ recipients: z.array(z.string()), directory: z.string() }).optional(),
  /** For `deliver`: where endpoints are. */
  allow: z.array(z.string()).default([]),
  /** The step or transaction to die in, counted from 0; or before the first put to Infisical. */
  killAt: z.union([z.int(), z.literal("put")]),
});

const Deployment = z.object({
  applicationUrl: z.string(),
  maintenanceUrl: z.string(),
  infisical: z.object({
    siteUrl: z.string(),
    clientId: z.string(),
    clientSecret: z.string(),
    projectId: z.string(),
  }),
});

const {
  work,
  subdomain,
  operatorId,
  run,
  cleansUp,
  backup,
  allow,
  killAt,
  applicationUrl,
  maintenanceUrl,
  infisical,
} = Orders.extend(Deployment.shape).parse(await json(process.stdin));

/** Copies of three batches of 20 secrets each, which know nothing of earlier ones. */
async function backfillThrice(): Promise<void> {
  const { audit, companyKeys } = assembleBase({ database, infisical: client });
  const store = createDatabaseStore({ database, companyKeys, audit, onAlarm: console.error });
  const caller = operator;
  const { company } = await secrets.companies.resolve({ caller, action: "secret.backfill" }, subdomain);
  for (let batch = 0; batch < 3; batch++) {
    const copies = Array.from({ length: 20 }, (_, i) => ({
      secretKey: `CUSTOM_${batch}_${i}`,
      plaintext: Plaintext.fromText(`fake-${batch}-${i}`),
      lastFour: undefined,
    }));
    await store.backfillMany({ caller, company }, { origin: "infisical", secrets: copies });
  }
}

let reached = 0;
function reach(): void {
  if (reached++ === killAt) process.kill(process.pid, "SIGKILL");
}

const real = connectDatabase({ applicationUrl, maintenanceUrl });
const database: Database = work === "rotate" ? real : withCommitPoints(real, reach);
const client = withRequestPoints(createInfisicalClient({ ...infisical, environment: "dev" }), reach);
const outbound = createOutbound({ allow });
const secrets = assembleTenantSecrets({
  database,
  infisical: {
    ...client,
    deleteFolder: async (path) => {
      reach();
      await client.deleteFolder(path);
    },
    putSecret: (...args) => {
      if (killAt === "put") process.kill(process.pid, "SIGKILL");
      return client.putSecret(...args);
    },
  },
  catalog: deliveryChatCatalog,
  backupDestination: backup,
  mirrorRequestsPerMinute: null,
  outbound: {
    ...outbound,
    fetch: (...args) => {
      reach();
      return outbound.fetch(...args);
    },
  },
});
const operator = { actor: { kind: "operator", id: operatorId } } as const;

switch (work) {
  case "rotate":
    await secrets.keyRotation.rotate(operator, {
      backup: () => Promise.resolve("sha256:fake"),
      onStep: ([phase, done]) => {
        console.log(`${phase} ${done}`);
        reach();
      },
    });
    break;
  case "rotate-company":
    await secrets.companyKeyRotation.rotateCompanyKey(operator, subdomain);
    break;
  case "shred":
    await secrets.shredding.shred(operator, subdomain, { backupsKeptDays: 30 });
    break;
  case "delete":
    await secrets.runs.work["delete-company"]?.(run, new AbortController().signal);
    break;
  case "toy":
    await defineToyRun(database, { cleansUp }).drive(run, { caller: operator, tools: {} });
    break;
  case "backfill":
    await backfillThrice();
    break;
  case "migrate":
    await secrets.migrations.run.drive(run, { caller: operator, tools: { sliceMs: Infinity } });
    break;
  case "mirror":
    await secrets.mirroring.mirror(run, new AbortController().signal);
    break;
  case "deliver":
    secrets.startDeliveries(console.error);
    // The process ends by the kill alone.
    await setTimeout(60_000);
    break;
  case "jobs":
    await startJobs({
      maintenanceUrl,
      tasks: createTasks({ database, secrets, log: console.error }),
      cron: {},
      log: console.error,
    });
    // The process ends by the kill alone.
    await new Promise(() => {});
}
await secrets.stop();
await database.close();
