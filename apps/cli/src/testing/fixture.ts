import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { text } from "node:stream/consumers";
import { connectDatabase } from "@repo/db";
import { createTestDatabase, whenDone } from "@repo/db/testing";
import { createInfisicalClient, type InfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import type { Outbound } from "@repo/outbound";
import {
  createTenantSecrets,
  systemCaller,
  type Caller,
  type CredentialChecks,
  type NewApiKey,
  type TenantSecrets,
  type TenantSecretsError,
} from "@repo/tenant-secrets";
import type { Environment } from "./run-cli.ts";

export interface Fixture {
  /** For a command that works through a real HTTP server. */
  readonly remote: Environment;
  /** For a command that does the work by itself. */
  readonly local: Environment;
  readonly superuserUrl: string;
  /** For a process that serves. */
  readonly listenerUrl: string;
  /** A process that serves the same database, once it is started. Its test stops it. */
  serving(onAlarm: (error: TenantSecretsError) => void): TenantSecrets<typeof deliveryChatCatalog>;
  readonly infisical: InfisicalClient;
  readonly secrets: TenantSecrets<typeof deliveryChatCatalog>;
  readonly operatorToken: string;
  readonly emulator: Awaited<ReturnType<typeof startInfisicalEmulator>>;
  /** An API key that may do everything that one can, to all secrets of some companies. */
  apiKey(companies: readonly string[], narrower?: Partial<NewApiKey>): Promise<string>;
}

export const operator: Caller = { actor: { kind: "operator", id: "test-operator" } };

/** Code of the product, to look at what a command did. */
export const product: Caller = systemCaller("test", {
  verbs: ["describe", "use", "write"],
  secretKeys: ["*"],
});

function inAnHour(): Date {
  return new Date(Date.now() + 3_600_000);
}

/**
 * A database, an Infisical, an operator and an HTTP server, for one test file. Ends with it.
 *
 * @param checks who is asked about credentials in place of the providers
 * @param outbound which addresses the server sends notifications to. Default: public ones
 * @param region the region that all of it is in
 */
export async function createFixture(
  checks?: CredentialChecks,
  outbound?: Outbound,
  region = "default",
): Promise<Fixture> {
  const testDatabase = await createTestDatabase();
  const { application, maintenance } = testDatabase.urls;
  const emulator = await startInfisicalEmulator();
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  const suffix = region === "default" ? "" : `_${region.toUpperCase()}_V1`;
  await infisical.putSecret("/hono-api", `MASTER_ENCRYPTION_KEY${suffix}`, randomBytes(32).toString("hex"));
  const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  const secrets = createTenantSecrets({
    database,
    infisical,
    catalog: deliveryChatCatalog,
    region,
    cache: false,
    operatorApprovals: 1,
    checks,
    outbound,
    // Invitations are enqueued; no job sends them here.
    mail: {
      send: async () => {},
      publicUrl: "http://localhost:3000",
    },
    // A session of a person is the id of one.
    signIn: async (headers) => {
      const userId = headers.get("x-test-user");
      return userId === null ? undefined : { userId };
    },
  });
  const server = createServer(serve((url, init) => secrets.handler(new Request(url, init))));
  const url = await listen(server);
  whenDone(async () => {
    server.close();
    server.closeAllConnections();
    await database.close();
    await emulator.stop();
    await testDatabase.drop();
  });
  const { token: operatorToken } = await secrets.admin.operators.create(operator, {
    name: "test",
    expiresAt: inAnHour(),
  });
  return {
    secrets,
    infisical,
    operatorToken,
    emulator,
    superuserUrl: testDatabase.superuserUrl,
    listenerUrl: testDatabase.urls.listener,
    serving: (onAlarm) =>
      createTenantSecrets({
        database: {
          applicationUrl: application,
          maintenanceUrl: maintenance,
          listenerUrl: testDatabase.urls.listener,
        },
        infisical: { ...emulator, environment: "dev" },
        catalog: deliveryChatCatalog,
        region,
        onAlarm,
      }),
    remote: { TENANT_SECRETS_URL: url, TENANT_SECRETS_OPERATOR_TOKEN: operatorToken },
    local: {
      DATABASE_URL: application,
      DATABASE_MAINTENANCE_URL: maintenance,
      INFISICAL_SITE_URL: emulator.siteUrl,
      INFISICAL_CLIENT_ID: emulator.clientId,
      INFISICAL_CLIENT_SECRET: emulator.clientSecret,
      INFISICAL_PROJECT_ID: emulator.projectId,
      INFISICAL_ENVIRONMENT: "dev",
      MASTER_KEY_REGION: region,
      OPERATOR_APPROVALS: "1",
    },
    apiKey: async (companies, narrower = {}) => {
      const created = await secrets.admin.apiKeys.create(operator, {
        name: "test",
        companies,
        platform: companies.length > 1,
        verbs: ["describe", "use", "write", "delete"],
        secretKeys: ["*"],
        expiresAt: inAnHour(),
        ...narrower,
      });
      return created.apiKey;
    },
  };
}

/** The API on a socket: what the in-process way answers, sent over HTTP. */
export function serve(handle: (url: string, init: RequestInit) => Promise<Response>): RequestListener {
  return (request, response) => {
    void (async () => {
      const body = await text(request);
      const answer = await handle(`http://127.0.0.1${request.url ?? "/"}`, {
        method: request.method ?? "GET",
        headers: {
          authorization: request.headers.authorization ?? "",
          "content-type": request.headers["content-type"] ?? "",
        },
        ...(request.method === "POST" ? { body } : {}),
      });
      response.writeHead(answer.status, { "content-type": "application/json" });
      response.end(JSON.stringify(await answer.json()));
    })();
  };
}

/** Starts a server on a port of its own. @returns its URL */
export async function listen(server: ReturnType<typeof createServer>): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return `http://127.0.0.1:${address.port}`;
}
