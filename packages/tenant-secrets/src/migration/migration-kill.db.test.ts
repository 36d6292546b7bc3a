import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { connectDatabase } from "@repo/db";
import { whenDone } from "@repo/db/testing";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { expect, test } from "vitest";
import { assembleTenantSecrets } from "../assemble.ts";
import { MIGRATION_KILLS } from "../testing/env.ts";
import { createFixture, operator, product } from "../testing/fixture.ts";
import {
  backToHybrid,
  backToInfisical,
  copy,
  createMigrator,
  toDatabase,
  toHybrid,
} from "../testing/migrating.ts";
import { createMortal } from "../testing/moving/mortal.ts";

const fixture = await createFixture();
const migrator = createMigrator(fixture);
const { migrations } = fixture.secrets;
const script = fileURLToPath(new URL("../testing/doomed-process.ts", import.meta.url));

type Doomed = ChildProcessByStdio<Writable, null, null>;

/** The next process to be killed: it loads its code while the one before it works. */
let next: Doomed | undefined;
whenDone(async () => void next?.kill("SIGKILL"));

function begin(): Doomed {
  return spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
}

/** Drives a migration in a process that kills itself at a commit or a request. @returns whether it did */
async function runDoomed(run: string, killAt: number): Promise<boolean> {
  const child = next ?? begin();
  next = begin();
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

/** How many points a migration has. */
async function countPoints(run: string): Promise<number> {
  const { application: applicationUrl, maintenance: maintenanceUrl } = fixture.urls;
  const database = connectDatabase({ applicationUrl, maintenanceUrl });
  const counting = createMortal({ database, infisical: fixture.infisical });
  const secrets = assembleTenantSecrets({ ...counting, catalog: deliveryChatCatalog });
  await secrets.migrations.run.drive(run, { caller: operator, tools: { sliceMs: Infinity } });
  await database.close();
  return counting.reached();
}

/** As if the lease, the hold and the deadlines of a killed process had ended by themselves. */
async function passTime(): Promise<void> {
  const past = fixture.superuser`clock_timestamp() - interval '1 minute'`;
  await fixture.superuser`update runs set lease_until = ${past} where lease_until is not null`;
  await fixture.superuser`update store_holds set until = ${past}`;
  await fixture.superuser`update outside_writes set deadline_at = ${past}`;
}

const values = { CUSTOM_A: "fake-a", CUSTOM_B: "fake-b", CUSTOM_C: "fake-c" } as const;

/** A company whose folder and rows differ wherever its history lets them. */
async function companyOn(history: readonly Parameters<typeof migrator.migrate>[1][]): Promise<string> {
  const subdomain = await fixture.company("infisical");
  const acme = fixture.secrets.company(subdomain, product);
  await acme.set("CUSTOM_A", values.CUSTOM_A);
  await acme.set("CUSTOM_GONE", "fake-gone");
  for (const step of history) await migrator.migrate([subdomain], step);
  await acme.set("CUSTOM_B", values.CUSTOM_B);
  await acme.set("CUSTOM_C", values.CUSTOM_C);
  await acme.remove("CUSTOM_GONE");
  await fixture.superuser`update company_stores set changed_at = now() - interval '40 days'`;
  return subdomain;
}

const outward = { ...backToInfisical, acceptLosses: true } as const;
const cleanup = { verb: "cleanup", afterDays: 30, folders: 1 } as const;

const directions = [
  { name: "a copy", history: [], request: copy, to: "infisical" },
  { name: "a switch to hybrid", history: [], request: toHybrid, to: "hybrid" },
  { name: "a switch to the database", history: [], request: toDatabase, to: "database" },
  { name: "a rollback to hybrid", history: [toDatabase], request: backToHybrid, to: "hybrid" },
  { name: "a rollback to Infisical", history: [toDatabase], request: outward, to: "infisical" },
  { name: "a cleanup of a folder", history: [toDatabase], request: cleanup, to: "database" },
  { name: "a cleanup of rows", history: [toDatabase, outward], request: cleanup, to: "infisical" },
] as const;

/** Of each direction: one point, another one in each run; or all points, and some of them once more. */
function chosenOf(points: number): readonly number[] {
  // Not of the last ones: a process whose keys are loaded reaches a few points less than the counted one.
  const random = (count: number) =>
    Array.from({ length: count }, () => Math.floor(0.8 * points * Math.random()));
  const everyPoint = Array.from({ length: points }, (_, point) => point);
  return MIGRATION_KILLS === "all" ? [...everyPoint, ...random(15)] : random(1);
}

test.each(directions)(
  "$name that is killed at a commit or a request is completed by the next process, and changes the store once",
  { timeout: MIGRATION_KILLS === "all" ? 1_800_000 : 120_000 },
  async ({ name, history, to, request }) => {
    const started = async () => {
      const company = await companyOn(history);
      const [before] = await migrations.status(operator, { company, limit: 1 });
      const run = await migrations.begin(operator, { ...request, companies: [company], ratePerMinute: null });
      return { company, run, epoch: (before?.storeEpoch ?? 0) + (before?.store === to ? 0 : 1) };
    };
    const points = await countPoints((await started()).run);
    const killed: number[] = [];
    for (const killAt of chosenOf(points)) {
      const { company, run, epoch } = await started();
      if (await runDoomed(run, killAt)) killed.push(killAt);
      await passTime();
      await migrator.drive(run);
      const where = `killed at point ${killAt} of ${points}`;
      const { companies } = await migrations.companies(operator, { run, limit: 1 });
      expect(companies[0], where).toMatchObject({ state: "done" });
      const [state] = await migrations.status(operator, { company, limit: 1 });
      expect(state, where).toMatchObject({ store: to, storeEpoch: epoch, isHeld: false });
      expect(state?.cleanedAt !== undefined, where).toBe(request.verb === "cleanup");
      const acme = fixture.another().company(company, product);
      expect(await acme.getMany(["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]), where).toEqual(values);
      expect(await acme.find("CUSTOM_GONE"), where).toBeUndefined();
    }
    if (MIGRATION_KILLS === "all")
      console.log(`${name}: ${points} points, ${killed.length} kills, none lost`);
    expect(killed.length).toBeGreaterThan(0);
  },
);
