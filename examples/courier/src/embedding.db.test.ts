import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { createTestDatabase, whenDone } from "@repo/db/testing";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets } from "@repo/tenant-secrets";
import { expect, test } from "vitest";
import { checks, courierCatalog, verifiers } from "./product.ts";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../../..");
const carrierKey = "ck_fakefakefake0001";

/** What a reader of the page brings along, and what the page leaves out. */
const before = `
import { serve } from "@hono/node-server";
import { type Context, Hono } from "hono";

const {
  migrationUrl = "", applicationUrl = "", maintenanceUrl = "", listenerUrl = "",
  siteUrl = "", clientId = "", clientSecret = "", projectId = "", apiKey = "",
} = process.env;
const [user, password] = ["fake_user", "fake_password"];
const app = new Hono();
const log = { error: (_fields: object, message: string) => console.error(message) };
const sessionOf = (headers: Headers): { readonly userId: string } | undefined =>
  headers.has("cookie") ? { userId: "fake" } : undefined;
const clientAddressOf = (_: Context): string | undefined => "127.0.0.1";
`;
const mounted = `
const listening = Promise.withResolvers<number>();
const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => listening.resolve(port));
const url = \`http://127.0.0.1:\${await listening.promise}\`;
`;
const called = `
const login = await client.company("acmecorp").get("WAREHOUSE_LOGIN");
server.close();
process.stdout.write(JSON.stringify({ key, login }));
`;

/** The TypeScript of the page's sections in the order of a program: the client is called before the server stops. */
function programOf(page: string): string {
  const [migrate, catalog, construct, mount, stop, client, ...others] = [
    ...page.matchAll(/^```ts\n([^]*?)^```$/gm),
  ].map((match) => match[1] ?? "");
  expect(others).toEqual([]);
  const packed = client?.replace('"tenant-secrets-client"', '"@repo/tenant-secrets/client"');
  return [before, migrate, catalog, construct, mount, mounted, packed, called, stop].join("\n");
}

/** A database and an Infisical with one company and its key, as the environment of the program. */
async function environment(): Promise<Record<string, string>> {
  const database = await createTestDatabase();
  const { urls } = database;
  const emulator = await startInfisicalEmulator();
  whenDone(async () => {
    await emulator.stop();
    await database.drop();
  });
  const { siteUrl, clientId, clientSecret, projectId } = emulator;
  const infisical = { siteUrl, clientId, clientSecret, projectId, environment: "prod" } as const;
  const masterKey = randomBytes(32).toString("hex");
  await createInfisicalClient(infisical).putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", masterKey);
  const { application: applicationUrl, maintenance: maintenanceUrl } = urls;
  const script = createTenantSecrets({
    database: { applicationUrl, maintenanceUrl },
    infisical,
    catalog: courierCatalog,
    checks,
    verifiers,
    cache: false,
  });
  const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
  await script.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  const { apiKey } = await script.admin.apiKeys.create(operator, {
    name: "test",
    companies: ["acmecorp"],
    platform: false,
    verbs: ["use", "write"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const caller = await script.authenticate({ credential: apiKey });
  await script.company("acmecorp", caller).set("CARRIER_API_KEY", carrierKey);
  await script.stop();
  return {
    migrationUrl: urls.migration,
    applicationUrl,
    maintenanceUrl,
    listenerUrl: urls.listener,
    siteUrl,
    clientId,
    clientSecret,
    projectId,
    apiKey,
  };
}

test(
  "the program of docs/embedding.md compiles strictly, and runs as it is printed",
  { timeout: 240_000 },
  async () => {
    const page = readFileSync(path.join(root, "docs/embedding.md"), "utf8");
    const file = path.join(import.meta.dirname, `../embedding-${process.pid}.ts`);
    const configuration = file.replace(/\.ts$/, ".json");
    writeFileSync(file, programOf(page));
    writeFileSync(
      configuration,
      JSON.stringify({ extends: "./tsconfig.json", include: [path.basename(file)] }),
    );
    whenDone(async () => [file, configuration].forEach((each) => rmSync(each)));
    const tsc = path.join(root, "node_modules/.bin/tsc");
    const compiled = await run(tsc, ["-p", configuration]).catch(({ stdout }: { stdout: string }) => ({
      stdout,
    }));
    expect(compiled.stdout).toBe("");
    const { stdout, stderr } = await run(process.execPath, [file], { env: await environment() });
    expect({ ...JSON.parse(stdout), stderr }).toEqual({
      key: carrierKey,
      login: { user: "fake_user", password: "fake_password" },
      stderr: "",
    });
  },
);
