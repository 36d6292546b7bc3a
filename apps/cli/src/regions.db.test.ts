import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
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
