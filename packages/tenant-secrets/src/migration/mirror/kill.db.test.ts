import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createFixture } from "../../testing/fixture.ts";
import { createMirrors } from "../../testing/mirrored.ts";

const fixture = await createFixture();
const { mirrored } = createMirrors(fixture);
const script = fileURLToPath(new URL("../../testing/doomed-process.ts", import.meta.url));

/** One pass in a process that kills itself at a commit or a request. @returns whether it did */
async function runDoomed(company: string, killAt: number): Promise<boolean> {
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
  const { application: applicationUrl, maintenance: maintenanceUrl } = fixture.urls;
  const infisical = { siteUrl, clientId, clientSecret, projectId };
  const orders = { work: "mirror", run: company, killAt, applicationUrl, maintenanceUrl, infisical };
  child.stdin.end(JSON.stringify(orders));
  const [code, signal]: unknown[] = await once(child, "exit");
  expect(signal ?? code).toBe(signal === null ? 0 : "SIGKILL");
  return signal === "SIGKILL";
}

test(
  "a pass that is killed at a commit or a request loses nothing, and the next one writes nothing twice",
  { timeout: 240_000 },
  async () => {
    let betweenPutAndLedger = 0;
    // Every fifth point: all of them take two minutes.
    for (let killAt = 3, killed = true; killed; killAt += 5) {
      const company = await mirrored(["CUSTOM_A", "CUSTOM_GONE"]);
      await company.handle.set("CUSTOM_A", "fake-0002");
      await company.handle.remove("CUSTOM_GONE");
      killed = await runDoomed(company.id, killAt);
      const [written] = await fixture.infisical.listSecrets(company.path);
      const isBetween = killed && written?.version === 2 && (await company.status()).mirror?.behind !== 0;
      if (isBetween) betweenPutAndLedger += 1;
      // Then the folder has a version that neither the ledger nor the database has: it is ours all the same.
      const isNewer = isBetween && betweenPutAndLedger % 2 === 1;
      if (isNewer) await company.handle.set("CUSTOM_A", "fake-0003");
      // As if the lease of the killed process had ended by itself.
      await fixture.superuser`update company_stores set mirror_until = clock_timestamp() where mirror_until is not null`;
      expect(await company.mirror()).toBeUndefined();
      expect(await fixture.infisical.listSecrets(company.path)).toMatchObject([
        { secretKey: "CUSTOM_A", value: isNewer ? "fake-0003" : "fake-0002", version: isNewer ? 3 : 2 },
      ]);
      expect((await company.status()).mirror).toEqual({ behind: 0, findings: [] });
      const drifts = await fixture.superuser`select from audit_events where action = 'company.drift'`;
      expect(drifts).toHaveLength(0);
    }
    expect(betweenPutAndLedger).toBeGreaterThan(1);
  },
);
