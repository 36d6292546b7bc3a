import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { connectDatabase, type Database } from "@repo/db";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, startCli, type Environment, type Outcome } from "./testing/run-cli.ts";

// Each run of the program costs a busy machine seconds.
const slow = { timeout: 240_000 };
// Of 32 bytes 0x42: no secret of anybody.
const recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";

let fixture: Fixture;
let database: Database;
let environment: Environment;
let directory: string;
let backups: string;

beforeAll(async () => {
  fixture = await createFixture();
  environment = { ...fixture.local, TENANT_SECRETS_OPERATOR_TOKEN: fixture.operatorToken };
  directory = await mkdtemp(path.join(tmpdir(), "secrets-keys-"));
  backups = at("backups");
  await mkdir(backups);
  database = connectDatabase({ applicationUrl: fixture.superuserUrl, maintenanceUrl: fixture.superuserUrl });
  await fixture.secrets.admin.companies.create(operator, { subdomain: "acmecorp", secretStore: "database" });
  await fixture.secrets.company("acmecorp", product).set("CUSTOM_A", "kept");
});
afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

function at(file: string): string {
  return path.join(directory, file);
}

function run(...args: readonly string[]): Promise<Outcome> {
  return cli(["keys", ...args], environment);
}

const withBackup = () => ["--backup-recipient", recipient, "--backup-dir", backups];

async function rotations(): Promise<number> {
  return (await database.outsideCompanies((sql) => sql`select from runs where kind = 'rotate-master-key'`))
    .length;
}

test(
  "a rotation runs beside a serving process, stores a backup, reports its steps, and prints a report",
  slow,
  async () => {
    const alarms: string[] = [];
    const serving = fixture.serving(({ code }) => void alarms.push(code));
    await serving.start();
    try {
      const { exitCode, stdout, stderr } = await run(
        "rotate",
        ...withBackup(),
        "--output",
        at("report.json"),
      );
      expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "" });
      expect(stderr.split("\n")[0]).toBe("stage: begins");
      expect(stderr).toContain(`report: is done\nThe report is in ${at("report.json")}.\n`);
      expect(await serving.company("acmecorp", product).get("CUSTOM_A")).toBe("kept");
      expect(alarms).toEqual([]);

      const [file = ""] = await readdir(backups);
      expect(file).toMatch(/^tenant-secrets-keys-default-\d{8}T\d{9}Z\.age$/);
      const [backup, { mode }] = await Promise.all([
        readFile(path.join(backups, file)),
        stat(at("report.json")),
      ]);
      const checksum = `sha256:${createHash("sha256").update(backup).digest("hex")}`;
      expect(stderr).toContain(`${path.join(backups, file)}, ${checksum}`);
      expect(mode & 0o777).toBe(0o600);
      const written = await readFile(at("report.json"), "utf8");
      expect(JSON.parse(JSON.parse(written).report)).toMatchObject({
        fromVersion: 1,
        toVersion: 2,
        backup: checksum,
      });

      const [status, json, again] = await Promise.all([
        run("status"),
        run("status", "--json"),
        run("report"),
      ]);
      expect(again.stdout).toBe(written);
      expect(status.stdout).toMatch(/^1 +MASTER_ENCRYPTION_KEY +retired +0 +0 +[\w-]{12}$/m);
      expect(status.stdout).toMatch(
        /^2 +MASTER_ENCRYPTION_KEY_V2 +active +0 days +\d+ +0 +\d{4}-\S+ \S+Z +[\w-]{12}$/m,
      );
      const [{ id }] = JSON.parse(json.stdout).processes;
      expect(id).toMatch(/^[0-9a-f-]{36}$/);
      expect(status.stdout).toMatch(new RegExp(`^${id} +2 +\\d+ s ago$`, "m"));
      expect(JSON.parse(json.stdout)).toMatchObject({
        region: "default",
        versions: [{ status: "retired" }, { status: "active", dueAt: expect.any(String) }],
        processes: [{ id }],
      });

      const key = await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY_V2");
      const said = [stdout, stderr, written, backup.toString(), status.stdout, json.stdout].join("\n");
      expect(key?.value).toMatch(/^[0-9a-f]{64}$/);
      expect(said).not.toContain(key?.value.slice(0, 16));
    } finally {
      await serving.stop();
    }
  },
);

test("a report is found genuine, and not once a figure in it was edited", slow, async () => {
  const genuine = await run("verify-report", "--input", at("report.json"));
  expect(genuine).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^The report is genuine/) });
  const written = await readFile(at("report.json"), "utf8");
  await writeFile(at("edited.json"), written.replace(/companiesOpened\\": 1/, 'companiesOpened\\": 2'));
  expect(await readFile(at("edited.json"), "utf8")).not.toBe(written);
  const edited = await failing(["keys", "verify-report", "--input", at("edited.json")], environment);
  expect(edited).toMatchObject({ exitCode: 1, message: expect.stringContaining("was modified") });
  await writeFile(at("none.json"), "{}");
  const none = await failing(["keys", "verify-report", "--input", at("none.json")], environment);
  expect(none).toMatchObject({ exitCode: 2, message: expect.stringContaining("holds no report") });
  const other = ["keys", "report", "--rotation", "0b6c4d1e-8a52-4f0e-9d43-2f6f5a7c9e10"];
  expect(await failing(other, environment)).toMatchObject({ exitCode: 3 });
});

