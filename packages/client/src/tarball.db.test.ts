import { execFile, execFileSync } from "node:child_process";
import { createHmac, generateKeyPairSync, randomBytes, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { createTestDatabase, whenDone } from "@repo/db/testing";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, defineCatalog, stripeSecretKey, systemCaller } from "@repo/tenant-secrets";
import { expect, test } from "vitest";

const run = promisify(execFile);
const root = path.resolve(import.meta.dirname, "../../..");
const bin = (name: string): string => path.join(root, "node_modules/.bin", name);
const value = "sk_test_fake_acmecorp_0001";

const consumer = `
import { createTenantSecretsClient, defineCatalog, stripeSecretKey, textSecret, verifyNotification } from "tenant-secrets-client";
import { z } from "zod";
declare const process: { readonly argv: readonly string[] };

const catalog = defineCatalog({
  STRIPE_SECRET_KEY: stripeSecretKey,
  CARRIER_API_KEY: textSecret(z.string(), { label: "Carrier", rule: "is text" }),
});
const [, , url = "", credential = "", delivery = "{}"] = process.argv;
const client = createTenantSecretsClient({ url, credential, catalog });
const key: string = await client.company("acmecorp").get("STRIPE_SECRET_KEY");
const { secrets } = await client.trpc.secrets.list.query({ company: "acmecorp" });
const names: string[] = secrets.map(({ secretKey }) => secretKey);
const { secret, publicKey, request } = JSON.parse(delivery);
const verified = await Promise.all(
  [{ secrets: [secret] }, { publicKeys: [publicKey] }].map((keys) => verifyNotification(keys, request)),
);
const told = verified.map(({ notification }) =>
  notification?.type === "secret.removed" ? notification.data.secretKey : undefined,
);
console.log(JSON.stringify({ key, names, told }));

export const wrong = (): unknown => [
  // @ts-expect-error -- not in the catalogue
  client.company("acmecorp").get("STRIPE_SECRT_KEY"),
  // @ts-expect-error -- no such field
  client.trpc.secrets.list.query({ compny: "acmecorp" }),
  // @ts-expect-error -- no such procedure
  client.trpc.secrets.lst,
];
`;

/** A notification as this service signs one, in both ways. */
function delivery() {
  const [secret, { privateKey, publicKey }] = [randomBytes(32), generateKeyPairSync("ed25519")];
  const [id, timestamp] = ["msg_fake0001", String(Math.floor(Date.now() / 1000))];
  const body = JSON.stringify({
    type: "secret.removed",
    version: 1,
    timestamp: new Date().toISOString(),
    data: {
      company: { id: randomUUID(), subdomain: "acmecorp" },
      secretKey: "CARRIER_API_KEY",
      actor: { kind: "job", id: "test" },
      event: randomUUID(),
    },
  });
  const signed = Buffer.from(`${id}.${timestamp}.${body}`);
  const v1 = createHmac("sha256", secret).update(signed).digest("base64");
  const v1a = sign(null, signed, privateKey).toString("base64");
  return {
    secret: `whsec_${secret.toString("base64")}`,
    publicKey: `whpk_${publicKey.export({ type: "spki", format: "der" }).subarray(-32).toString("base64")}`,
    request: {
      headers: {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,${v1} v1a,${v1a}`,
      },
      body,
    },
  };
}

/** The API on a socket, with one company and its key. */
async function startApi(): Promise<{ readonly url: string; readonly apiKey: string }> {
  const testDatabase = await createTestDatabase();
  const emulator = await startInfisicalEmulator();
  const infisical = { ...emulator, environment: "dev" } as const;
  await createInfisicalClient(infisical).putSecret(
    "/hono-api",
    "MASTER_ENCRYPTION_KEY",
    randomBytes(32).toString("hex"),
  );
  const {
    application: applicationUrl,
    maintenance: maintenanceUrl,
    listener: listenerUrl,
  } = testDatabase.urls;
  const secrets = createTenantSecrets({
    database: { applicationUrl, maintenanceUrl, listenerUrl },
    infisical,
    catalog: defineCatalog({ STRIPE_SECRET_KEY: stripeSecretKey }),
  });
  await secrets.start();
  const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
  await secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  const writer = systemCaller("test", { verbs: ["write"], secretKeys: ["*"] });
  await secrets.company("acmecorp", writer).set("STRIPE_SECRET_KEY", value);
  const { apiKey } = await secrets.admin.apiKeys.create(operator, {
    name: "test",
    companies: ["acmecorp"],
    platform: false,
    verbs: ["use", "describe"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const server = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const answer = await secrets.handler(
        new Request(`http://127.0.0.1${request.url ?? ""}`, {
          method: request.method ?? "GET",
          headers: {
            authorization: request.headers.authorization ?? "",
            "content-type": request.headers["content-type"] ?? "",
          },
          ...(request.method === "POST" ? { body } : {}),
        }),
      );
      response.writeHead(answer.status, { "content-type": "application/json" }).end(await answer.text());
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  whenDone(async () => {
    server.close();
    server.closeAllConnections();
    await secrets.stop();
    await emulator.stop();
    await testDatabase.drop();
  });
  return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`, apiKey };
}

/** The Node.js of this process, and those of other versions in PATH. */
function nodes(): string[] {
  const inPath = execFileSync("sh", ["-c", "which -a node"], { encoding: "utf8" }).trim().split("\n");
  const byVersion = new Map(
    [...inPath, process.execPath].map((node) => [
      execFileSync(node, ["--version"], { encoding: "utf8" }).trim(),
      node,
    ]),
  );
  return [...byVersion.values()];
}

test(
  "the tarball installs into an empty folder, type-checks strictly, and calls the API on each Node.js",
  { timeout: 240_000 },
  async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "tenant-secrets-client-"));
    whenDone(async () => rmSync(folder, { recursive: true }));
    const api = startApi();
    await run(bin("pnpm"), ["pack", "--pack-destination", folder], {
      cwd: path.join(root, "packages/client"),
    });
    const [tarball = "none"] = readdirSync(folder);
    writeFileSync(path.join(folder, "package.json"), '{ "type": "module", "private": true }');
    await run("npm", ["install", `./${tarball}`, "--prefer-offline", "--no-audit", "--no-fund"], {
      cwd: folder,
    });
    const installed = readdirSync(path.join(folder, "node_modules")).filter((name) => !name.startsWith("."));
    expect(installed.toSorted()).toEqual(["tenant-secrets-client", "zod"]);
    const dist = path.join(folder, "node_modules/tenant-secrets-client/dist");
    const bundle = readdirSync(dist)
      .map((file) => readFileSync(path.join(dist, file), "utf8"))
      .join("\n");
    expect(bundle).not.toMatch(/(?:from |import\()"(?:node:|@repo\/|postgres|drizzle|@infisical|hono)/);

    writeFileSync(path.join(folder, "consumer.ts"), consumer);
    const options =
      "--strict --skipLibCheck false --module nodenext --target es2022 --lib es2023,dom --types".split(" ");
    await run(bin("tsc"), [...options, "", "consumer.ts"], { cwd: folder });

    const { url, apiKey } = await api;
    for (const node of nodes()) {
      const { stdout } = await run(node, ["consumer.js", url, apiKey, JSON.stringify(delivery())], {
        cwd: folder,
        env: {},
      });
      expect(JSON.parse(stdout), node).toEqual({
        key: value,
        names: ["STRIPE_SECRET_KEY"],
        told: ["CARRIER_API_KEY", "CARRIER_API_KEY"],
      });
    }
  },
);
