import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { TRPCError } from "@trpc/server";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { startJobs, type Jobs } from "@repo/db/jobs";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { codeOf, createFixture, operator, product, type Fixture } from "../testing/fixture.ts";
import { createTasks } from "../jobs/jobs.ts";
import { createCaller } from "./router.ts";
import { createCallerContext, publicError } from "./trpc.ts";

let fixture: Fixture;
let directory: string;
let recipient: string;
let identity: string;

beforeAll(async () => {
  fixture = await createFixture();
  directory = await mkdtemp(path.join(tmpdir(), "key-backups-"));
  identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
});
afterAll(() => rm(directory, { recursive: true }));

type DeliveryChat = Fixture["secrets"];

/** A server on which operators may start rotations. */
const server = (backup = { recipients: [recipient], directory }): DeliveryChat =>
  fixture.another({ backupDestination: backup });

/** Runs a server's jobs for the duration of a test. @param lines receives its log lines */
async function work(secrets: DeliveryChat, lines: string[] = []): Promise<Pick<Jobs, "stop">> {
  const log = (_: string, sentence: string) => void lines.push(sentence);
  const jobs = await startJobs({
    maintenanceUrl: fixture.urls.maintenance,
    tasks: createTasks({ database: fixture.database, secrets, log }),
    cron: {},
    log,
    drainMs: 1000,
  });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= jobs.stop());
  onTestFinished(stop);
  return { stop };
}

const soon = { timeout: 60_000 };

const keysOf = (secrets: DeliveryChat, caller = operator) =>
  createCaller(createCallerContext(secrets, caller)).keys;

async function reasonOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof TRPCError ? publicError(error).code : "no error";
}

