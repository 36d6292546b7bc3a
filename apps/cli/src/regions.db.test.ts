import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connectDatabase } from "@repo/db";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { createFixture, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

const directory = mkdtempSync(path.join(tmpdir(), "tenant-secrets-regions-"));
afterAll(() => rmSync(directory, { recursive: true }));
const file = path.join(directory, "eu.json");

let eu: Fixture;
let us: Fixture;
let atHome: Environment;
let inUs: Environment;

const environmentOf = ({ local, operatorToken }: Fixture, name: string): Environment => ({
  ...local,
  PUBLIC_URL: `https://${name}.example.com`,
  TENANT_SECRETS_OPERATOR_TOKEN: operatorToken,
});

beforeAll(async () => {
  [eu, us] = await Promise.all([
    createFixture(undefined, undefined, "eu"),
    createFixture(undefined, undefined, "us"),
  ]);
  atHome = environmentOf(eu, "eu");
  inUs = environmentOf(us, "us");
});

const Identity = z.looseObject({ fingerprint: z.string(), region: z.string() });
async function identity(): Promise<z.infer<typeof Identity>> {
  const { stdout, exitCode } = await cli(["regions", "identity"], atHome);
  expect(exitCode).toBe(0);
  writeFileSync(file, stdout);
  return Identity.parse(JSON.parse(stdout));
}

test("what one region prints, another one adds after the fingerprint was compared, lists and forgets", async () => {
  const { fingerprint } = await identity();
  const other = fingerprint.replace(/^./, (first) => (first === "0" ? "1" : "0"));
  expect(await failing(["regions", "add", file, "--fingerprint", other], inUs)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("by another way"),
  });
  const add = ["regions", "add", file, "--fingerprint", fingerprint];
  expect((await cli(add, inUs)).stdout).toBe("eu at https://eu.example.com was added.\n");
  expect((await cli(add, inUs)).stdout).toContain("is as it was");
  expect((await cli(["regions", "list"], inUs)).stdout).toMatch(
    new RegExp(`eu +https://eu.example.com +0 .*${fingerprint}`),
  );
  expect((await cli(["regions", "remove", "eu", "--yes"], inUs)).stdout).toBe("eu is forgotten.\n");
  expect((await cli(["regions", "list"], inUs)).stdout).toContain("No other region");
  expect(await failing(add, inUs)).toMatchObject({ code: "CONFLICT", exitCode: 5 });
});

test("a region does not add what is no identity, or its own", async () => {
  const { fingerprint } = await identity();
  expect(await failing(["regions", "add", file, "--fingerprint", fingerprint], atHome)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("this region itself"),
  });
  writeFileSync(file, "{}");
  expect(await failing(["regions", "add", file, "--fingerprint", fingerprint], inUs)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("regions identity"),
  });
});

test("without an address no identity is told", async () => {
  const { PUBLIC_URL: _, ...without } = atHome;
  expect(await failing(["regions", "identity"], without)).toMatchObject({
    message: expect.stringContaining("PUBLIC_URL"),
  });
});

test("what a region has of a company is said, signed, and checked elsewhere by the fingerprint of that region", async () => {
  const { fingerprint } = await identity();
  const verify = async (...args: string[]) => cli(["regions", "verify", ...args], atHome);
  expect((await verify()).stdout).toMatch(
    /^Region eu, at .+\n0 companies .+, 0 copies\.\nNothing is wrong\.\n$/,
  );
  await cli(["companies", "create", "acmecorp", "--store", "database"], atHome);
  expect((await verify("acmecorp")).stdout).toMatch(
    /^acmecorp \(.+\): home eu, epoch 1\.\nMay be in no other region\.$/m,
  );
  expect((await verify("nowhere")).stdout).toContain("Nothing of nowhere is here.");
  const report = path.join(directory, "report.json");
  expect(await verify("acmecorp", "--output", report)).toMatchObject({ exitCode: 0 });
  const check = (digits: string) => ["regions", "verify-report", report, "--fingerprint", digits];
  const genuine = await cli(check(fingerprint), {});
  expect(genuine.stdout).toMatch(/^The report is genuine\.\nRegion eu, at /);
  const swapped = fingerprint.split(" ").toReversed().join(" ");
  expect(await failing(check(swapped), {})).toMatchObject({ code: "INTEGRITY_FAILURE" });
  writeFileSync(report, "{}");
  expect(await failing(check(fingerprint), {})).toMatchObject({ code: "INTEGRITY_FAILURE" });
});

test("a fault is named, and the exit code says that there is one", async () => {
  const { superuserUrl } = us;
  const database = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  await database.acrossCompanies(async (statements) => {
    await statements.execute("alter table region_copies disable trigger fence");
    await statements.execute(`insert into region_copies (target_region, company_id, kind, name, home_region, home_epoch, revision, body)
      values ('us', gen_random_uuid(), 'secret', 'CUSTOM_PLANTED', 'sa', 1, 1, '{}')`);
    await statements.execute("alter table region_copies enable replica trigger fence");
  });
  await database.close();
  const { stdout, exitCode } = await cli(["regions", "verify"], inUs);
  expect(stdout).toMatch(/^region-unknown: the region is not known here, company [0-9a-f-]{36}, region sa$/m);
  expect(exitCode).toBe(1);
});
