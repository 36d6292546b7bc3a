import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { afterAll, beforeAll, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { type Caller } from "@repo/catalog";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { assembleTenantSecrets } from "../assemble.ts";

const fixture = await createFixture();
let databaseCalls = 0;
const database = connectDatabase({
  applicationUrl: fixture.urls.application,
  maintenanceUrl: fixture.urls.maintenance,
  deadlineMs: 1000,
  onCall: ({ pool }) => {
    if (pool === "application") databaseCalls += 1;
  },
});
const infisical = createInfisicalClient({ ...fixture.emulator, environment: "dev" });
const secrets = assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
const serving = await secrets.serve(fixture.urls.listener, () => {});
afterAll(async () => {
  await serving.stop();
  await secrets.stop();
  await database.close();
});

let own = "";
let foreign = "";
let caller: Caller;

beforeAll(async () => {
  [own, foreign] = [await fixture.company("database"), await fixture.company("database")];
  for (const company of [own, foreign]) {
    await secrets.company(company, product).set("CUSTOM_KEY", "fake-value");
    await secrets.company(company, product).get("CUSTOM_KEY");
  }
  const { apiKey } = await secrets.apiKeys.create(operator, {
    name: "k",
    companies: [own],
    platform: false,
    verbs: ["use"],
    secretKeys: ["*"],
    expiresAt: new Date(Date.now() + 3_600_000),
  });
  caller = await secrets.authenticate({ credential: apiKey });
  await ask(own);
});

const ask = (subdomain: string) => codeOf(secrets.company(subdomain, caller).get("CUSTOM_KEY"));

test("a foreign company and an absent one cost the same number of queries, each time", async () => {
  const costs: number[] = [];
  const names = [foreign, "absent", "absent", foreign, "absent-2", foreign];
  // The foreign company is cached by other callers' reads.
  for (const name of names) {
    let least = Infinity;
    // What the process does by itself meanwhile, such as writing the last uses, adds to some of them; more than 20 denials are counted together.
    for (let i = 0; i < 3; i++) {
      expect(await secrets.getTenantSecret(foreign, "CUSTOM_KEY")).toBe("fake-value");
      await secrets.flush();
      databaseCalls = 0;
      expect(await ask(name)).toBe("NOT_FOUND");
      least = Math.min(least, databaseCalls);
    }
    costs.push(least);
  }
  expect(new Set(costs).size).toBe(1);
  databaseCalls = 0;
  expect(await ask(own)).toBe("no error");
  expect(databaseCalls).toBe(0);
});

test("during a database outage a foreign company and an absent one get the same answer, while the caller's own company is served", async () => {
  await fixture.superuser.begin(async (sql) => {
    await sql`lock table companies in access exclusive mode`;
    const answers = await Promise.all([foreign, "absent", "absent-4", own].map(ask));
    expect(answers).toEqual([
      "DATABASE_UNAVAILABLE",
      "DATABASE_UNAVAILABLE",
      "DATABASE_UNAVAILABLE",
      "no error",
    ]);
  });
});

test("lookups of 10,000 absent companies evict no company in use", async () => {
  const names = Array.from({ length: 11_000 }, (_, i) => `nobody-${i}`);
  while (names.length > 0) {
    await Promise.all(
      names.splice(0, 500).map((name) => secrets.getTenantSecret(name, "CUSTOM_KEY").catch(() => {})),
    );
  }
  databaseCalls = 0;
  expect(await ask(own)).toBe("no error");
  expect(await secrets.getTenantSecret(foreign, "CUSTOM_KEY")).toBe("fake-value");
  expect(databaseCalls).toBe(0);
}, 60_000);
