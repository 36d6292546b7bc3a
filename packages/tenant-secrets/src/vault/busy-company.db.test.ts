import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { afterAll, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { assembleTenantSecrets } from "../assemble.ts";

const fixture = await createFixture();
const { superuser, infisical } = fixture;
const { application, maintenance } = fixture.urls;
const databases = new Set<ReturnType<typeof connectDatabase>>();
afterAll(() => Promise.all([...databases].map((database) => database.close())));

/** A process whose connection pool is as small as the smallest supported in production. */
function start(maxConnections: number) {
  const database = connectDatabase({
    applicationUrl: application,
    maintenanceUrl: maintenance,
    maxConnections,
  });
  databases.add(database);
  return assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
}

async function exporterOf(company: string) {
  const { apiKey } = await fixture.secrets.apiKeys.create(operator, {
    name: "exporter",
    companies: [company],
    platform: false,
    verbs: ["export"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  return fixture.secrets.authenticate({ credential: apiKey });
}

test("20 concurrent exports of 3,000 secrets complete with every event audited, while another company's reads proceed", async () => {
  const [busy, quiet] = [await fixture.company("database"), await fixture.company("database")];
  for (let first = 0; first < 3000; first += 100) {
    const entries = Array.from({ length: 100 }, (_, i) => [`CUSTOM_${first + i}`, `fake_${first + i}`]);
    await fixture.secrets.company(busy, product).setMany(Object.fromEntries(entries));
  }
  await fixture.secrets.company(quiet, product).set("CUSTOM_KEY", "fake-quiet");
  const secrets = start(10);
  const exporter = await exporterOf(busy);
  const scope = await secrets.companies.resolve({ caller: exporter, action: "secret.export" }, busy);
  const finished = new AbortController();
  const exports = Promise.all(
    Array.from({ length: 20 }, () => secrets.vault.export(scope, { format: "json", purpose: "hand-over" })),
  ).finally(() => {
    finished.abort();
  });
  exports.catch(() => {});
  const reads: string[] = [];
  while (!finished.signal.aborted) {
    reads.push(await codeOf(secrets.company(quiet, product).get("CUSTOM_KEY")));
    await sleep(5);
  }
  const sizes = (await exports).map(({ secretKeys }) => secretKeys.length);
  expect(sizes).toEqual(Array<number>(20).fill(3000));
  expect(reads.length).toBeGreaterThan(0);
  expect(reads.filter((code) => code !== "no error")).toEqual([]);
  const [row] =
    await superuser`select count(*)::int as events from audit_events where action = 'secret.export'`;
  expect(row?.["events"]).toBe(60_000);
}, 240_000);

test("a company whose calls all wait for a lock uses only its share of the connections, and its further calls get a retryable error", async () => {
  const [busy, quiet] = [await fixture.company("database"), await fixture.company("database")];
  for (const company of [busy, quiet]) {
    await fixture.secrets.company(company, product).set("CUSTOM_KEY", "fake-value");
  }
  const secrets = start(4);
  await secrets.company(quiet, product).get("CUSTOM_KEY");
  const [head] = await superuser`select company_id as id from company_secrets
    where company_id = (select id from companies where subdomain = ${busy})`;
  const outcomes: string[] = [];
  let writes: Promise<unknown> = Promise.resolve();
  await superuser.begin(async (sql) => {
    await sql`select from company_secrets where company_id = ${String(head?.["id"])} for update`;
    writes = Promise.all(
      Array.from({ length: 300 }, async () => {
        outcomes.push(await codeOf(secrets.company(busy, product).set("CUSTOM_KEY", "fake-new")));
      }),
    );
    await expect.poll(() => outcomes.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(90);
    expect(new Set(outcomes)).toEqual(new Set(["OVERLOADED"]));
    const waitForLock = async () => {
      const [row] = await sql`select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return row?.["n"] as unknown;
    };
    await expect.poll(waitForLock, { timeout: 60_000 }).toBe(2);
    for (let i = 0; i < 20; i++) {
      await secrets.company(quiet, product).set("CUSTOM_KEY", `fake-${i}`);
      expect(await secrets.company(quiet, product).get("CUSTOM_KEY")).toBe(`fake-${i}`);
    }
  });
  await writes;
  expect(outcomes).toHaveLength(300);
}, 60_000);
