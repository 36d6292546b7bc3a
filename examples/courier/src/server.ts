import { serve } from "@hono/node-server";
import { createTenantSecrets } from "@repo/tenant-secrets";
import { createApp } from "./app.ts";
import { readVariables } from "./env.ts";
import { checks, courierCatalog, verifiers } from "./product.ts";

const env = readVariables();
const secrets = createTenantSecrets({
  database: {
    applicationUrl: env.DATABASE_URL,
    maintenanceUrl: env.DATABASE_MAINTENANCE_URL,
    listenerUrl: env.DATABASE_LISTENER_URL,
  },
  infisical: {
    siteUrl: env.INFISICAL_SITE_URL,
    clientId: env.INFISICAL_CLIENT_ID,
    clientSecret: env.INFISICAL_CLIENT_SECRET,
    projectId: env.INFISICAL_PROJECT_ID,
    environment: "prod",
  },
  catalog: courierCatalog,
  checks,
  verifiers,
});
await secrets.start();

const app = createApp(secrets, env.CARRIER_URL);
const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: env.PORT }, ({ port }) =>
  console.log(`Courier listens on http://127.0.0.1:${port}`),
);
process.once("SIGTERM", () => server.close(() => void secrets.stop()));
