import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  allow,
  makeCompany,
  type PlainServer,
  type RegionServer,
  startRegion,
  startServer,
  writeSecret,
} from "@repo/db/two-regions";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

// Three real servers: the home's, the export's and the target's.
let home: RegionServer & { stop(): Promise<void> };
let target: RegionServer & { stop(): Promise<void> };
let exporting: PlainServer;
let company: string;
let atHome: Environment;
let inUs: Environment;

const directory = mkdtempSync(path.join(tmpdir(), "tenant-secrets-region-servers-"));
// The server of the export, which may be another user's, reads the password file in it.
chmodSync(directory, 0o755);
const passwords = path.join(directory, "export-us");
const subscription = path.join(directory, "us-subscription.json");
const database = ["--database", "secrets"];

beforeAll(async () => {
  [home, target, exporting] = await Promise.all([startRegion(), startRegion(), startServer()]);
  await home.sql`insert into regions (region, address, transport_key_version, transport_key, signing_key_version, signing_key, revision, mac_key_version, mac)
    values ('us', 'https://us.example.com', 1, ${"A".repeat(43)}, 1, ${"A".repeat(43)}, 1, 1, '')`;
  company = await makeCompany(home, "eu", "first");
  await allow(home, company, "us");
  atHome = {
    MASTER_KEY_REGION: "eu",
    DATABASE_SUPERUSER_URL: home.own.superuserUrl,
    EXPORT_SUPERUSER_URL: exporting.server.superuserUrl,
  };
  inUs = { MASTER_KEY_REGION: "us", DATABASE_SUPERUSER_URL: target.own.superuserUrl };
}, 180_000);

afterAll(async () => {
  await Promise.all([home.stop(), target.stop(), exporting.stop()]);
  rmSync(directory, { recursive: true });
}, 60_000);

const copies = async () => {
  const [row] = await target.sql<{ count: number }[]>`select count(*)::int from region_copies`;
  return row?.count;
};
const sealed = async () => {
  const [row] = await target.sql<{ body: string }[]>`select body from region_copies where kind = 'secret'`;
  return row?.body ?? "";
};
const done = async (args: readonly string[], environment: Environment) => {
  const outcome = await cli(args, environment);
  expect(outcome).toMatchObject({ exitCode: 0 });
  return outcome;
};

const publish = () => done(["regions", "publish", "us", "--password-file", passwords, ...database], atHome);
const connect = async () => {
  rmSync(subscription, { force: true });
  const line = ["regions", "connect", "us", "--password-file", passwords, "--output", subscription];
  return done(line, atHome);
};
const subscribe = () => done(["regions", "subscribe", subscription, ...database], inUs);
const UrlOf = () =>
  new URL(String(Reflect.get(JSON.parse(readFileSync(subscription, "utf8")) as object, "url")));

test("a region is connected by three commands, each of which can be repeated, and no password is printed", async () => {
  const printed: string[] = [];
  // The second time is what an operator does whose first time was killed at its end.
  for (const step of [publish, publish, connect, connect, subscribe, subscribe]) {
    const { stdout, stderr } = await step();
    printed.push(stdout, stderr);
  }
  await expect.poll(copies).toBe(3);
  await writeSecret(home, company, "sealed-later");
  await expect.poll(sealed).toContain("sealed-later");
  for (const file of [passwords, subscription]) expect(statSync(file).mode & 0o777).toBe(0o600);
  const secrets = [UrlOf().password, readFileSync(passwords, "utf8").trim().split(":").at(-1) ?? ""];
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(30);
    expect(printed.join("\n")).not.toContain(secret);
  }
});

test("a password that was ended is replaced at each hop by the same commands", async () => {
  await publish();
  await connect();
  await subscribe();
  await writeSecret(home, company, "sealed-with-other-passwords");
  await expect.poll(sealed).toContain("sealed-with-other-passwords");
});

test("rows that were changed in the region, or in the export, are as at home after a resync", async () => {
  await target.sql`alter table region_copies disable trigger fence`;
  await target.sql`update region_copies set body = 'planted' where kind = 'secret'`;
  await target.sql`alter table region_copies enable replica trigger fence`;
  expect(await sealed()).toBe("planted");
  await done(["regions", "resync", subscription, "--yes", ...database], inUs);
  await expect.poll(sealed).toContain("sealed-with-other-passwords");
  await done(["regions", "resync-export", "us", "--password-file", passwords, "--yes"], atHome);
  await expect.poll(sealed).toContain("sealed-with-other-passwords");
});

test("what does not fit is refused with a sentence, before anything is done", async () => {
  const other = { ...inUs, MASTER_KEY_REGION: "ap" };
  expect((await failing(["regions", "subscribe", subscription, ...database], other)).message).toBe(
    "<subscription> is for region us, and MASTER_KEY_REGION is ap.",
  );
  const wrong = path.join(directory, "wrong");
  writeFileSync(wrong, "{}");
  expect((await failing(["regions", "subscribe", wrong, ...database], inUs)).message).toContain(
    "regions connect",
  );
  const line = ["regions", "connect", "us", "--password-file", wrong, "--output", path.join(directory, "x")];
  expect((await failing(line, atHome)).message).toContain("regions publish");
  const asSuperuser = { ...atHome, EXPORT_SUPERUSER_URL: home.own.superuserUrl };
  const shared = [
    "regions",
    "connect",
    "us",
    "--password-file",
    passwords,
    "--output",
    path.join(directory, "y"),
  ];
  expect(await failing(shared, asSuperuser)).toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("one of its own"),
  });
  expect(existsSync(path.join(directory, "y"))).toBe(false);
  const { MASTER_KEY_REGION: _, ...unnamed } = inUs;
  expect((await failing(["regions", "subscribe", subscription], unnamed)).message).toContain(
    "MASTER_KEY_REGION",
  );
  const itself = ["regions", "publish", "eu", "--password-file", passwords, ...database];
  expect((await failing(itself, atHome)).message).toContain("no copies of its own companies");
});

test("a region is disconnected by two commands, which can be repeated, and nothing is left at the home", async () => {
  const unsubscribe = ["regions", "unsubscribe", "eu", "--yes", ...database];
  expect((await done(unsubscribe, inUs)).stdout).toBe("3 copies from eu are deleted.\n");
  expect((await done(unsubscribe, inUs)).stdout).toBe("0 copies from eu are deleted.\n");
  const disconnect = ["regions", "disconnect", "us", "--yes", ...database];
  await done(disconnect, atHome);
  await done(disconnect, atHome);
  const left = await home.sql`
    select slot_name from pg_replication_slots union all select pubname from pg_publication
    union all select rolname from pg_roles where rolname = 'tenant_secrets_export_us'`;
  expect([...left]).toEqual([]);
  expect(await copies()).toBe(0);
});
