import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startEmbeddedPostgres, usableDataDir } from "./index.ts";
import type { EmbeddedPostgres, EmbeddedPostgresOptions } from "./index.ts";
import { stopOrphan } from "./orphan.ts";
import { ensureOwnDirectory } from "./own-directory.ts";
import { findUnprivilegedUser } from "./unprivileged.ts";

const isRoot = process.getuid?.() === 0;
const TIMEOUT_MS = 20_000;

const seed = mkdtempSync(path.join(tmpdir(), "embedded-postgres-test-"));
beforeAll(async () => {
  const server = await startEmbeddedPostgres({ dataDir: seed, settings: { fsync: "off" } });
  await server.stop();
});
afterAll(() => {
  rmSync(seed, { recursive: true, force: true });
});

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "embedded-postgres-test-"));
  onTestFinished(async () => {
    // Also what a failed test leaves running.
    await stopOrphan(path.join(directory, "cluster"));
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** A data directory as a first start leaves it: a copy, because initialising takes most of a start's time. */
function initialisedDirectory(): string {
  const directory = temporaryDirectory();
  execFileSync("cp", ["-a", `${seed}/.`, directory]);
  return directory;
}

async function start(
  dataDir: string,
  options: Partial<EmbeddedPostgresOptions> = {},
): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir, settings: { fsync: "off" }, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function query(url: string, statement: string): Promise<postgres.Row[]> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    return await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

const serverPid = (dataDir: string): number =>
  Number(readFileSync(path.join(dataDir, "cluster", "postmaster.pid"), "utf8").split("\n")[0]);

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs launcher.ts and waits for its server. */
async function launch(
  dataDir: string,
  user?: { uid: number; gid: number },
): Promise<{ child: ChildProcess; url: string; lines: string[] }> {
  const script = fileURLToPath(new URL("../testing/launcher.ts", import.meta.url));
  const child = spawn(process.execPath, [script, dataDir], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
    cwd: "/",
    ...user,
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  const reader = createInterface(child.stdout);
  reader.on("line", (line) => lines.push(line));
  await once(reader, "line");
  return { child, url: lines[0] ?? "", lines };
}

test("starts on an empty directory, and on its data the next time", { timeout: TIMEOUT_MS }, async () => {
  const dataDir = temporaryDirectory();
  const first = await start(dataDir);
  await query(first.superuserUrl, "create table kept as select 42 as answer");
  await first.stop();
  const second = await start(dataDir);
  expect(await query(second.superuserUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
});

test(
  "rejects connections without the password, and listens on 127.0.0.1 only",
  { timeout: TIMEOUT_MS },
  async () => {
    const dataDir = initialisedDirectory();
    const server = await start(dataDir);
    for (const password of ["", "postgres"]) {
      const url = `postgres://postgres:${password}@127.0.0.1:${server.port}/postgres`;
      await expect(query(url, "select 1")).rejects.toThrow(/password/i);
    }
    const settings = await query(
      server.superuserUrl,
      "select current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets",
    );
    expect(settings).toEqual([{ addresses: "127.0.0.1", sockets: "" }]);
    expect(statSync(path.join(dataDir, "superuser-password")).mode & 0o777).toBe(0o600);
  },
);

test("answers a taken port with another one", { timeout: TIMEOUT_MS }, async () => {
  const other = createServer();
  await once(other.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void other.close());
  const address = other.address();
  const port = address !== null && typeof address === "object" ? address.port : 0;
  const server = await start(initialisedDirectory(), { port });
  expect(server.port).not.toBe(port);
  expect(await query(server.superuserUrl, "select 1 as one")).toEqual([{ one: 1 }]);
});

test("says the server's own reason when it does not start", { timeout: TIMEOUT_MS }, async () => {
  await expect(
    start(initialisedDirectory(), { settings: { fsync: "off", no_such_setting: "1" } }),
  ).rejects.toThrow(/FATAL: .*no_such_setting/);
});

test("stops once, however often it is told to, and leaves no process", { timeout: TIMEOUT_MS }, async () => {
  const dataDir = initialisedDirectory();
  const server = await start(dataDir);
  const pid = serverPid(dataDir);
  const idle = postgres(server.superuserUrl, { max: 1 });
  await idle`select 1`;
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
  expect(isRunning(pid)).toBe(false);
  await idle.end({ timeout: 1 });
});

test(
  "takes over from a process that was killed, with what it had committed",
  { timeout: TIMEOUT_MS },
  async () => {
    const dataDir = initialisedDirectory();
    const { child, url } = await launch(dataDir);
    await query(url, "create table kept as select 42 as answer");
    const orphan = serverPid(dataDir);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isRunning(orphan)).toBe(true);
    const server = await start(dataDir);
    expect(serverPid(dataDir)).not.toBe(orphan);
    expect(await query(server.superuserUrl, "select answer from kept")).toEqual([{ answer: 42 }]);
  },
);

test("does not take over from a process that is alive", { timeout: TIMEOUT_MS }, async () => {
  const dataDir = initialisedDirectory();
  const { child, url } = await launch(dataDir);
  await expect(start(dataDir)).rejects.toThrow(`in use by process ${child.pid}`);
  expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  child.kill("SIGINT");
  await once(child, "exit");
});

test("survives the Ctrl-C that its process gets, and ends with it", { timeout: TIMEOUT_MS }, async () => {
  const dataDir = initialisedDirectory();
  const { child, url, lines } = await launch(dataDir);
  const pid = serverPid(dataDir);
  // A terminal signals the whole process group.
  process.kill(-(child.pid ?? Number.NaN), "SIGINT");
  await sleep(200);
  expect(lines).toContain("interrupted");
  expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  await once(child, "exit");
  expect(isRunning(pid)).toBe(false);
});

test(
  "a stale lock file with the number of some other process does no harm",
  { timeout: TIMEOUT_MS },
  async () => {
    const dataDir = initialisedDirectory();
    const { child } = await launch(dataDir);
    const pidFile = path.join(dataDir, "cluster", "postmaster.pid");
    const content = readFileSync(pidFile, "utf8");
    child.kill("SIGINT");
    await once(child, "exit");
    const bystander = spawn("sleep", ["60"], { ...findUnprivilegedUser() });
    onTestFinished(() => void bystander.kill());
    writeFileSync(pidFile, content.replace(/^\d+/, String(bystander.pid)));
    const server = await start(dataDir);
    expect(await query(server.superuserUrl, "select 1 as one")).toEqual([{ one: 1 }]);
    expect(bystander.exitCode ?? bystander.signalCode).toBe(null);
  },
);

test("refuses a directory that others could have prepared", () => {
  const parent = temporaryDirectory();
  const open = path.join(parent, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  expect(() => {
    ensureOwnDirectory(open);
  }).toThrow("Other users may write");
  const link = path.join(parent, "link");
  symlinkSync(parent, link);
  expect(() => {
    ensureOwnDirectory(link);
  }).toThrow("is not a directory");
});

test.runIf(isRoot)("refuses a directory of another user's", () => {
  const foreign = path.join(temporaryDirectory(), "foreign");
  mkdirSync(foreign);
  chownSync(foreign, 65_534, 65_534);
  expect(() => {
    ensureOwnDirectory(foreign);
  }).toThrow("belongs to another user");
});

test.runIf(isRoot)(
  "keeps its data elsewhere when its user cannot enter the preferred directory",
  { timeout: TIMEOUT_MS },
  async () => {
    const parent = temporaryDirectory();
    const preferred = path.join(parent, "below", "data");
    const elsewhere = usableDataDir(preferred);
    onTestFinished(() => rmSync(elsewhere, { recursive: true, force: true }));
    expect(elsewhere).toMatch(/^\/var\/tmp\/tenant-secrets-[0-9a-f]{16}$/);
    expect(usableDataDir(preferred)).toBe(elsewhere);
    await expect(start(preferred)).rejects.toThrow("cannot enter");
    const server = await start(elsewhere);
    expect(await query(server.superuserUrl, "select 1 as one")).toEqual([{ one: 1 }]);
    chmodSync(parent, 0o711);
    expect(usableDataDir(preferred)).toBe(preferred);
  },
);

test.runIf(isRoot)("runs in a process of an ordinary user as well", { timeout: TIMEOUT_MS }, async () => {
  const dataDir = temporaryDirectory();
  const user = findUnprivilegedUser();
  if (user === undefined) throw new Error("there is no unprivileged user");
  chownSync(dataDir, user.uid, user.gid);
  const { child, url } = await launch(dataDir, { uid: user.uid, gid: user.gid });
  expect(await query(url, "select 1 as one")).toEqual([{ one: 1 }]);
  expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  child.kill("SIGINT");
  await once(child, "exit");
  expect(existsSync(path.join(dataDir, "cluster", "postmaster.pid"))).toBe(false);
});
