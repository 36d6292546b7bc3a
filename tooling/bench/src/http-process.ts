import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { serve } from "@hono/node-server";
import { trpcServer } from "@hono/trpc-server";
import { connectDatabase } from "@repo/db";
import {
  createApp,
  createLog,
  createMetrics,
  createStartUp,
  listen,
  signPeopleIn,
} from "@repo/hono-api/bench";
import { createInfisicalClient } from "@repo/infisical";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecrets, type Catalog, type TenantSecrets } from "@repo/tenant-secrets";
import { initTRPC } from "@trpc/server";
import { Hono } from "hono";
import { z } from "zod";
import { Place } from "./deployment.ts";
import { subdomainOf } from "./population.ts";

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
// Browsers of this machine keep its cookies, and no mail is sent.
const publicUrl = "http://localhost";
const signIn = signPeopleIn({
  databaseUrl: urls.signIn,
  publicUrl,
  sendMail: async () => {},
  secrets: () => secrets,
});
const secrets: TenantSecrets<Catalog> = createTenantSecrets({
  database,
  infisical,
  catalog,
  limits: unlimited,
  signIn: (headers) => signIn.session(headers),
  accounts: signIn.accounts,
});
await secrets.start();
const log = createLog("info");
const startUp = createStartUp(log);
await startUp.run(async () => {}, new AbortController().signal);

// A member needs no second factor.
const person = { email: "mia@bench.example", password: randomBytes(16).toString("hex") };
const { userId } = await secrets.admin.members.add(
  { actor: { kind: "operator", id: "bench" } },
  subdomainOf(0),
  { email: person.email, name: "Mia", role: "member" },
);
await signIn.accounts.createPassword(userId, person.password);

const appOptions = {
  secrets,
  database,
  infisical,
  startUp,
  isStopping: () => false,
  isListening: () => secrets.isListening(),
  log,
  baseDomain: "localhost",
  stripeApiUrl: "http://127.0.0.1:1",
  trustedProxies: 0,
  allowedOrigins: [],
  metrics: createMetrics(),
  maxRequestsInFlight: 1000,
  signIn,
  publicUrl,
};

const t = initTRPC.create({ isDev: false });
const router = t.router({ nothing: t.procedure.mutation(() => null) });
const createAppAt = () => {
  const app = createApp(appOptions);
  return app.all("/empty/*", (c, next) => trpcServer({ endpoint: "/empty", router })(c, next));
};

const server = await listen(createAppAt, { host: "127.0.0.1", port: 0 });
// The same procedure with nothing before it, in a server as Hono starts one.
const bareApp = new Hono().all("/empty/*", trpcServer({ endpoint: "/empty", router }));
const bare = serve({ fetch: bareApp.fetch, hostname: "127.0.0.1", port: 0 });
await once(bare, "listening");
const { port } = z.object({ port: z.int() }).parse(bare.address());
process.send?.({ url: server.url, bareUrl: `http://127.0.0.1:${port}`, publicUrl, person });
await once(process, "disconnect");
await server.stop(1000);
bare.close();
await signIn.close();
await secrets.stop();
await database.close();
