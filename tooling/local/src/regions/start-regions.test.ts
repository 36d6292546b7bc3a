import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { environmentVariables } from "../env.ts";
import { findFreePort } from "../ports.ts";
import { gone, processesOf, waitFor } from "../testing/processes.ts";

const startFile = fileURLToPath(new URL("../start.ts", import.meta.url));
/** Four clusters, two Infisicals and two APIs start, and some twenty commands run. */
const limit = { timeout: 600_000 };

let dataDir: string;
const running = new Set<ChildProcess>();

beforeAll(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "local-regions-"));
  chmodSync(dataDir, 0o755);
});
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});
afterAll(async () => {
  await gone(() => processesOf(dataDir));
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

async function launch(regions: string, port: number) {
  const child = spawn(process.execPath, [startFile, "--regions", regions], {
    env: { ...environmentVariables(), TENANT_SECRETS_DATA_DIR: dataDir, PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => (output += text.toString()));
  const exit = once(child, "close").then(([code]) => {
    running.delete(child);
    return typeof code === "number" ? code : null;
  });
  await waitFor(() => output.includes("Ready after") || !running.has(child), 240_000);
  return { child, exit, output: () => output };
}

test(
  "two regions are introduced, one company is read in both, the other is in its home alone; a second start goes on, and each ends all",
  limit,
  async () => {
    const port = await findFreePort(undefined);
    for (const start of ["first", "second"]) {
      const { child, exit, output } = await launch("eu,us", port);
      expect(output(), start).toContain("Ready after");
      for (const said of [
        /^us\$ secrets regions add eu\.json --fingerprint "([0-9a-f]{8} ?){8}"\n {4}eu at http:\/\/eu\.localhost:\d+ (was added|was known already, and is as it was)\.$/m,
        /^eu\$ secrets companies regions add acmecorp us\n {4}acmecorp is copied to us\.$/m,
        /^us\$ secrets get CUSTOM_API_KEY --company acmecorp --json\n {4}.*"value":"fake_custom_acmecorp_0001","copy":\{"homeRegion":"eu","ageMs":\d+\}\}$/m,
        /^us\$ secrets companies get another-company\n {4}.*NOT_FOUND/m,
        /^eu\$ secrets regions verify another-company\n(?: {4}.*\n)*? {4}May be in no other region\.$/m,
        /^us\$ secrets regions verify another-company\n(?: {4}.*\n)*? {4}Nothing of another-company is here\.\n {4}Nothing is wrong\.$/m,
        /^Rows of region_copies in us: 3 of acmecorp, 0 of another-company$/m,
      ])
        expect(output(), start).toMatch(said);
      const digests = [
        ...output().matchAll(
          /Copies from eu to us: 1 of the company, 1 of keys, 1 of secrets, digest ([0-9a-f]{64})\./g,
        ),
      ];
      expect(new Set(digests.map(([, digest]) => digest)).size, start).toBe(1);
      expect(digests, start).toHaveLength(2);
      child.kill("SIGINT");
      expect(await exit, start).toBe(0);
      await gone(() => processesOf(dataDir));
    }
  },
);

test.each(["eu", "eu,eu", "EU,us"])(
  "--regions %s is refused before anything starts",
  limit,
  async (regions) => {
    const { exit, output } = await launch(regions, 1);
    expect(await exit).toBe(1);
    expect(output()).toContain("--regions takes two regions, such as --regions eu,us");
  },
);
