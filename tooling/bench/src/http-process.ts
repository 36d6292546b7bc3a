import { once } from "node:events";
import { trpcServer } from "@hono/trpc-server";
import { connectDatabase } from "@repo/db";
import { createApp, createLog, createMetrics, createStartUp, listen } from "@repo/hono-api/bench";
import { createInfisicalClient } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets, type Catalog } from "@repo/tenant-secrets";
import { initTRPC } from "@trpc/server";
import { Place } from "./deployment.ts";

// The API in a process of its own, as a deployment has it, with one route more: a procedure that does nothing. Whatever
// stands before all routes stands before both, the line in the log too.

const [message]: unknown[] = await once(process, "message");
const { urls, infisical: infisicalPlace } = Place.parse(message);
const database = connectDatabase({
  applicationUrl: urls.application,
  maintenanceUrl: urls.maintenance,
  listenerUrl: urls.listener,
});
const infisical = createInfisicalClient({ ...infisicalPlace, environment: "dev" });
// One API key asks for more than the limits let through; they count all the same.
const unlimited = { callsPerSecond: 1_000_000, companyCallsPerSecond: 1_000_000 };
const catalog: Catalog = deliveryChatCatalog;
const secrets = createTenantSecrets({
  database,
  infisical,
  catalog,
  limits: unlimited,
});
await secrets.start();
const log = createLog("info");
const startUp = createStartUp(log);
await startUp.run(async () => {}, new AbortController().signal);
const appOptions = {
  secrets,
  database,
  infisical,
  startUp,
  isListening: () => secrets.isListening(),
  log,
  baseDomain: "localhost",
  stripeApiUrl: "http://127.0.0.1:1",
  trustedProxies: 0,
  allowedOrigins: [],
  metrics: createMetrics(),
  maxRequestsInFlight: 1000,
};

const t = initTRPC.create({ isDev: false });
const router = t.router({ nothing: t.procedure.mutation(() => null) });
const createAppAt = (publicUrl: string) => {
  const app = createApp({ ...appOptions, publicUrl });
  return app.all("/empty/*", (c, next) => trpcServer({ endpoint: "/empty", router })(c, next));
};

const server = await listen(createAppAt, { host: "127.0.0.1", port: 0 });
process.send?.(server.url);
await once(process, "disconnect");
await server.stop(1000);
await secrets.stop();
await database.close();
