import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createFixture } from "../../testing/fixture.ts";
import { createCompany, createStores, valueOf } from "../../testing/store-fixture.ts";

const fixture = await createFixture();
const { database } = createStores(fixture);
const script = fileURLToPath(new URL("../../testing/doomed-process.ts", import.meta.url));

/** Runs a process that copies three batches, and kills itself in a transaction. @returns whether it did */
async function runDoomed(subdomain: string, killAt: number): Promise<boolean> {
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
  const { application: applicationUrl, maintenance: maintenanceUrl } = fixture.urls;
  const infisical = { siteUrl, clientId, clientSecret, projectId };
  child.stdin.end(
    JSON.stringify({ work: "backfill", subdomain, killAt, applicationUrl, maintenanceUrl, infisical }),
  );
  const [code, signal]: unknown[] = await once(child, "exit");
  expect(signal ?? code).toBe(signal === null ? 0 : "SIGKILL");
  return signal === "SIGKILL";
}

test(
  "a process that is killed before any commit leaves whole batches, and the next one copies the rest, once",
  { timeout: 240_000 },
  async () => {
    const company = await createCompany(fixture, "infisical");
    const counts = async () => {
      const [row] = await fixture.superuser`
        select (select count(*)::int from company_secrets where company_id = ${company.id}) as heads,
          (select count(*)::int from company_secret_versions where company_id = ${company.id}) as versions,
          (select count(*)::int from audit_events
            where company_id = ${company.id} and action = 'secret.backfill' and outcome = 'success') as events`;
      return row;
    };
    // The first transaction of all makes the company's key.
    const kills = [
      { killAt: 0, copied: 0 },
      { killAt: 2, copied: 20 },
      { killAt: 2, copied: 40 },
      { killAt: 9, copied: 60 },
    ];
    for (const { killAt, copied } of kills) {
      expect(await runDoomed(company.subdomain, killAt)).toBe(copied < 60);
      expect(await counts()).toEqual({ heads: copied, versions: copied, events: copied });
    }
    for (const [batch, i] of [
      [0, 0],
      [1, 7],
      [2, 19],
    ]) {
      expect(await valueOf(database.find(company, `CUSTOM_${batch}_${i}`))).toBe(`fake-${batch}-${i}`);
    }
  },
);
