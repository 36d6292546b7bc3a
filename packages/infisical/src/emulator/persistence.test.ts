import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createInfisicalClient } from "../client.ts";
import { ask, startFixture, tokenFor } from "../testing/fixture.ts";
import { startInfisicalEmulator } from "./index.ts";
import type { InfisicalEmulator } from "./index.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

let folder: string;
let dataFile: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "infisical-"));
  dataFile = join(folder, "infisical.json");
});
afterEach(() => rm(folder, { recursive: true }));

const clientOf = ({
  siteUrl,
  clientId,
  clientSecret,
  projectId,
}: Omit<InfisicalEmulator, "requests" | "faults" | "stop" | "outsider">) =>
  createInfisicalClient({
    siteUrl,
    clientId,
    clientSecret,
    projectId,
    environment: "dev",
    deadlineMs: 1_000,
  });

test("keeps secrets, credentials and tokens over a restart, in a file that only its owner reads", async () => {
  const first = await startInfisicalEmulator({ dataFile });
  await clientOf(first).putSecret("/tenants/acmecorp", "STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001");
  const token = await tokenFor(first, first);
  await first.stop();
  expect((await stat(dataFile)).mode & 0o777).toBe(0o600);

  const second = await startInfisicalEmulator({ dataFile, projectId: "ignored" });
  expect([second.clientId, second.projectId]).toEqual([first.clientId, first.projectId]);
  const found = await clientOf(second).findSecret("/tenants/acmecorp", "STRIPE_SECRET_KEY");
  expect(found).toMatchObject({ value: "sk_test_fake_codewiser_0001", version: 1 });
  const listing = `/api/v1/folders?workspaceId=${second.projectId}&environment=dev`;
  expect((await ask(second, { method: "GET", target: listing, token })).status).toBe(200);
  await second.stop();
  expect(await readdir(folder)).toEqual(["infisical.json"]);
});

test("loses nothing that it acknowledged when it is killed while it writes", async () => {
  const script = `
    import { startInfisicalEmulator } from ${JSON.stringify(fileURLToPath(new URL("./index.ts", import.meta.url)))};
    const { siteUrl, clientId, clientSecret, projectId } = await startInfisicalEmulator({ dataFile: ${JSON.stringify(dataFile)} });
    console.log(JSON.stringify({ siteUrl, clientId, clientSecret, projectId }));`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line]: string[] = await once(createInterface(child.stdout), "line");
  const client = clientOf(JSON.parse(line ?? ""));
  const acknowledged: string[] = [];
  const writing = Array.from({ length: 4 }, async (_, writer) => {
    for (let index = 0; ; index += 1) {
      const name = `KEY_${writer}_${index}`;
      await client.putSecret("/tenants/acmecorp", name, "fake");
      acknowledged.push(name);
      if (acknowledged.length === 60) child.kill("SIGKILL");
    }
  });
  await Promise.allSettled(writing);

  const emulator = await startInfisicalEmulator({ dataFile });
  const stored = new Set(
    (await clientOf(emulator).listSecrets("/tenants/acmecorp")).map(({ secretKey }) => secretKey),
  );
  await emulator.stop();
  expect(acknowledged.length).toBeGreaterThanOrEqual(60);
  expect(acknowledged.filter((name) => !stored.has(name))).toEqual([]);
});

test("refuses a data file of another form without quoting it, and leaves it alone", async () => {
  for (const text of ['{"signingKey":"fake-key"}', "fake-key"]) {
    await writeFile(dataFile, text);
    const failure: unknown = await startInfisicalEmulator({ dataFile }).catch((error: unknown) => error);
    expect(String(failure)).toContain("unknown form");
    expect(String(failure)).not.toContain("fake-key");
    expect(await readFile(dataFile, "utf8")).toBe(text);
  }
});

test("says which port is taken", async () => {
  await using fixture = await startFixture();
  const port = Number(new URL(fixture.emulator.siteUrl).port);
  await expect(startInfisicalEmulator({ port })).rejects.toThrow(`Port ${port} is taken`);
});

test("starts with the credentials that it is given, and with random ones otherwise", async () => {
  const wanted = { clientId: "fake-client", clientSecret: "fake-secret", projectId: "fake-project" };
  await using fixture = await startFixture({ emulator: wanted });
  await using other = await startFixture();
  expect(fixture.emulator).toMatchObject(wanted);
  await fixture.client.ping();
  expect(other.emulator.clientSecret).toMatch(/^[0-9a-f]{64}$/);
});
