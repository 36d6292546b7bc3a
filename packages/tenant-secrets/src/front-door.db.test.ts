import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { connectDatabase } from "@repo/db";
import { createTestDatabase, whenDone } from "@repo/db/testing";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { expect, test } from "vitest";
import { createTenantSecretsClient } from "./client.ts";
import { createTenantSecrets, defineCatalog, stripeSecretKey, systemCaller } from "./index.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const testDatabase = await createTestDatabase();
const emulator = await startInfisicalEmulator();
const { application: applicationUrl, maintenance: maintenanceUrl, listener: listenerUrl } = testDatabase.urls;
const { siteUrl, clientId, clientSecret, projectId } = emulator;
const infisical = { siteUrl, clientId, clientSecret, projectId, environment: "prod" } as const;
const catalog = defineCatalog({ STRIPE_SECRET_KEY: stripeSecretKey });
const operator = { actor: { kind: "operator", id: "test-operator" } } as const;
const product = systemCaller("test", { verbs: ["use", "write"], secretKeys: ["*"] });
const value = "sk_test_fake_acmecorp_0001";

await createInfisicalClient(infisical).putSecret(
  "/hono-api",
  "MASTER_ENCRYPTION_KEY",
  randomBytes(32).toString("hex"),
);
const script = createTenantSecrets({
  database: { applicationUrl, maintenanceUrl },
  infisical,
  catalog,
  cache: false,
});
await script.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
await script.company("acmecorp", product).set("STRIPE_SECRET_KEY", value);
whenDone(async () => {
  await script.stop();
  await emulator.stop();
  await testDatabase.drop();
});

const database = { applicationUrl, maintenanceUrl, listenerUrl };

test("the lines of README.md read a secret as they are printed", { timeout: 180_000 }, async () => {
  const readme = readFileSync(path.join(root, "README.md"), "utf8");
  const lines = /^```ts\n(import \{ createTenantSecrets[^`]*)```$/m.exec(readme)?.[1] ?? "";
  const names = "applicationUrl maintenanceUrl listenerUrl siteUrl clientId clientSecret projectId".split(
    " ",
  );
  const file = path.join(import.meta.dirname, `../readme-${process.pid}.ts`);
  writeFileSync(
    file,
    `const { ${names.join(", ")} } = process.env;\n${lines}\nprocess.stdout.write(stripeKey);\n`,
  );
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [file], {
      env: { ...database, siteUrl, clientId, clientSecret, projectId },
    });
    expect({ stdout, stderr }).toEqual({ stdout: value, stderr: "" });
  } finally {
    rmSync(file);
  }
  expect(lines.trim().split("\n").length).toBeLessThanOrEqual(14);
});

test("a use before the start is an error that says so, and never one without a cache", async () => {
  const secrets = createTenantSecrets({ database, infisical, catalog });
  const sentence = /^Not started: await start\(\) first/;
  expect(() => secrets.company("acmecorp", product)).toThrow(sentence);
  expect(() => secrets.admin).toThrow(sentence);
  await expect(secrets.getTenantSecret("acmecorp", "STRIPE_SECRET_KEY")).rejects.toThrow(sentence);
  await expect(secrets.authenticate({ credential: "tsk_fake" })).rejects.toThrow(sentence);
  await expect(secrets.handler(new Request("http://test/trpc/secrets.list"))).rejects.toThrow(sentence);
  await secrets.stop();
  await expect(secrets.start()).rejects.toThrow("there is no start after it");
});

test("a start without a listener can be written neither in TypeScript nor in JavaScript", async () => {
  const urls = { applicationUrl, maintenanceUrl };
  const connected = connectDatabase(urls);
  for (const unheard of [urls, connected]) {
    // @ts-expect-error -- there is no listenerUrl, and nothing says cache: false
    const create = () => createTenantSecrets({ database: unheard, infisical, catalog });
    expect(create).toThrow("has no listenerUrl");
  }
  await connected.close();
});

test("once started, reads come from the cache, and another process's write is seen", async () => {
  const secrets = createTenantSecrets({ database: connectDatabase(database), infisical, catalog });
  await Promise.all([secrets.start(), secrets.start()]);
  expect(secrets.isListening()).toBe(true);
  const acme = secrets.company("acmecorp", product);
  await acme.get("STRIPE_SECRET_KEY");
  const { hits } = secrets.measurements().cache;
  expect(await acme.get("STRIPE_SECRET_KEY")).toBe(value);
  expect(secrets.measurements().cache.hits).toBe(hits + 1);
  await script.company("acmecorp", product).set("STRIPE_SECRET_KEY", "sk_test_fake_acmecorp_0002");
  await expect.poll(() => acme.get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_acmecorp_0002");
  await secrets.stop();
  await script.company("acmecorp", product).set("STRIPE_SECRET_KEY", value);
});

test("a start that failed can be made again", async () => {
  const { port } = new URL(siteUrl);
  const away = { ...infisical, siteUrl: `http://127.0.0.1:${Number(port) === 1 ? 2 : 1}` };
  const secrets = createTenantSecrets({ database, infisical: away, catalog });
  for (const attempt of [1, 2]) {
    await expect(secrets.start(), `attempt ${attempt}`).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
  }
  await secrets.stop();
});

test("the handler answers the typed client, and hands tRPC none of the caller's switches", async () => {
  const { apiKey } = await script.admin.apiKeys.create(operator, {
    name: "test",
    companies: ["acmecorp"],
    platform: false,
    verbs: ["use", "describe"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const acme = createTenantSecretsClient({
    url: "http://in-process",
    credential: apiKey,
    catalog,
    fetch: (url, init) => {
      const request = new Request(`${url}&connectionParams=1`.replace(/^([^?]*)&/, "$1?"), init);
      request.headers.set("trpc-accept", "application/jsonl");
      return script.handler(request);
    },
  }).company("acmecorp");
  expect(await acme.get("STRIPE_SECRET_KEY")).toBe(value);
  expect((await acme.list()).secrets.map(({ secretKey }) => secretKey)).toEqual(["STRIPE_SECRET_KEY"]);
});

/** What a package's entry exports, by the text of its `export { … }` clauses. */
function exportsOf(file: string): { readonly values: string[]; readonly types: string[] } {
  const text = readFileSync(path.join(import.meta.dirname, file), "utf8");
  const names = [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, type = "", list = ""]) =>
    list
      .split(",")
      .map((name) => type + name.trim())
      .filter((name) => name !== "" && name !== type),
  );
  const declared = [...text.matchAll(/^export (?:async )?(function|const|class|interface|type) (\w+)/gm)].map(
    ([, kind, name]) => (kind === "interface" || kind === "type" ? `type ${name}` : String(name)),
  );
  const all = [...names, ...declared].map((name) => name.replace(/^type type /, "type "));
  return {
    values: all.filter((name) => !name.startsWith("type ")).toSorted(),
    types: all.filter((name) => name.startsWith("type ")).toSorted(),
  };
}

test.for(["index.ts", "client.ts"])("%s exports at most 16 values and 40 types", (file) => {
  const { values, types } = exportsOf(file);
  expect(values.length, values.join(", ")).toBeLessThanOrEqual(16);
  expect(types.length, types.join(", ")).toBeLessThanOrEqual(40);
});
