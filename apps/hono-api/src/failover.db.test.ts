import { setTimeout as sleep } from "node:timers/promises";
import { enqueueJob } from "@repo/db";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import { expect, it, onTestFinished } from "vitest";
import { countKinds, startLoad } from "./testing/load.ts";
import { send } from "./testing/raw-http.ts";
import { stableKey, stableValue, startReplicated, writer } from "./testing/replicated.ts";
import { startServer, variablesOf } from "./testing/spawn.ts";

const within = { timeout: 60_000, interval: 50 };

it(
  "a process with several hosts in its URLs survives the loss of the primary: it reads meanwhile, and writes, hears and runs jobs once a standby is promoted",
  { timeout: 180_000 },
  async () => {
    const world = await startReplicated(true);
    onTestFinished(() => world.stop());
    const { primary, standby, credential, company, stableCompany } = world;
    const api = startServer({
      ...variablesOf(world.urls, world.emulator),
      DATABASE_MIGRATION_URL: world.urls.migration,
    });
    onTestFinished(async () => {
      api.kill("SIGKILL");
      await api.ended;
    });
    const url = await api.url();
    const report = async () => {
      const { status, body } = await send(url, { path: "/readyz" });
      return { http: status, ...JSON.parse(body) };
    };
    await expect.poll(report, within).toMatchObject({ http: 200, status: "ready" });
    const client = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
    const readStable = () =>
      client
        .company(stableCompany)
        .get(stableKey)
        .catch((error: unknown) => String(Object(error).code));
    expect(await readStable()).toBe(stableValue);

    const load = startLoad({ url, credential, company, pairs: 2 });
    onTestFinished(() => load.stop());
    const succeeded = (since: number) =>
      load.outcomes.some(
        ({ procedure, kind, at }) => procedure === "secrets.write" && kind === "200" && at > since,
      );
    await expect.poll(() => load.outcomes.length, within).toBeGreaterThan(200);
    // A connection to the standby would refuse the writes of half of them.
    expect(countKinds(load.outcomes)).toEqual({ "200": load.outcomes.length });

    const killedAt = performance.now();
    await primary.stopImmediately();
    await expect.poll(report, within).toMatchObject({
      http: 503,
      status: "unavailable",
      checks: { database: expect.stringMatching(/DATABASE_URL/) },
    });
    const isToldAt = performance.now();
    // From the cache, while nothing is the primary.
    for (let i = 0; i < 20; i += 1, await sleep(50)) expect(await readStable()).toBe(stableValue);
    const promotingAt = performance.now();
    await standby.promote();
    const promotedAt = performance.now();
    await expect.poll(() => succeeded(promotedAt), within).toBe(true);
    const firstWrite = load.outcomes.find(
      ({ procedure, kind, at }) => procedure === "secrets.write" && kind === "200" && at > promotedAt,
    );
    await expect.poll(report, within).toMatchObject({ http: 200, status: "ready" });
    const readyAt = performance.now();
    await load.stop();
    expect(api.output()).not.toMatch(/"level":"fatal"|\n +at /);

    const other = await world.atStandby();
    onTestFinished(() => other.stop());
    for (const secretKey of new Set(load.outcomes.map((outcome) => outcome.secretKey))) {
      const writes = load.outcomes.filter(
        (outcome) => outcome.procedure === "secrets.write" && outcome.secretKey === secretKey,
      );
      const told = writes.filter(({ kind }) => kind === "200");
      const rows = await other.database.acrossCompanies((statements) =>
        statements.execute(
          `select last_version::int as versions from company_secrets where secret_key = '${secretKey}'`,
        ),
      );
      // Each success made a version. A failure may have, too.
      const versions = Number(rows[0]?.["versions"]);
      expect(versions).toBeGreaterThanOrEqual(told.length);
      expect(versions).toBeLessThanOrEqual(writes.length);
      // The last one, or one of those after it that were not told of success.
      const possible = writes.slice(writes.findLastIndex(({ kind }) => kind === "200"));
      const value = await other.secrets
        .company(company, writer)
        .get(`CUSTOM_${secretKey.slice("CUSTOM_".length)}`);
      expect(possible.map((write) => write.value)).toContain(value);
    }

    // A change by another process, which the process can only have heard of: its cache would keep the value for minutes.
    await other.secrets.company(stableCompany, writer).set(stableKey, "sk_test_fake_stable_0002");
    await expect.poll(readStable, within).toBe("sk_test_fake_stable_0002");
    const jobsDone = () => api.output().split("job forget-processes done").length;
    const before = jobsDone();
    await other.database.acrossCompanies((statements) =>
      enqueueJob(statements, { task: "forget-processes", payload: {} }),
    );
    await expect.poll(jobsDone, within).toBeGreaterThan(before);
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    console.log(
      `unready ${seconds(isToldAt - killedAt)} after the loss, promoted in ${seconds(promotedAt - promotingAt)}; then ` +
        `first write after ${seconds((firstWrite?.at ?? Infinity) - promotedAt)}, ready after ${seconds(readyAt - promotedAt)}`,
    );
  },
);