test("nothing is begun where a backup has no recipient or place, and it says what to do", slow, async () => {
  const before = await rotations();
  const attempt = (...args: string[]) => failing(["keys", "rotate", ...args], environment);
  const to = ["--backup-recipient", recipient];
  const into = ["--backup-dir", backups];
  expect(await attempt(...into)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("age-keygen"),
  });
  expect(await attempt(...to)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("--backup-dir"),
  });
  expect(await attempt(...to, "--backup-dir", at("nowhere"))).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("cannot be written to (ENOENT)"),
  });
  expect(await attempt("--backup-recipient", `${recipient.slice(0, -1)}q`, ...into)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("typing error"),
  });
  expect(await attempt(...withBackup(), "--output", at("report.json"))).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("exists already"),
  });
  const remote = { ...fixture.remote, KEY_BACKUP_RECIPIENTS: recipient, KEY_BACKUP_DIR: backups };
  expect(await failing(["keys", "rotate"], remote)).toMatchObject({
    exitCode: 2,
    message: expect.stringContaining("not rotated through an API"),
  });
  const withoutInfisical = { ...environment, INFISICAL_SITE_URL: "http://127.0.0.1:1" };
  expect(await failing(["keys", "rotate", ...withBackup()], withoutInfisical)).toMatchObject({ exitCode: 7 });
  expect(await rotations()).toBe(before);
  expect(await readdir(backups)).toHaveLength(1);
});

test(
  "Ctrl-C stops a rotation between two steps, a concurrent one is rejected, and the next continues it",
  slow,
  async () => {
    // A process that is alive and never loads the new key holds the rotation up.
    const stuck = crypto.randomUUID();
    await database.outsideCompanies(
      (sql) =>
        sql`insert into processes (id, region, master_key_versions) values (${stuck}, 'default', '{2}')`,
    );
    const alive = setInterval(() => {
      void database
        .outsideCompanies((sql) => sql`update processes set seen_at = now() where id = ${stuck}`)
        .catch(() => {});
    }, 1000);
    try {
      const variables = { ...environment, KEY_BACKUP_RECIPIENTS: recipient, KEY_BACKUP_DIR: backups };
      const child = startCli(["keys", "rotate", "--output", at("third.json")], variables);
      const ended = once(child, "close");
      const stdout = text(child.stdout);
      let stderr = "";
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
      const waiting = "distribute: waiting for 1 processes to load the new key";
      await vi.waitFor(() => expect(stderr).toContain(waiting), { timeout: 60_000, interval: 50 });
      expect(await failing(["keys", "rotate", ...withBackup()], environment)).toMatchObject({
        exitCode: 5,
        code: "CONFLICT",
      });
      child.kill("SIGINT");
      const [exitCode]: unknown[] = await ended;
      expect([exitCode, await stdout]).toEqual([1, ""]);
      expect(stderr).toMatch(
        /INCOMPLETE: Stopped between two steps\..*"keys rotate" continues from here\.\n$/,
      );
      expect(stderr.split(waiting)).toHaveLength(2);
      expect(await fixture.secrets.company("acmecorp", product).get("CUSTOM_A")).toBe("kept");
      const between = await run("status");
      expect(between.stdout).toMatch(
        /rotation to version 3 .* is at "distribute": no process drives it; "keys rotate" continues it/,
      );
    } finally {
      clearInterval(alive);
      await database.outsideCompanies((sql) => sql`delete from processes where id = ${stuck}`);
    }
    const before = await rotations();
    const resumed = await run("rotate", ...withBackup(), "--output", at("third.json"));
    expect(resumed).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^distribute: begins\n/) });
    expect(await rotations()).toBe(before);
  },
);

test("a retired key is destroyed once its name is typed, and an active one never is", slow, async () => {
  const destroy = (...args: string[]) => failing(["keys", "destroy", ...args], environment);
  expect(await destroy("1")).toMatchObject({ exitCode: 2, message: expect.stringContaining("--confirm") });
  expect(await destroy("1", "--yes", "--confirm", "MASTER_ENCRYPTION_KEY_V2")).toMatchObject({ exitCode: 2 });
  expect(await destroy("one")).toMatchObject({ exitCode: 2 });
  expect(await destroy("99", "--yes", "--confirm", "x")).toMatchObject({ exitCode: 3 });
  const active = await destroy("3", "--yes", "--confirm", "MASTER_ENCRYPTION_KEY_V3");
  expect(active).toMatchObject({ exitCode: 5, message: expect.stringContaining("is active") });
  expect(await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY")).toBeDefined();
  const done = await run("destroy", "1", "--yes", "--confirm", "MASTER_ENCRYPTION_KEY");
  expect(done).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("is destroyed") });
  expect(await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY")).toBeUndefined();
});
