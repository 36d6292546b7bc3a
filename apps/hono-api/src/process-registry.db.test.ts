import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import { connectDatabase, type Database } from "@repo/db";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { send } from "./testing/raw-http.ts";
import { companies, createBackends, operator, type Backends } from "./testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

// Each start of a process costs a busy machine seconds, and that nothing is heard is noticed after ten.
const slow = { timeout: 240_000 };
// Of 32 bytes 0x42: no secret of anybody.
const recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

let backends: Backends;
let superuser: Database;
let api: ServerProcess;
let url: string;
const backups = mkdtempSync(path.join(tmpdir(), "hono-api-"));

beforeAll(async () => {
  backends = await createBackends();
  const { superuserUrl, urls } = backends.database;
  superuser = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  const { emulator } = backends;
  api = startServer({
    ...variablesOf(urls, emulator),
    KEY_BACKUP_RECIPIENTS: `${recipient}, ${recipient}`,
    KEY_BACKUP_DIR: backups,
  });
  url = await api.url();
});
afterAll(async () => {
  api.kill("SIGKILL");
  await api.ended;
  await superuser.close();
  rmSync(backups, { recursive: true });
});

async function readiness(): Promise<unknown> {
  const { status, body } = await send(url, { path: "/readyz" });
  return { answer: status, ...JSON.parse(body) };
}

const until = (expected: object) =>
  vi.waitFor(async () => expect(await readiness()).toMatchObject(expected), {
    timeout: 180_000,
    interval: 200,
  });

/** What lets the listener's role into this database alone: other tests use the same roles. */
const setListener = (statement: "grant" | "revoke") =>
  superuser.outsideCompanies(async (sql) => {
    const name = new URL(backends.database.superuserUrl).pathname.slice(1);
    await sql.unsafe(
      `${statement} connect on database ${name} ${statement === "grant" ? "to" : "from"} tenant_secrets_listener`,
    );
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and usename = 'tenant_secrets_listener'`;
  });

it("a rotation that is started over HTTP runs in the API, which serves all the while", slow, async () => {
  await until({ answer: 200, status: "ready" });
  const { token: credential } = await backends.secrets.admin.operators.create(operator, {
    name: "test",
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  const { keys } = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog }).trpc;
  const { apiKey } = await backends.apiKey("another-company");
  const company = createTenantSecretsClient({
    url,
    credential: apiKey,
    catalog: deliveryChatCatalog,
  }).company("another-company");
  const { rotation } = await keys.rotate.mutate();
  while ((await keys.status.query()).rotation !== undefined) {
    expect(await company.get("STRIPE_SECRET_KEY")).toBe(companies["another-company"].stripeKey);
  }
  await api.says(/job rotate-master-key done/);
  expect(await company.get("STRIPE_SECRET_KEY")).toBe(companies["another-company"].stripeKey);
  const { versions, processes } = await keys.status.query();
  expect(versions.map(({ status }) => status)).toEqual(["retired", "active"]);
  expect(processes.map((serving) => serving.versions)).toEqual([[2]]);
  expect(readdirSync(backups)).toHaveLength(1);
  const report = await keys.report.query({ rotation: rotation.id });
  expect(report).not.toBeNull();
  if (report !== null) await keys.verifyReport.mutate(report);
});

it(
  "an API that hears nothing of other processes is degraded, and ready once it hears again",
  slow,
  async () => {
    await until({ answer: 200, status: "ready", checks: { notifications: "ok" } });
    await setListener("revoke");
    await until({
      answer: 200,
      status: "degraded",
      checks: { database: "ok", notifications: expect.stringContaining("DATABASE_LISTENER_URL") },
    });
    await setListener("grant");
    await until({ answer: 200, status: "ready", checks: { notifications: "ok" } });
    api.kill("SIGTERM");
    expect(await api.ended).toBe(0);
    expect(await superuser.outsideCompanies((sql) => sql`select from processes`)).toHaveLength(0);
    for (const role of Object.values(backends.database.urls)) {
      expect(api.output()).not.toContain(new URL(role).password);
    }
  },
);
