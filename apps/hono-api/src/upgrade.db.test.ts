import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { connectDatabase, type Database, migrateDatabase } from "@repo/db";
import { createEmptyDatabase, type TestDatabase } from "@repo/db/testing";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createAwsKms, type ExternalKeys } from "@repo/external-keys";
import { startLocalKms } from "@repo/external-keys/emulator";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import { createTenantSecrets, systemCaller, type TenantSecrets } from "@repo/tenant-secrets";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { operator } from "./testing/fixture.ts";
import { unpackLastRelease, type LastRelease } from "./testing/last-release.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

// What an upgrade and a rollback are: docs/upgrades.md. Each is run with the programs of the last release as they were.

const companies = ["acmecorp", "codewiser"] as const;
/** One that gets a key of its own. */
const withOwnKey = "another-company";
const product = systemCaller("test", { verbs: ["use"], secretKeys: ["*"] });
const writers = 3;

let last: LastRelease;
let database: TestDatabase;
let emulator: InfisicalEmulator;
const processes: ServerProcess[] = [];

beforeAll(async () => {
  [last, database, emulator] = await Promise.all([
    unpackLastRelease(),
    createEmptyDatabase(),
    startInfisicalEmulator(),
  ]);
});

afterAll(async () => {
  for (const each of processes) each.kill("SIGKILL");
  await Promise.all(processes.map((each) => each.ended));
  await emulator.stop();
  await database.drop();
  await last.remove();
});

/** Runs in the folder of the last release's API: migrates, makes companies, and prints an API key for them, and an operator's token. */
const preparation = `
  import { randomBytes } from "node:crypto";
  import { connectDatabase, type Database, migrateDatabase } from "@repo/db";
  import { deliveryChatCatalog } from "@repo/delivery-chat";
  import { createInfisicalClient } from "@repo/infisical";
  import { createTenantSecrets } from "@repo/tenant-secrets";
  const { urls, emulator, companies } = JSON.parse(process.argv[2]);
  await migrateDatabase(urls.migration);
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, cache: false });
  const operator = { actor: { kind: "operator", id: "test-operator" } };
  for (const subdomain of companies)
    await secrets.admin.companies.create(operator, { subdomain, secretStore: subdomain === "codewiser" ? "hybrid" : "database" });
  const { apiKey } = await secrets.admin.apiKeys.create(operator, {
    name: "load", companies, platform: true, verbs: ["describe", "use", "write", "delete"], secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const { token } = await secrets.admin.operators.create(operator, { name: "test", expiresAt: new Date(Date.now() + 3_600_000) });
  console.log(JSON.stringify({ apiKey, token }));
  await secrets.stop();
  await database.close();
  process.exit(0);
`;

/** Runs in the folder of the last release's API: verifies the audit log, and prints what it finds. */
const verification = `
  import { connectDatabase } from "@repo/db";
  import { deliveryChatCatalog } from "@repo/delivery-chat";
  import { createInfisicalClient } from "@repo/infisical";
  import { createTenantSecrets } from "@repo/tenant-secrets";
  const { urls, emulator } = JSON.parse(process.argv[2]);
  const database = connectDatabase({ applicationUrl: urls.application, maintenanceUrl: urls.maintenance });
  const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
  const secrets = createTenantSecrets({ database, infisical, catalog: deliveryChatCatalog, cache: false });
  const operator = { actor: { kind: "operator", id: "test-operator" } };
  console.log(JSON.stringify((await secrets.admin.audit.verify(operator, { settledAfterMs: 0 })).findings));
  await secrets.stop();
  await database.close();
  process.exit(0);
`;

