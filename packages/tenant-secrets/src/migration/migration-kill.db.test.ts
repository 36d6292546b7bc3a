import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createFixture, operator, product } from "../testing/fixture.ts";
import { backToInfisical, copy, createMigrator, toDatabase, toHybrid } from "../testing/migrating.ts";

const fixture = await createFixture();
const migrator = createMigrator(fixture);
const script = fileURLToPath(new URL("../testing/doomed-process.ts", import.meta.url));
const { migrations } = fixture.secrets;

/** Drives a migration in a process that kills itself at a commit or a request. @returns whether it did */
async function runDoomed(run: string, killAt: number): Promise<boolean> {
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
  const { application: applicationUrl, maintenance: maintenanceUrl } = fixture.urls;
  const infisical = { siteUrl, clientId, clientSecret, projectId };
  child.stdin.end(
    JSON.stringify({ work: "migrate", run, killAt, applicationUrl, maintenanceUrl, infisical }),
  );
  const [code, signal]: unknown[] = await once(child, "exit");
  expect(signal ?? code).toBe(signal === null ? 0 : "SIGKILL");
  return signal === "SIGKILL";
}

/** As if the lease, the hold and the deadlines of a killed process had ended by themselves. */
async function passTime(): Promise<void> {
  const past = fixture.superuser`clock_timestamp() - interval '1 minute'`;
  await fixture.superuser`update runs set lease_until = ${past} where lease_until is not null`;
  await fixture.superuser`update store_holds set until = ${past}`;
  await fixture.superuser`update outside_writes set deadline_at = ${past}`;
}

const values = { CUSTOM_A: "fake-a", CUSTOM_B: "fake-b", CUSTOM_C: "fake-c" } as const;

async function companyOn(store: "infisical" | "database"): Promise<string> {
  const subdomain = await fixture.company("infisical");
  const acme = fixture.secrets.company(subdomain, product);
  await acme.set("CUSTOM_A", values.CUSTOM_A);
  await acme.set("CUSTOM_GONE", "fake-gone");
  if (store === "database") await migrator.migrate([subdomain], toDatabase);
  await acme.set("CUSTOM_B", values.CUSTOM_B);
  await acme.set("CUSTOM_C", values.CUSTOM_C);
  await acme.remove("CUSTOM_GONE");
  return subdomain;
}

const directions = [
  { name: "a copy", from: "infisical", to: "infisical", request: copy, epochs: 0 },
  { name: "a switch to hybrid", from: "infisical", to: "hybrid", request: toHybrid, epochs: 1 },
  { name: "a switch to the database", from: "infisical", to: "database", request: toDatabase, epochs: 1 },
  {
    name: "a rollback to Infisical",
    from: "database",
    to: "infisical",
    request: { ...backToInfisical, acceptLosses: true },
    epochs: 1,
  },
] as const;

// Every fifth point, each direction beginning at another one: all of them take minutes.
test.each(directions.map((direction, first) => ({ ...direction, first: first % 5 })))(
  "$name that is killed at a commit or a request is completed by the next process, and changes the store once",
  { timeout: 240_000 },
  async ({ from, to, request, epochs, first }) => {
    let points = 0;
    for (let killAt = first, killed = true; killed; killAt += 5, points += 1) {
      const subdomain = await companyOn(from);
      const { storeEpoch: before } =
        (await migrations.status(operator, { company: subdomain, limit: 1 }))[0] ?? {};
      const run = await migrations.begin(operator, {
        ...request,
        companies: [subdomain],
        ratePerMinute: null,
      });
      killed = await runDoomed(run, killAt);
      await passTime();
      await migrator.drive(run);
      const { companies } = await migrations.companies(operator, { run, limit: 1 });
      expect(companies[0]).toMatchObject({ state: "done" });
      const [state] = await migrations.status(operator, { company: subdomain, limit: 1 });
      expect(state).toMatchObject({ store: to, storeEpoch: (before ?? 0) + epochs, isHeld: false });
      const acme = fixture.another().company(subdomain, product);
      expect(await acme.getMany(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"])).toEqual(values);
      expect(await acme.find("CUSTOM_GONE")).toBeUndefined();
    }
    expect(points).toBeGreaterThan(2);
  },
);
