import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { migrateDatabase, provisionDatabase, type DatabaseUrls } from "@repo/db";
import { baseBackup, startPrimary, startRecovered, type StreamingServer } from "@repo/db/standby";
import { createInfisicalClient } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalEmulator } from "@repo/infisical/emulator";
import postgres from "postgres";
import { afterAll, expect, test } from "vitest";
import { cli, type Environment, type Outcome } from "./testing/run-cli.ts";

// Does what docs/backup.md says, with the page's own commands and settings, in its order.

const root = path.resolve(import.meta.dirname, "../../..");
const page = readFileSync(path.join(root, "docs/backup.md"), "utf8");
// Of 32 bytes 0x42: no secret of anybody.
const recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const identity = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

const directory = mkdtempSync(path.join(tmpdir(), "tenant-secrets-drill-"));
// The server of PostgreSQL, which may be another user's, archives in it.
chmodSync(directory, 0o755);
const at = (file: string) => path.join(directory, file);
const closing: (() => Promise<unknown>)[] = [];

afterAll(async () => {
  for (const close of closing.toReversed()) await close();
  rmSync(directory, { recursive: true, force: true });
}, 120_000);

/** The text of a section, without its heading. */
function section(heading: string): string {
  const [, text] = new RegExp(`\n## ${heading}\n([^]*?)(?=\n## |$)`).exec(page) ?? [];
  if (text === undefined) throw new Error(`docs/backup.md has no section "${heading}".`);
  return text;
}

function blocks(text: string, language: string): string[] {
  return Array.from(
    text.matchAll(new RegExp(`^ *\`\`\`${language}\n([^]*?)^ *\`\`\`$`, "gm")),
    ([, block = ""]) => block,
  );
}

/** The settings of a block as in postgresql.conf. */
function settingsOf(text: string, replacing: Readonly<Record<string, string>>): Record<string, string> {
  const lines = blocks(text, "conf").join("\n").split("\n");
  return Object.fromEntries(
    lines.flatMap((line) => {
      const [, name, quoted, plain] = /^\s*(\w+) = (?:'(.*)'|(\S+))$/.exec(line) ?? [];
      if (name === undefined) return [];
      let value = quoted ?? plain ?? "";
      for (const [from, to] of Object.entries(replacing)) value = value.replaceAll(from, to);
      return [[name, value]];
    }),
  );
}