/** @returns the last line that the program printed, as JSON */
async function runWithLastRelease(program: string): Promise<unknown> {
  const file = path.join(last.folder, `apps/hono-api/src/program-${randomBytes(4).toString("hex")}.ts`);
  await writeFile(file, program);
  const { siteUrl, clientId, clientSecret, projectId } = emulator;
  const given = {
    urls: database.urls,
    emulator: { siteUrl, clientId, clientSecret, projectId },
    companies: [...companies, withOwnKey],
  };
  const { stdout } = await promisify(execFile)(process.execPath, [file, JSON.stringify(given)]);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

const Prepared = z.object({ apiKey: z.string(), token: z.string() });

interface Serving {
  readonly process: ServerProcess;
  readonly url: string;
}

async function start(which: "last" | "new"): Promise<Serving> {
  const limits = { RATE_LIMIT_CALLS_PER_SECOND: "100000", RATE_LIMIT_COMPANY_CALLS_PER_SECOND: "100000" };
  // The last release does not know it, and ignores it.
  const settings = { ...limits, RUNS_RETENTION_DAYS: "30" };
  const started = startServer(
    { ...variablesOf(database.urls, emulator), ...settings },
    "server",
    which === "last" ? path.join(last.folder, "apps/hono-api/src") : undefined,
  );
  processes.push(started);
  const url = await started.url();
  await started.says(/"ready: /);
  return { process: started, url };
}

/** Reads, writes and lists, one after the other for each writer, through whatever serves at that moment. */
function startLoad(credential: string, serving: () => readonly string[]) {
  const failures: string[] = [];
  const written = new Map<string, readonly string[]>();
  let calls = 0;
  const over = new AbortController();
  const through = (company: string) => {
    const urls = serving();
    const url = urls[calls++ % urls.length] ?? "";
    return createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog }).company(company);
  };
  const work = async (company: string, secretKey: `CUSTOM_${string}`): Promise<void> => {
    const values: string[] = [];
    while (!over.signal.aborted) {
      try {
        const value = `fake-${randomBytes(6).toString("hex")}`;
        await through(company).set(secretKey, value);
        values.push(value);
        for (let read = 0; read < 3; read++) {
          const found = await through(company).get(secretKey);
          if (!values.includes(found)) failures.push(`${secretKey} was ${found}`);
        }
        const { secrets } = await through(company).list();
        if (!secrets.some((each) => each.secretKey === secretKey))
          failures.push(`${secretKey} is not listed`);
      } catch (error) {
        failures.push(error instanceof Error ? `${error.constructor.name} ${error.message}` : String(error));
      }
    }
    written.set(`${company} ${secretKey}`, values);
  };
  const all = companies.flatMap((company) =>
    Array.from({ length: writers }, (_, n) => work(company, `CUSTOM_OF_${n}`)),
  );
  return {
    failures,
    calls: () => calls,
    /** So many more calls. */
    goOn: async (more: number): Promise<void> => {
      const until = calls + more;
      await expect.poll(() => calls >= until, { interval: 20 }).toBe(true);
    },
    end: async (): Promise<ReadonlyMap<string, readonly string[]>> => {
      over.abort();
      await Promise.all(all);
      return written;
    },
  };
}

async function stop({ process: stopping }: Serving): Promise<void> {
  stopping.kill("SIGTERM");
  expect(await stopping.ended).toBe(0);
}

let prepared: z.infer<typeof Prepared>;

test("an upgrade from the last release and a rollback to it fail no request, and lose no value, version or event", async () => {
  prepared = Prepared.parse(await runWithLastRelease(preparation));
  const { apiKey: credential, token } = prepared;
  const before = await start("last");
  let serving = [before.url];
  const load = startLoad(credential, () => serving);
  await load.goOn(60);

  expect((await migrateDatabase(database.urls.migration)).outcome).toBe("migrated");
  await load.goOn(60);
  expect(load.failures, before.process.output()).toEqual([]);

  const after = await start("new");
  serving = [before.url, after.url];
  await load.goOn(120);
  const pruned = await pruneARun("acmecorp");
  for (const { url } of [before, after])
    expect(await eventsOf(pruned, { url, token })).toEqual(["run.prune"]);
  serving = [after.url];
  await load.goOn(30);
  await stop(before);
  await load.goOn(60);
  expect(load.failures, before.process.output()).toEqual([]);

  const back = await start("last");
  serving = [after.url, back.url];
  await load.goOn(60);
  serving = [back.url];
  await load.goOn(30);
  await stop(after);
  await load.goOn(60);
  const sealed = await lastBatch();
  await expect.poll(lastBatch, { timeout: 20_000 }).toBeGreaterThan(sealed);
  expect(await eventsOf(pruned, { url: back.url, token })).toEqual(["run.prune"]);
  const written = await load.end();
  await stop(back);
  expect(load.failures, before.process.output()).toEqual([]);
  // Alarms, such as that of an audit log that a program cannot continue.
  for (const { process: each } of [before, after, back])
    expect(each.output()).not.toContain('"level":"error"');
  console.log(`${load.calls()} calls, none failed, of release ${last.release} and this one`);
  expect(await runWithLastRelease(verification)).toEqual([]);
  await expectWhole(written);
});

