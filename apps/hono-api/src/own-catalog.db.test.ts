import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { connectDatabase, enqueueJob } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { createTenantSecretsClient, defineCatalog, textSecret } from "@repo/tenant-secrets/client";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { createBackends, type Backends, type Subdomain } from "./testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

const slow = { timeout: 240_000 };
const cliFile = fileURLToPath(new URL("../../cli/src/main.ts", import.meta.url));

/** What the module below exports, for the types. */
const ownCatalog = defineCatalog({
  PARCEL_API_KEY: textSecret(z.string().regex(/^pk_[a-z0-9]{8,}$/), {
    label: "Parcel API key",
    rule: "is a parcel key",
    check: "sendgrid",
  }),
});
const palletCatalog = defineCatalog({
  PALLET_API_KEY: textSecret(z.string().min(8), { label: "Pallet API key", rule: "is a pallet key" }),
});
const source = (exported: string) => `
  import { defineCatalog, textSecret } from "@repo/tenant-secrets/client";
  import { z } from "zod";
  ${exported}`;
/** @param url of the provider that its own check asks */
const ownSource = (url: string) =>
  source(`export const ownCatalog = defineCatalog({
  PARCEL_API_KEY: textSecret(z.string().regex(/^pk_[a-z0-9]{8,}$/), {
    label: "Parcel API key", rule: "is a parcel key", check: "sendgrid",
  }),
  PALLET_API_KEY: textSecret(z.string().min(8), {
    label: "Pallet API key", rule: "is a pallet key", check: "pallets", signatures: "pallets",
  }),
});
export const checks = {
  pallets: async (text, signal) => {
    const { ok } = await fetch("${url}", { headers: { authorization: "Pallet " + text }, signal });
    return ok ? "accepted" : "unknown";
  },
};
export const verifiers = { pallets: () => "wrong-signature" };`);

// Inside of the package, so that the module finds the packages that it imports.
const folder = mkdtempSync(path.join(import.meta.dirname, "../node_modules/own-catalog-"));
whenDone(async () => rmSync(folder, { recursive: true }));
function moduleOf(text: string): string {
  const file = path.join(folder, `${randomUUID()}.mjs`);
  writeFileSync(file, text);
  return file;
}

let backends: Backends;
let variables: Record<string, string>;
let provider: string;
const asked: string[] = [];
const processes: ServerProcess[] = [];

beforeAll(async () => {
  backends = await createBackends();
  const server = createServer((request, response) => {
    asked.push(String(request.headers.authorization));
    response.writeHead(200, { "content-type": "application/json" }).end('{"scopes":["mail.send"]}');
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const address = server.address();
  provider = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  variables = {
    ...variablesOf(backends.database.urls, backends.emulator),
    SECRETS_CATALOG: moduleOf(ownSource(provider)),
    SENDGRID_API_URL: provider,
  };
  whenDone(async () => {
    server.close();
    for (const each of processes) each.kill("SIGKILL");
    await Promise.all(processes.map(({ ended }) => ended));
  });
}, 60_000);

async function enqueueCheck(company: Subdomain, secretKey: string): Promise<void> {
  const { application, maintenance } = backends.database.urls;
  const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  await database.acrossCompanies((statements) =>
    enqueueJob(statements, { task: "check-credential", payload: { company, secretKey } }),
  );
  await database.close();
}

function start(program: "server" | "worker", more: Record<string, string> = {}): ServerProcess {
  const started = startServer({ ...variables, ...more }, program);
  processes.push(started);
  return started;
}

async function startApi(): Promise<string> {
  const api = start("server", { JOBS: "none" });
  await api.says(/"ready: /);
  return api.url();
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function cli(args: readonly string[], environment: Record<string, string>, input = ""): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [cliFile, ...args],
      { env: environment },
      (error, stdout, stderr) =>
        resolve({
          code: typeof error?.code === "number" ? error.code : error === null ? 0 : 1,
          stdout,
          stderr,
        }),
    );
    child.stdin?.end(input);
  });
}

// What each of its commands does with an own entry is in own-catalog.db.test.ts of the command line.
test("the program of the command line writes an own entry, and asks its own check", slow, async () => {
  const { apiKey } = await backends.apiKey("another-company");
  const run = (args: readonly string[], input?: string) =>
    cli([...args, "--company", "another-company"], { ...variables, TENANT_SECRETS_API_KEY: apiKey }, input);
  expect(await run(["set", "PALLET_API_KEY"], "pl_fake0001")).toMatchObject({ code: 0 });
  asked.length = 0;
  expect(await run(["check", "PALLET_API_KEY"])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/PALLET_API_KEY.*accepted/),
  });
  expect(asked).toEqual(["Pallet pl_fake0001"]);
});

test("a worker checks an own entry, and the typed client of the API reads it", slow, async () => {
  const { apiKey: credential } = await backends.apiKey("acmecorp");
  const url = await startApi();
  const secrets = createTenantSecretsClient({ url, credential, catalog: ownCatalog }).company("acmecorp");
  await secrets.set("PARCEL_API_KEY", "pk_fake0003");
  expect(await secrets.get("PARCEL_API_KEY")).toBe("pk_fake0003");
  asked.length = 0;
  const worker = start("worker", { METRICS_PORT: "0" });
  await worker.says(/"ready: /);
  await enqueueCheck("acmecorp", "PARCEL_API_KEY");
  await worker.says(/job check-credential done/);
  expect(asked).toEqual(["Bearer pk_fake0003"]);
  const { secrets: list } = await secrets.list();
  expect(list.find(({ secretKey }) => secretKey === "PARCEL_API_KEY")?.check?.result).toBe("accepted");
  await createTenantSecretsClient({ url, credential, catalog: palletCatalog })
    .company("acmecorp")
    .set("PALLET_API_KEY", "pl_fake0002");
  await enqueueCheck("acmecorp", "PALLET_API_KEY");
  await expect.poll(() => asked, { timeout: 60_000 }).toContain("Pallet pl_fake0002");
});

// One for each place that refuses: the loader of modules, the module itself, and the assembly. The others are in
// product-module.test.ts.
test.for([
  ["a missing file", "./no-such-catalogue.ts", /SECRETS_CATALOG names a file that does not exist/],
  [
    "a malformed secret key",
    source(`export const a = defineCatalog({ "a-b": textSecret(z.string(), { label: "a", rule: "a" }) });`),
    /TypeError: a-b cannot be a secret key/,
  ],
  [
    "a check that is not there",
    source(
      `export const a = defineCatalog({ A: textSecret(z.string(), { label: "a", rule: "a", check: "none" }) });`,
    ),
    /The entry of A names the check \\?"none\\?"/,
  ],
] as const)(
  "the API and the command line refuse a SECRETS_CATALOG with %s",
  slow,
  async ([, named, problem]) => {
    const SECRETS_CATALOG = named.includes("\n") ? moduleOf(named) : named;
    const started = start("server", { SECRETS_CATALOG });
    expect(await started.ended).toBe(1);
    expect(started.output()).toMatch(problem);
    const refused = await cli(["list", "--company", "acmecorp"], {
      ...variables,
      SECRETS_CATALOG,
      TENANT_SECRETS_API_KEY: "tsk_fake",
    });
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toMatch(problem);
  },
);
