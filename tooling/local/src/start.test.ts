import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { provisionDatabase } from "@repo/db";
import { startEmbeddedPostgres } from "@repo/db/embedded";
import { startInfisicalEmulator } from "@repo/infisical/emulator";
import { passwordOf } from "./credentials.ts";
import { environmentVariables } from "./env.ts";
import { variablesOf, type Variables } from "./environment.ts";
import { seedMasterKey } from "./seed.ts";
import { findFreePort } from "./ports.ts";
import { gone, mentions, processesOf, waitFor } from "./testing/processes.ts";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const startFile = fileURLToPath(new URL("start.ts", import.meta.url));
const run = promisify(execFile);

// A start takes a second or two; several at once on a busy machine take much longer.
const limit = { timeout: 300_000 };

let parent: string;
let dataDir: string;
let port: number;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  parent = mkdtempSync(path.join(tmpdir(), "local-start-"));
  chmodSync(parent, 0o755);
  dataDir = path.join(parent, "data");
  port = await findFreePort(undefined);
});
afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
});
afterAll(async () => {
  await gone(() => processesOf(dataDir));
  rmSync(parent, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

function launch(
  command: readonly [string, ...string[]] = [process.execPath, startFile],
  byNpm = false,
  variables: Variables = {},
): Started {
  const [file, ...args] = command;
  const child = spawn(file, args, {
    env: {
      ...environmentVariables(),
      TENANT_SECRETS_DATA_DIR: dataDir,
      PORT: String(port),
      npm_lifecycle_event: byNpm ? "start" : undefined,
      ...variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (text: Buffer) => (output += text.toString()));
  const exit = once(child, "close").then(([code]) => {
    running.delete(child);
    return typeof code === "number" ? code : null;
  });
  return { child, output: () => output, exit };
}

async function launchUntilReady(...how: Parameters<typeof launch>): Promise<Started> {
  const started = launch(...how);
  await waitFor(() => started.output().includes("Ready after") || !running.has(started.child));
  expect(started.output()).toContain("Ready after");
  return started;
}

/** The lines to paste, by their content. */
function linesOf(started: Started): readonly string[] {
  return started
    .output()
    .split("\n")
    .filter((line) => /^ {2}\S/.test(line))
    .map((line) => line.trim());
}

const pasted = new Set<string>();

async function paste(lines: readonly string[], part: string): Promise<string> {
  const line = lines.find((candidate) => candidate.includes(part));
  expect(line, `a line with ${part}`).toBeDefined();
  pasted.add(line ?? "");
  const { stdout } = await run("bash", ["-c", line ?? "false"], { cwd: checkout });
  return stdout;
}

/** The commands of docs/sign-in.md, as pat. @returns a line for each answer */
async function walk(api: string): Promise<readonly string[]> {
  const page = readFileSync(path.join(checkout, "docs/sign-in.md"), "utf8");
  const commands = [...page.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, lines = ""]) => lines);
  const { [passwordOf("pat")]: password } = JSON.parse(
    readFileSync(path.join(dataDir, "credentials.json"), "utf8"),
  );
  const { stdout } = await run(
    "bash",
    ["-e", "-c", commands.find((each) => each.includes("post()")) ?? "false"],
    {
      cwd: checkout,
      env: { ...environmentVariables(), TENANT_SECRETS_DATA_DIR: dataDir, api, password },
    },
  );
  return stdout.trim().split("\n");
}

test(
  "a start runs all servers, its printed lines work as pasted, and its data survives a restart",
  limit,
  async () => {
    const started = await launchUntilReady();
    const lines = linesOf(started);

    expect(JSON.parse(await paste(lines, "/readyz"))).toMatchObject({ status: "ready" });
    const [, admin = ""] = /^Admin {8}(\S+)$/m.exec(started.output()) ?? [];
    expect(await (await fetch(admin)).text()).toContain("<title>Tenant Secrets</title>");
    expect(await paste(lines, "/metrics")).toMatch(/^tenant_secrets_notifications_up 1$/m);
    expect(JSON.parse(await paste(lines, "acmecorp.localhost"))).toMatchObject({
      amount: 1999,
      currency: "eur",
    });
    await waitFor(() => started.output().includes("Local Stripe:"));
    expect(started.output()).toContain("1999 eur, with key sk_test_fake_acmecorp_0001");
    expect(JSON.parse(await paste(lines, "another-company.localhost"))).toMatchObject({
      error: { reason: "NOT_FOUND" },
    });
    expect(await paste(lines, "/api/v1/secrets.read")).toContain("sk_test_fake_acmecorp_0001");

    const answers = await walk(admin);
    expect(answers.slice(0, 2)).toEqual(['{"next":"second-factor"}', '{"next":"done"}']);
    expect(answers[2]).toContain('"email":"pat@acmecorp.example","name":"Pat"');
    expect(answers[3]).toContain('"value":"sk_test_fake_acmecorp_0001"');
    expect(answers[4]).toContain('"current":true');
    expect(answers.at(-1)).toContain('"reason":"UNAUTHENTICATED"');
    for (const person of ["pat@acmecorp", "mia@acmecorp", "lou@acmecorp", "ops@example"])
      expect(started.output()).toContain(`│ ${person}.`);
    const rotated =
      /^Webhook: secret\.rotated {2}another-company SENDGRID_API_KEY version 2 {2}\(v1 ok, v1a ok\)$/m;
    await waitFor(() => rotated.test(started.output()));
    expect(started.output()).toMatch(rotated);
    expect(await paste(lines, "rotation now")).toMatch(/[0-9a-f]{8}-/);
    expect(await paste(lines, "rotation runs")).toContain("watch");
    expect(await paste(lines, "webhooks log")).toContain("secret.rotated");
    await paste(lines, "breakNew");
    await waitFor(() => started.output().includes("Mail to sam@agency.example: "));

    const hybrid = await paste(lines, "list --company acmecorp");
    const [inFolder, inInfisical, ofPlatform, companies] = await Promise.all([
      paste(lines, "get SENDGRID_API_KEY"),
      paste(lines, "list --company codewiser"),
      paste(lines, "get STRIPE_SECRET_KEY --company another-company"),
      paste(lines, "companies list"),
    ]);
    expect(hybrid).toMatch(/SENDGRID_API_KEY.*infisical/);
    expect(hybrid).toMatch(/STRIPE_SECRET_KEY.*database.*accepted/);
    expect(hybrid).toMatch(/OAUTH_GITHUB.*rejected/);
    expect(hybrid).toMatch(/STRIPE_WEBHOOK_SECRET +1 +2 /);
    expect(inFolder.trim()).toBe("SG.fake_acmecorp.fake_sendgrid_key_0001");
    // Reading it has moved it.
    expect(await paste(lines, "list --company acmecorp")).toMatch(/SENDGRID_API_KEY.*database/);
    expect(inInfisical).toMatch(/STRIPE_SECRET_KEY.*infisical/);
    expect(ofPlatform.trim()).toBe("sk_test_fake_another_company_0001");
    for (const company of ["codewiser", "acmecorp", "another-company"]) expect(companies).toContain(company);

    const inFolderAlone = /^codewiser: done: 3 in the folder, 0 in the database, 3 only in the folder/;
    expect(await paste(lines, "migrate plan")).toMatch(inFolderAlone);
    expect(await paste(lines, "migrate copy")).toContain("3 equal, 3 moved, store infisical");
    expect(await paste(lines, "migrate verify")).toContain(
      "Next: pnpm secrets migrate switch --company codewiser",
    );
    expect(await paste(lines, "migrate switch")).toContain("store infisical → database, writes held for");
    expect(await paste(lines, "migrate rollback")).toContain("store database → infisical, writes held for");

    await paste(lines, "set STRIPE_SECRET_KEY");
    expect(await paste(lines, "/api/v1/secrets.read")).toContain("sk_test_fake_acmecorp_0002");
    const rows = await paste(lines, "rows");
    expect(rows).toMatch(/acmecorp {2}STRIPE_SECRET_KEY {2}version 2 {2}ts1\./);
    expect(rows).not.toContain("_fake_");
    expect([...pasted].toSorted(), "the lines run here, and the lines printed").toEqual(lines.toSorted());

    expect(statSync(path.join(dataDir, "credentials.json")).mode & 0o777).toBe(0o600);
    started.child.kill("SIGINT");
    expect(await started.exit).toBe(0);
    await gone(() => processesOf(dataDir));

    // The second start: the same data and credentials, another port, and roles of a release that had fewer.
    const rolesFile = path.join(dataDir, "postgres", "roles.json");
    const { listener: _, signIn: __, ...olderRoles } = JSON.parse(readFileSync(rolesFile, "utf8"));
    writeFileSync(rolesFile, JSON.stringify(olderRoles));
    const credentials = readFileSync(path.join(dataDir, "credentials.json"), "utf8");
    const occupier = createServer();
    await once(occupier.listen(port, "127.0.0.1"), "listening");
    onTestFinished(() => void occupier.close());
    const second = await launchUntilReady();
    expect(second.output()).toContain(`Port ${port} is taken; the API takes `);
    expect(await paste(linesOf(second), "/api/v1/secrets.read")).toContain("sk_test_fake_acmecorp_0002");
    expect(readFileSync(path.join(dataDir, "credentials.json"), "utf8")).toBe(credentials);
    expect(second.output()).not.toContain("Mail to");
    // npm passes on what the terminal has sent already.
    second.child.kill("SIGINT");
    await sleep(30);
    second.child.kill("SIGINT");
    expect(await second.exit).toBe(0);
  },
);

test("shares its data with no other start, and when it is killed leaves all to the next", limit, async () => {
  const killed = await launchUntilReady();
  const refused = launch();
  expect(await refused.exit).toBe(1);
  expect(refused.output()).toContain(`is in use by process ${killed.child.pid}`);
  killed.child.kill("SIGKILL");
  await killed.exit;
  await gone(() => processesOf(dataDir).filter((pid) => mentions(pid, "hono-api")));
  const started = await launchUntilReady();
  expect(await paste(linesOf(started), "/api/v1/secrets.read")).toContain("sk_test_fake_acmecorp_");

  const [api] = processesOf(dataDir).filter((pid) => mentions(pid, "hono-api"));
  if (api !== undefined) process.kill(api, "SIGKILL");
  expect(await started.exit).toBe(1);
  expect(started.output()).toContain("The API ended by itself (SIGKILL)");
  await gone(() => processesOf(dataDir));
});

test("kills what does not stop at a second Ctrl-C", limit, async () => {
  const started = await launchUntilReady();
  const [api] = processesOf(dataDir).filter((pid) => mentions(pid, "hono-api"));
  if (api !== undefined) process.kill(api, "SIGSTOP");
  started.child.kill("SIGINT");
  await sleep(1_200);
  started.child.kill("SIGINT");
  expect(await started.exit).toBe(1);
  await gone(() => processesOf(dataDir));
});

test("ends when npm is ended, whose shell passes nothing on", limit, async () => {
  const started = await launchUntilReady(["sh", "-c", '"$0" "$1"; exit', process.execPath, startFile], true);
  started.child.kill("SIGTERM");
  await started.exit;
  expect(started.output()).toContain("Everything has stopped.");
  await gone(() => processesOf(dataDir));
});

test("does not start without the master key that the data was sealed with", limit, async () => {
  if (!existsSync(path.join(dataDir, "credentials.json"))) {
    const first = await launchUntilReady();
    first.child.kill("SIGTERM");
    expect(await first.exit).toBe(0);
  }
  rmSync(path.join(dataDir, "infisical.json"));
  const started = launch();
  expect(await started.exit).toBe(1);
  expect(started.output()).toContain("infisical.json is gone");
  expect(existsSync(path.join(dataDir, "infisical.json"))).toBe(false);
});

// The embedded PostgreSQL and the emulator act as the user's own servers: the environment of the start names them.
const ownServers = {
  database: async (): Promise<Variables> => {
    const server = await startEmbeddedPostgres({
      dataDir: path.join(parent, `own-${Math.random()}`),
      settings: { fsync: "off" },
    });
    onTestFinished(() => server.stop());
    const { superuserUrl } = server;
    const database = await provisionDatabase({ superuserUrl, database: "tenant_secrets" });
    return variablesOf({ database, infisical: undefined, stripe: undefined });
  },
  infisical: async (): Promise<Variables> => {
    const emulator = await startInfisicalEmulator();
    onTestFinished(() => emulator.stop());
    await seedMasterKey(emulator);
    return variablesOf({ database: undefined, infisical: emulator, stripe: undefined });
  },
};

test.each([
  { own: ["database"], title: "only the database" },
  { own: ["infisical"], title: "only Infisical" },
  { own: ["database", "infisical"], title: "both" },
] as const)(
  "where the environment names $title, every line that it prints works as pasted",
  limit,
  async ({ own }) => {
    const given: Variables = Object.assign(
      {},
      ...(await Promise.all(own.map((server) => ownServers[server]()))),
    );
    // With a blank in its name, which a shell would cut at.
    const directory = path.join(parent, `mixture of ${own.join(" and ")}`);
    const variables = {
      ...given,
      TENANT_SECRETS_DATA_DIR: directory,
      PORT: String(await findFreePort(undefined)),
    };
    const started = await launchUntilReady([process.execPath, startFile], false, variables);
    const lines = linesOf(started);
    expect(lines.length).toBeGreaterThanOrEqual(8);

    const { stdout, stderr } = await run("bash", ["-e", "-c", lines.join("\n")], {
      cwd: checkout,
      env: { ...environmentVariables(), ...given },
    });
    expect(stdout, stderr).toContain('"status":"ready"');
    expect(stdout).toMatch(/^tenant_secrets_notifications_up 1$/m);
    expect(stdout).toContain("STRIPE_SECRET_KEY of acmecorp is now at version 1.");
    // What `get` prints into a pipe has no end of line.
    expect(stdout).toMatch(/^sk_test_fake_acmecorp_0001acmecorp {2}STRIPE_SECRET_KEY {2}version 1 {2}ts1\./m);
    expect(started.output()).not.toContain(String(given["INFISICAL_CLIENT_SECRET"]));
    const envFile = readFileSync(path.join(directory, "local.env"), "utf8");
    for (const value of Object.values(given))
      if (value !== "dev" && value !== "default") expect(envFile).not.toContain(value);
    expect(statSync(path.join(directory, "local.env")).mode & 0o777).toBe(0o600);

    started.child.kill("SIGINT");
    expect(await started.exit).toBe(0);
    await gone(() => processesOf(directory));
  },
);