test("the last release refuses a company under a key of its own, and serves the others", async () => {
  const kms = await startLocalKms();
  const through = ({ url }: Serving, company: string) =>
    createTenantSecretsClient({ url, credential: prepared.apiKey, catalog: deliveryChatCatalog }).company(
      company,
    );
  const before = await start("last");
  try {
    const refused = { code: "INTEGRITY_FAILURE" };
    const read = () => through(before, withOwnKey).get("CUSTOM_A");
    await through(before, withOwnKey).set("CUSTOM_A", "first");
    expect(await read()).toBe("first");
    await withThisRelease(async (secrets) => {
      await secrets.admin.externalKey.set(operator, withOwnKey, kms.addKey().arn);
      await secrets.admin.companyKeyRotation.rotateCompanyKey(operator, withOwnKey);
      expect((await secrets.admin.externalKey.get(operator, withOwnKey)).state).toBe("in-force");
      expect(await secrets.company(withOwnKey, product).get("CUSTOM_A")).toBe("first");
    }, createAwsKms(kms));
    // What it has cached goes with the keys that were destroyed.
    await expect.poll(() => read().catch((error: unknown) => error)).toMatchObject(refused);
    await expect(through(before, withOwnKey).set("CUSTOM_A", "second")).rejects.toMatchObject(refused);
    await through(before, "acmecorp").set("CUSTOM_A", "other");
    expect(await through(before, "acmecorp").get("CUSTOM_A")).toBe("other");
    await withThisRelease(async (secrets) => {
      expect(await secrets.company(withOwnKey, product).get("CUSTOM_A")).toBe("first");
    }, createAwsKms(kms));
  } finally {
    await stop(before);
    await kms.stop();
  }
});

/** Deletes an old run of a company by this release's job, whose action the last release does not know. @returns its id */
async function pruneARun(subdomain: string): Promise<string> {
  const sql = postgres(database.superuserUrl, { max: 1 });
  const [run] = await sql<{ id: string }[]>`
    insert into runs (kind, phase, subject, company_id, input, facts, requested_by_kind, requested_by_id, state, finished_at)
    select 'rotate-secret', 'done', 'test', id, '{}', '{}', 'job', 'test', 'done', now() - interval '31 days' from companies where subdomain = ${subdomain}
    returning id`;
  await sql.end();
  await withThisRelease(async ({ admin }) => {
    expect(await admin.retention.pruneRuns(AbortSignal.timeout(10_000))).toBe(1);
  });
  return run?.id ?? "";
}

/** The actions of the events about a run of acmecorp, by the API of a release. */
async function eventsOf(
  run: string,
  { url, token: credential }: { readonly url: string; readonly token: string },
) {
  const { trpc } = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
  const { events } = await trpc.audit.list.query({
    company: "acmecorp",
    actions: ["run.prune", "run.cancel"],
    limit: 10,
  });
  return events.filter(({ subject }) => subject === run).map(({ action }) => action);
}

/** The index of the last batch of the audit log. */
async function lastBatch(): Promise<number> {
  const sql = postgres(database.superuserUrl, { max: 1 });
  try {
    const [row] = await sql<{ index: number }[]>`select max(index)::int as index from audit_checkpoints`;
    return row?.index ?? 0;
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Compares what the load has written with what there is, by this release's programs. */
async function expectWhole(written: ReadonlyMap<string, readonly string[]>): Promise<void> {
  await withThisRelease(async (secrets, connection) => {
    for (const [place, values] of written) {
      const [company = "", secretKey = ""] = place.split(" ");
      const rows = await connection.acrossCompanies((statements) =>
        statements.execute(`select h.last_version as last, count(v.version)::int as versions from company_secrets h
          join company_secret_versions v on v.company_id = h.company_id and v.secret_key = h.secret_key
          where h.company_id = (select id from companies where subdomain = '${company}') and h.secret_key = '${secretKey}'
          group by 1`),
      );
      expect([place, ...rows]).toEqual([place, { last: values.length, versions: values.length }]);
    }
    const { findings } = await secrets.admin.audit.verify(operator, { settledAfterMs: 0 });
    expect(findings).toEqual([]);
  });
}

async function withThisRelease(
  work: (secrets: TenantSecrets<typeof deliveryChatCatalog>, connection: Database) => Promise<void>,
  externalKeys?: ExternalKeys,
): Promise<void> {
  const { application, maintenance } = database.urls;
  const connection = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  try {
    const infisical = createInfisicalClient({ ...emulator, environment: "dev" });
    const secrets = createTenantSecrets({
      database: connection,
      infisical,
      catalog: deliveryChatCatalog,
      cache: false,
      retention: { runDays: 30 },
      externalKeys,
    });
    await work(secrets, connection);
    await secrets.stop();
  } finally {
    await connection.close();
  }
}