/** What a person types, in order. */
function commandsOf(text: string): string[] {
  return blocks(text, "sh")
    .join("\n")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** What was typed and printed, for the page. */
const transcript: string[] = [];

async function type(
  command: string,
  environment: Environment,
  more: readonly string[] = [],
): Promise<Outcome> {
  const [, line = "", output] = /^npx pnpm (?:--silent )?secrets (.+?)(?: > (\S+))?$/.exec(command) ?? [];
  if (line === "") throw new Error(`Not a command of this repository: ${command}`);
  const args = line
    .replace("age1…", recipient)
    .split(" ")
    .map((word) => (/\.(?:age|txt|env|log|pem)$/.test(word) ? at(word) : word));
  const outcome = await cli([...args, ...more], environment);
  if (output !== undefined) writeFileSync(at(output), outcome.stdout);
  transcript.push(
    [
      `$ ${[command, ...more].join(" ")}`,
      outcome.stderr.trim(),
      output === undefined ? outcome.stdout.trim() : "",
    ]
      .filter((text) => text !== "")
      .join("\n"),
  );
  return outcome;
}

async function done(command: string, environment: Environment, more?: readonly string[]): Promise<Outcome> {
  const outcome = await type(command, environment, more);
  expect([command, outcome.stderr, outcome.exitCode]).toEqual([command, outcome.stderr, 0]);
  return outcome;
}

interface Api {
  readonly output: () => string;
  readonly url: string;
  /** As a power cut does. */
  kill(): Promise<void>;
}

/** The API as it is deployed. Resolves when it is ready. */
async function startApi(environment: Environment): Promise<Api> {
  const child = spawn(process.execPath, [path.join(root, "apps/hono-api/src/server.ts")], {
    env: { PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const ended = new Promise<void>((resolve) => void child.once("close", () => resolve()));
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  closing.push(kill);
  const url = () => /"url":"(http[^"]+)"/.exec(output)?.[1];
  await expect
    .poll(
      async () => {
        if (child.exitCode !== null) throw new Error(`The API ended:\n${output}`);
        const ready = url();
        return ready !== undefined && (await fetch(`${ready}/readyz`)).ok;
      },
      { timeout: 60_000 },
    )
    .toBe(true);
  return { output: () => output, url: url() ?? "", kill };
}

const databaseOf = (urls: DatabaseUrls): Environment => ({
  DATABASE_URL: urls.application,
  DATABASE_MAINTENANCE_URL: urls.maintenance,
  DATABASE_MIGRATION_URL: urls.migration,
  DATABASE_LISTENER_URL: urls.listener,
});

const infisicalOf = ({ siteUrl, clientId, clientSecret, projectId }: InfisicalEmulator): Environment => ({
  INFISICAL_SITE_URL: siteUrl,
  INFISICAL_CLIENT_ID: clientId,
  INFISICAL_CLIENT_SECRET: clientSecret,
  INFISICAL_PROJECT_ID: projectId,
  INFISICAL_ENVIRONMENT: "dev",
});

const constant = { MASTER_KEY_REGION: "default", OPERATOR_APPROVALS: "1" };

async function startInfisical(): Promise<InfisicalEmulator> {
  const emulator = await startInfisicalEmulator();
  closing.push(() => emulator.stop());
  return emulator;
}

/** Waits for the archive to have all that was written until now. */
async function archiveAll(sql: postgres.Sql): Promise<void> {
  const [row] = await sql<{ file: string }[]>`select pg_walfile_name(pg_switch_wal()) as file`;
  await expect.poll(() => existsSync(at(`wal/${row?.file}`))).toBe(true);
}

const checkpointsIn = (log: string) => log.split("\n").filter((line) => line.includes("checkpoint signed"));

test("the list of docs/backup.md leads from the backups to a served value, after every machine is gone", async () => {
  // The first system.
  mkdirSync(at("wal"));
  chmodSync(at("wal"), 0o777);
  const paths = { "/backup/wal": at("wal") };
  const primary = await startPrimary(settingsOf(section("What to back up"), paths));
  closing.push(() => primary.stop());
  const urls = await provisionDatabase({ superuserUrl: primary.superuserUrl, database: "tenant_secrets" });
  await migrateDatabase(urls.migration);
  const first = await startInfisical();
  const infisical = createInfisicalClient({ ...first, environment: "dev" });
  await infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", randomBytes(32).toString("hex"));
  await infisical.putSecret("/hono-api", "SIGN_IN_SECRET", randomBytes(32).toString("hex"));
  const before: Environment = { ...constant, ...databaseOf(urls), ...infisicalOf(first) };
  const api = await startApi(before);

  const silently = async (args: readonly string[], environment: Environment, input?: string) => {
    const outcome = await cli(args, environment, input);
    expect([args, outcome.stderr, outcome.exitCode]).toEqual([args, outcome.stderr, 0]);
    return outcome.stdout.trim();
  };
  const token = await silently(["operators", "create", "first", "--expires-in", "1d"], before);
  const asOperator = { ...before, TENANT_SECRETS_OPERATOR_TOKEN: token };
  for (const [subdomain, store] of [
    ["acmecorp", "database"],
    ["another-company", "database"],
    ["codewiser", "infisical"],
  ] as const)
    await silently(["companies", "create", subdomain, "--store", store], asOperator);
  const forKey = ["--company", "acmecorp", "--company", "another-company", "--platform"];
  const limits = ["--verbs", "use,write", "--secret-keys", "*", "--expires-in", "1d"];
  const apiKey = await silently(
    ["api-keys", "create", ...forKey, "--name", "product", ...limits],
    asOperator,
  );
  const product = { TENANT_SECRETS_URL: api.url, TENANT_SECRETS_API_KEY: apiKey };
  const set = (company: string, value: string) =>
    silently(["set", "CUSTOM_CANARY", "--company", company], product, value);
  await set("acmecorp", "fake-of-the-base-backup");
  await set("another-company", "fake-of-another");

  // The backups.
  writeFileSync(at("identity.txt"), `${identity}\n`);
  for (const command of commandsOf(section("What to back up"))) await done(command, asOperator);
  await baseBackup(primary, at("new-machine"));
  await set("acmecorp", "fake-of-the-archive");
  const sql = postgres(primary.superuserUrl, { max: 1, onnotice: () => {} });
  closing.push(() => sql.end({ timeout: 1 }));
  const sealed = checkpointsIn(api.output()).length;
  await expect.poll(() => checkpointsIn(api.output()).length).toBeGreaterThan(sealed);
  const [now] = await sql<{ at: string }[]>`select clock_timestamp()::text as at`;
  await sleep(10);
  await set("acmecorp", "fake-of-the-mistake");
  const kept = checkpointsIn(api.output()).length;
  await expect.poll(() => checkpointsIn(api.output()).length).toBeGreaterThan(kept);
  await archiveAll(sql);

  // All of it is gone.
  await api.kill();
  const log = api.output();
  await primary.stopImmediately();
  await primary.stop();
  await first.stop();
  expect(existsSync(primary.dataDir)).toBe(false);
  writeFileSync(at("api.log"), log);

  // The list.
  const restore = section("Restore");
  const recovery = settingsOf(restore, {
    ...paths,
    "2026-01-31 03:00:00+00": String(now?.at),
  });
  expect(Object.keys(recovery)).toEqual([
    "restore_command",
    "recovery_target_time",
    "recovery_target_action",
  ]);
  const server: StreamingServer = await startRecovered(at("new-machine"), recovery);
  closing.push(() => server.stop());
  const second = await startInfisical();
  let variables: Environment = {
    ...constant,
    ...infisicalOf(second),
    DATABASE_SUPERUSER_URL: server.superuserUrl,
  };
  let restored: Api | undefined;
  const steps = commandsOf(restore);
  for (const command of steps) {
    if (command.includes("audit acknowledge-failover")) {
      restored = await startApi({ ...variables, JOBS: "none" });
      await expect.poll(() => restored?.output()).toMatch(/"code":"AUDIT_FAILED_OVER"/);
      const after = checkpointsIn(restored.output()).length;
      await expect.poll(() => checkpointsIn(restored?.output() ?? "").length).toBeGreaterThanOrEqual(after);
      writeFileSync(at("api.log"), `${log}\n${restored.output()}`);
      // A person types the number; a script is told it by the refusal.
      const asked = await type(command, variables);
      expect(asked.exitCode).toBe(2);
      const [, lost = ""] = /^Lost: (\d+) checkpoint/m.exec(asked.stderr) ?? [];
      expect(Number(lost)).toBeGreaterThan(0);
      await done(command, variables, ["--yes", "--confirm", lost]);
      continue;
    }
    if (command.includes(" get ")) {
      variables = { TENANT_SECRETS_URL: restored?.url ?? "", TENANT_SECRETS_API_KEY: apiKey };
    }
    const { stdout } = await done(command, variables);
    if (command.includes("database provision"))
      variables = {
        ...variables,
        ...Object.fromEntries(
          readFileSync(at("production.env"), "utf8")
            .trim()
            .split("\n")
            // This deployment sends no mail, and has no sign-in.
            .filter((line) => !line.startsWith("DATABASE_SIGN_IN_URL="))
            .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
        ),
      };
    if (command.includes("operators create"))
      variables = { ...variables, TENANT_SECRETS_OPERATOR_TOKEN: stdout.trim() };
    if (command.includes("keys restore"))
      expect(stdout).toMatch(/^default +1 +restored\nVersion 1 of the secret of the sign-in: restored\.$/m);
    if (command.includes("keys check-values"))
      expect(stdout).toMatch(
        /^3 companies, 1 of them with their values in Infisical.*\n2 current values and 1 other versions decrypt; 0 are destroyed; 0 do not decrypt\.$/m,
      );
    if (command.includes("audit verify")) {
      expect(stdout).toContain("Nothing was changed, removed or inserted.");
      expect(stdout).toMatch(/^notice: After batch \d+ .* checkpoints? with \d+ events? lost, acknowledged/m);
    }
    if (command.includes(" get ")) expect(stdout).toBe("fake-of-the-archive");
  }
  expect(steps.map((step) => /secrets (\S+ [a-z-]+)/.exec(step)?.[1])).toEqual([
    "database provision",
    "keys restore",
    "keys check-backup",
    "database migrate",
    "operators create",
    "keys check-values",
    "audit acknowledge-failover",
    "audit verify",
    undefined,
  ]);
  expect(restored?.output()).not.toContain("INTEGRITY_FAILURE");
  await silently(["set", "CUSTOM_CANARY", "--company", "another-company"], variables, "fake-of-today");
  const text = transcript
    .join("\n")
    .replaceAll(`${directory}/`, "")
    .replaceAll(/tso_\S+/g, "tso_…");
  mkdirSync(path.join(root, "node_modules/.cache"), { recursive: true });
  writeFileSync(path.join(root, "node_modules/.cache/restore-drill.txt"), `${text}\n`);
});
