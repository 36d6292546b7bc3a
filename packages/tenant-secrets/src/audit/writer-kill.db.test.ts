import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createFixture, product } from "../testing/fixture.ts";

const script = fileURLToPath(new URL("../testing/reading-process.ts", import.meta.url));

// The promise is a quarter of a second; the rest allows for a loaded machine.
const allowedMs = 2000;

test("a killed process loses only the reads of its last moment", async () => {
  const fixture = await createFixture();
  const { secrets, superuser, urls, emulator } = fixture;
  const subdomain = await fixture.company("database");
  await secrets.company(subdomain, product).set("CUSTOM_KEY", "fake");

  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const { siteUrl, clientId, clientSecret, projectId } = emulator;
  child.stdin.end(
    JSON.stringify({
      applicationUrl: urls.application,
      maintenanceUrl: urls.maintenance,
      infisical: { siteUrl, clientId, clientSecret, projectId },
      subdomain,
    }),
  );
  const said: { reads: number; atMs: number }[] = [];
  const manySaid = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push({ reads: Number(line), atMs: performance.now() });
    if (Number(line) >= 50) manySaid.resolve();
  });
  await manySaid.promise;
  await sleep(1.2 * allowedMs);
  child.kill("SIGKILL");
  const killedAtMs = performance.now();
  await ended;

  const before = said.findLast(({ atMs }) => atMs < killedAtMs - allowedMs)?.reads ?? 0;
  const [row] = await superuser<{ rows: number; reads: number }[]>`
    select count(*)::int as rows, coalesce(sum(count), 0)::int as reads
    from audit_events where action = 'secret.read' and actor_id = 'reader'`;
  expect(before).toBeGreaterThanOrEqual(50);
  expect(row?.reads).toBeGreaterThanOrEqual(before);
  expect(row?.reads).toBeLessThanOrEqual((said.at(-1)?.reads ?? 0) + 1000);
  expect(row?.rows).toBeLessThan(50);
});
