import { execFile } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import path from "node:path";
import { promisify } from "node:util";
import { createTestDatabase, whenDone } from "@repo/db/testing";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, defineCatalog, stripeSecretKey } from "@repo/tenant-secrets";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import { expect, test } from "vitest";
import { checks, courierCatalog, verifiers } from "./product.ts";
import { startServer } from "./testing/start-server.ts";

const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
const database = await createTestDatabase();
const emulator = await startInfisicalEmulator();
const { siteUrl, clientId, clientSecret, projectId } = emulator;
const infisical = { siteUrl, clientId, clientSecret, projectId, environment: "prod" } as const;
const masterKey = randomBytes(32).toString("hex");
await createInfisicalClient(infisical).putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", masterKey);

/** A carrier, and the credentials that it was asked with. */
const credentials: (string | undefined)[] = [];
const carrier = createServer((request, response) => {
  credentials.push(request.headers.authorization);
  response.end(JSON.stringify({ tracking: `T${credentials.length}` }));
}).listen(0, "127.0.0.1");
await once(carrier, "listening");
const address = carrier.address();
const carrierPort = typeof address === "object" ? address?.port : undefined;

const variables = {
  DATABASE_URL: database.urls.application,
  DATABASE_MAINTENANCE_URL: database.urls.maintenance,
  DATABASE_LISTENER_URL: database.urls.listener,
  INFISICAL_SITE_URL: siteUrl,
  INFISICAL_CLIENT_ID: clientId,
  INFISICAL_CLIENT_SECRET: clientSecret,
  INFISICAL_PROJECT_ID: projectId,
  CARRIER_URL: `http://127.0.0.1:${carrierPort}`,
  PORT: "0",
};
const { child: server, url } = await startServer(variables);

const script = createTenantSecrets({
  database: { applicationUrl: database.urls.application, maintenanceUrl: database.urls.maintenance },
  infisical,
  catalog: courierCatalog,
  checks,
  verifiers,
  cache: false,
});
whenDone(async () => {
  server.kill("SIGKILL");
  await script.stop();
  carrier.close();
  await emulator.stop();
  await database.drop();
});
for (const subdomain of ["books", "shoes"]) {
  await script.admin.companies.create(operator, { subdomain, secretStore: "database" });
}
const { apiKey } = await script.admin.apiKeys.create(operator, {
  name: "page of the shop",
  companies: ["books"],
  platform: false,
  verbs: ["describe", "use", "write"],
  secretKeys: ["*"],
  expiresAt: new Date(Date.now() + 3_600_000),
});
const client = createTenantSecretsClient({ url, credential: apiKey, catalog: courierCatalog });
const ship = (shop: string) => fetch(`${url}/shops/${shop}/parcels`, { method: "POST" });

test("a shop's carrier is asked with the key that the shop has set", async () => {
  await client.company("books").set("CARRIER_API_KEY", "ck_fakefakefake0001");
  const answer = await ship("books");
  expect({ status: answer.status, body: await answer.text() }).toEqual({
    status: 200,
    body: '{"tracking":"T1"}',
  });
  expect(credentials).toEqual(["Bearer ck_fakefakefake0001"]);
});

test("a shop without a key, and a shop that does not exist, get the same answer", async () => {
  const answers = await Promise.all(["shoes", "absent"].map(ship));
  expect(answers.map(({ status }) => status)).toEqual([404, 404]);
  const [shoes, absent] = await Promise.all(answers.map((answer) => answer.text()));
  expect(shoes).toBe(absent);
});

test("a shop's own key opens nothing of another shop", async () => {
  await expect(client.company("shoes").get("CARRIER_API_KEY")).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("forms are described by the server's own catalogue", async () => {
  const { secrets, custom } = await client.trpc.catalog.describe.query();
  expect(secrets).toMatchObject([
    { secretKey: "CARRIER_API_KEY", purpose: "Hands parcels of the shop to its carrier.", format: "text" },
    { secretKey: "CARRIER_WEBHOOK_SECRET", format: "text" },
    { secretKey: "WAREHOUSE_LOGIN", format: "json", schema: { required: ["user", "password"] } },
  ]);
  expect(new RegExp(custom.pattern).test("CUSTOM_A")).toBe(true);
});

test("the client refuses a value and a name outside the catalogue", async () => {
  const books = client.company("books");
  await expect(books.set("CARRIER_API_KEY", "no carrier key")).rejects.toMatchObject({
    code: "INVALID_VALUE",
  });
  // @ts-expect-error -- Courier has no such secret, and the client says so before it asks
  await expect(books.set("STRIPE_SECRET_KEY", "sk_test_fake_0001")).rejects.toMatchObject({
    code: "UNKNOWN_SECRET_KEY",
  });
});

test("the server refuses a name of another product's catalogue", async () => {
  const catalog = defineCatalog({ STRIPE_SECRET_KEY: stripeSecretKey });
  const books = createTenantSecretsClient({ url, credential: apiKey, catalog }).company("books");
  await expect(books.set("STRIPE_SECRET_KEY", "sk_test_fake_acmecorp_0001")).rejects.toMatchObject({
    code: "UNKNOWN_SECRET_KEY",
  });
});

test("a carrier's webhook is taken with the shop's own signature alone", async () => {
  await client.company("books").set("CARRIER_WEBHOOK_SECRET", "fake_webhook_secret_0001");
  const body = '{"tracking":"T1","delivered":true}';
  const deliver = (signature: string) =>
    fetch(`${url}/shops/books/events`, {
      method: "POST",
      headers: { "x-carrier-signature": signature },
      body,
    });
  const signed = (secret: string) => createHmac("sha256", secret).update(body).digest("hex");
  expect((await deliver(signed("fake_webhook_secret_0001"))).status).toBe(204);
  expect((await deliver(signed("fake_webhook_secret_0002"))).status).toBe(401);
  expect((await deliver("none")).status).toBe(401);
});

test("the shipped command line asks the carrier whether it accepts a key, by Courier's own check", async () => {
  await client.company("books").set("CARRIER_API_KEY", "ck_fakefakefake0002");
  credentials.length = 0;
  const cli = path.join(import.meta.dirname, "../../../apps/cli/src/main.ts");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [cli, "check", "CARRIER_API_KEY", "--company", "books"],
    {
      env: {
        ...variables,
        INFISICAL_ENVIRONMENT: "prod",
        SECRETS_CATALOG: path.join(import.meta.dirname, "product.ts"),
        TENANT_SECRETS_API_KEY: apiKey,
      },
    },
  );
  expect(stdout).toMatch(/CARRIER_API_KEY.*accepted/);
  expect(credentials).toEqual(["Bearer ck_fakefakefake0002"]);
});

test("a server that cannot start is reported at once, with what it printed", async () => {
  const { CARRIER_URL: _, ...incomplete } = variables;
  await expect(startServer(incomplete)).rejects.toThrow(/ended with 1 before it listened:[^]*CARRIER_URL/);
});

test("SIGTERM ends the server, after it has committed its audit events", async () => {
  server.kill("SIGTERM");
  expect(await once(server, "exit")).toEqual([0, null]);
  const { events } = await script.admin.audit.list(operator, { company: "books" });
  const reads = events.filter(({ action, outcome }) => action === "secret.read" && outcome === "success");
  expect(reads).toMatchObject([
    { actorKind: "job", actorId: "shipping", secretKey: "CARRIER_WEBHOOK_SECRET" },
    { actorKind: "job", actorId: "shipping", secretKey: "CARRIER_API_KEY" },
  ]);
});