describe("the key procedures", () => {
  test("a rotation started over the API completes by itself, shows its progress, and has a verifiable report", async () => {
    const subdomain = await fixture.company("database");
    await fixture.secrets.company(subdomain, product).set("CUSTOM_A", "kept");
    const secrets = server();
    const keys = keysOf(secrets);
    expect(await keys.report({})).toBeNull();

    await work(secrets);
    const { rotation } = await keys.rotate();
    await vi.waitFor(async () => expect((await keys.status()).rotation).toBeUndefined(), soon);
    const status = await keys.status();
    expect(status.versions).toMatchObject([
      { version: 1, name: "MASTER_ENCRYPTION_KEY", status: "retired", wraps: 0 },
      { version: 2, name: "MASTER_ENCRYPTION_KEY_V2", status: "active" },
    ]);
    expect(await fixture.another().company(subdomain, product).get("CUSTOM_A")).toBe("kept");

    const [file = ""] = await readdir(directory);
    expect(file).toMatch(/^tenant-secrets-keys-default-\d{8}T\d{9}Z\.age$/);
    expect((await stat(path.join(directory, file))).mode & 0o777).toBe(0o600);
    const check = await secrets.keyBackups.checkBackup(
      operator,
      await readFile(path.join(directory, file), "utf8"),
      { identityFile: identity },
    );
    expect(check.keys.map(({ state }) => state)).toEqual(["matches", "matches"]);

    const report = await keys.report({ rotation: rotation.id });
    expect(report).toEqual(await keys.report({}));
    expect(JSON.parse(report?.report ?? "")).toMatchObject({
      rotation: rotation.id,
      backup: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
    expect(await keys.report({ rotation: crypto.randomUUID() })).toBeNull();
    const { report: text = "", mac = "" } = report ?? {};
    await keys.verifyReport({ report: text, mac });
    const edited = { report: text.replace('"toVersion": 2', '"toVersion": 3'), mac };
    expect(await reasonOf(keys.verifyReport(edited))).toBe("INTEGRITY_FAILURE");
  });

  test("keys.destroy destroys a retired key and no other", async () => {
    const keys = keysOf(fixture.another());
    const { versions } = await keys.status();
    const { version: active } = versions.find(({ status }) => status === "active") ?? { version: 0 };
    expect(await reasonOf(keys.destroy({ version: active }))).toBe("CONFLICT");
    expect(await reasonOf(keys.destroy({ version: 99 }))).toBe("NOT_FOUND");
    expect(await reasonOf(keys.destroy({ version: 0 }))).toBe("INVALID_INPUT");
    await keys.destroy({ version: active - 1 });
    expect(await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY")).toBeUndefined();
  });

  test("the key procedures are denied to everyone but operators, and each denial is audited", async () => {
    const keys = keysOf(server(), product);
    const calls = [
      keys.status(),
      keys.rotate(),
      keys.rotateCompany({ company: "company-1" }),
      keys.report({}),
      keys.verifyReport({ report: "{}", mac: "1.x" }),
      keys.destroy({ version: 1 }),
    ];
    expect(await Promise.all(calls.map(reasonOf))).toEqual(calls.map(() => "FORBIDDEN"));
    const events = await fixture.superuser`
      select action from audit_events where actor_id = 'test' and reason = 'FORBIDDEN'`;
    expect(events.map((row) => String(row["action"])).toSorted()).toEqual([
      "key.destroy",
      "key.report",
      "key.rotate",
      "key.rotate-company",
      "key.status",
      "key.verify-report",
    ]);
  });

  test("a rotation does not start if its backup could not be stored", async () => {
    const before = await fixture.superuser`select from runs where kind = 'rotate-master-key'`;
    expect(await reasonOf(keysOf(fixture.another()).rotate())).toBe("NOT_SUPPORTED");
    const nowhere = { recipients: [recipient], directory: path.join(directory, "none") };
    expect(await reasonOf(keysOf(server(nowhere)).rotate())).toBe("INVALID_INPUT");
    const nobody = { recipients: [`${recipient.slice(0, -1)}1`], directory };
    expect(await reasonOf(keysOf(server(nobody)).rotate())).toBe("INVALID_INPUT");
    expect(await fixture.superuser`select from runs where kind = 'rotate-master-key'`).toHaveLength(
      before.length,
    );
  });

  test("a rotation continues in another process after its own process stops", async () => {
    // A live process that never loads the new key blocks the rotation.
    const stuck = crypto.randomUUID();
    await fixture.superuser`insert into processes (id, region, master_key_versions, seen_at)
      values (${stuck}, 'default', '{2}', now() + interval '10 minutes')`;
    const secrets = server();
    const keys = keysOf(secrets);
    const lines: string[] = [];
    const jobs = await work(secrets, lines);
    const { rotation } = await keys.rotate();
    const held = { id: rotation.id, phase: "distribute", driven: true };
    await vi.waitFor(async () => expect((await keys.status()).rotation).toMatchObject(held), soon);
    expect(await reasonOf(keysOf(server()).rotate())).toBe("CONFLICT");
    await jobs.stop();
    expect(lines).toContainEqual(expect.stringContaining("stopped between two steps"));
    expect((await keys.status()).rotation).toMatchObject({ ...held, driven: false });
    await fixture.superuser`delete from processes where id = ${stuck}`;
    await work(server());
    await vi.waitFor(async () => expect((await keys.status()).rotation).toBeUndefined(), soon);
    expect(JSON.parse((await keys.report({}))?.report ?? "{}")).toMatchObject({ rotation: rotation.id });
    expect(await codeOf(fixture.another().prepare())).toBe("no error");
  });

  test("a rotation reports what stopped it, and continues when it is requested again", async () => {
    const gone = await mkdtemp(path.join(tmpdir(), "key-backups-"));
    const secrets = server({ recipients: [recipient], directory: gone });
    const { rotation } = await keysOf(secrets).rotate();
    await rm(gone, { recursive: true });
    const lines: string[] = [];
    const jobs = await work(secrets, lines);
    await vi.waitFor(
      () => expect(lines).toContainEqual(expect.stringContaining("could not be written")),
      soon,
    );
    await jobs.stop();
    const stopped = (await keysOf(secrets).status()).rotation;
    expect(stopped).toMatchObject({
      id: rotation.id,
      phase: "backup",
      wrapped: 0,
      total: expect.any(Number),
      lastError: { code: "STORE_UNAVAILABLE", message: expect.stringContaining("could not be written") },
      retryAt: expect.any(Date),
    });
    expect(stopped?.total).toBeGreaterThan(0);
    await work(server());
    expect((await keysOf(server()).rotate()).rotation.id).toBe(rotation.id);
    await vi.waitFor(async () => expect((await keysOf(secrets).status()).rotation).toBeUndefined(), soon);
  });

  test("a rotation is left to a process with a backup destination, and runs once however often its job is started", async () => {
    const keys = keysOf(server());
    await work(fixture.another());
    const { rotation } = await keys.rotate();
    await keys.rotateCompany({ company: "company-1" });
    const keysLeft = async () =>
      (await fixture.superuser`select from company_keys where status <> 'destroyed'`).length;
    await vi.waitFor(async () => expect(await keysLeft()).toBe(1), soon);
    expect((await keys.status()).rotation).toMatchObject({ id: rotation.id, phase: "stage", driven: false });
    await work(server());
    await vi.waitFor(async () => expect((await keys.status()).rotation).toBeUndefined(), soon);
    const { versions } = await keys.status();
    await server().runs.work["rotate-master-key"]?.(rotation.id, new AbortController().signal);
    expect(await keys.status()).toMatchObject({
      versions: versions.map(({ version, status }) => ({ version, status })),
    });
  });

  test("a company gets a new key, and a job re-encrypts its values", async () => {
    const subdomain = await fixture.company("database");
    const company = fixture.secrets.company(subdomain, product);
    expect(await reasonOf(keysOf(server()).rotateCompany({ company: subdomain }))).toBe("CONFLICT");
    await company.set("CUSTOM_A", "first");
    await company.set("CUSTOM_A", "kept");
    expect(await keysOf(server()).rotateCompany({ company: subdomain })).toEqual({ keyVersion: 2 });
    // A second request joins the same rotation.
    expect(await keysOf(server()).rotateCompany({ company: subdomain })).toEqual({ keyVersion: 2 });
    const states = async () => {
      const rows =
        await fixture.superuser`select k.key_version || ' ' || k.status as state from company_keys k
        join companies c on c.id = k.company_id where subdomain = ${subdomain} order by key_version`;
      return rows.map((row) => String(row["state"]));
    };
    expect(await states()).toEqual(["1 retiring", "2 active"]);
    const { companyRotations } = await keysOf(server()).status();
    expect(companyRotations).toEqual({ unfinished: 1, retrying: 0, failed: 0 });
    await work(server());
    await vi.waitFor(async () => expect(await states()).toEqual(["1 destroyed", "2 active"]), soon);
    expect(await fixture.another().company(subdomain, product).get("CUSTOM_A")).toBe("kept");
    const events = await fixture.superuser`select actor_kind || ' ' || action as text from audit_events
      where action in ('key.rotate-company', 'key.destroy-company') and version is not null
        and company_id = (select id from companies where subdomain = ${subdomain}) order by position`;
    expect(events.map((row) => row["text"])).toEqual([
      "operator key.rotate-company",
      "job key.destroy-company",
    ]);
  });
});
