import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { TRPCError } from "@trpc/server";
import { generateIdentity, identityToRecipient } from "age-encryption";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { deliveryChatCatalog } from "../catalog/delivery-chat.ts";
import { codeOf, createFixture, operator, product, type Fixture } from "../fixture.ts";
import { createTenantSecrets, type TenantSecrets } from "../tenant-secrets.ts";
import { createCaller } from "./router.ts";
import { createCallerContext, publicError } from "./trpc.ts";

type Ends = (string | undefined)[];

let fixture: Fixture;
let directory: string;
let recipient: string;
let identity: string;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  fixture = await createFixture();
  directory = await mkdtemp(path.join(tmpdir(), "key-backups-"));
  identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
});
afterAll(async () => {
  await Promise.all(closing.map((close) => close()));
  await rm(directory, { recursive: true });
});

/** A server's view, in which operators may start rotations. */
function server(
  ends: Ends,
  backup = { recipients: [recipient], directory },
): TenantSecrets<typeof deliveryChatCatalog> {
  const { application, maintenance } = fixture.urls;
  const database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance });
  closing.push(() => database.close());
  return createTenantSecrets({
    database,
    infisical: createInfisicalClient({ ...fixture.emulator, environment: "dev" }),
    catalog: deliveryChatCatalog,
    backgroundRotation: { backup, onEnd: (error) => ends.push(error?.code) },
  });
}

const keysOf = (secrets: TenantSecrets<typeof deliveryChatCatalog>, caller = operator) =>
  createCaller(createCallerContext(secrets, caller)).keys;

async function reasonOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof TRPCError ? publicError(error).code : "no error";
}

describe("the procedures of keys", () => {
  test("start a rotation that goes on by itself, show it, and give and check its report", async () => {
    const subdomain = await fixture.company("database");
    await fixture.secrets.company(subdomain, product).set("CUSTOM_A", "kept");
    const ends: Ends = [];
    const secrets = server(ends);
    const keys = keysOf(secrets);
    expect(await keys.report({})).toBeNull();

    const { rotation } = await keys.rotate();
    await vi.waitFor(() => expect(ends).toEqual([undefined]), { timeout: 15_000 });
    const status = await keys.status();
    expect(status.rotation).toBeUndefined();
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

  test("destroy a retired key and no other", async () => {
    const keys = keysOf(fixture.another());
    const { versions } = await keys.status();
    const { version: active } = versions.find(({ status }) => status === "active") ?? { version: 0 };
    expect(await reasonOf(keys.destroy({ version: active }))).toBe("CONFLICT");
    expect(await reasonOf(keys.destroy({ version: 99 }))).toBe("NOT_FOUND");
    expect(await reasonOf(keys.destroy({ version: 0 }))).toBe("INVALID_INPUT");
    await keys.destroy({ version: active - 1 });
    expect(await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY")).toBeUndefined();
  });

  test("refuse whoever is not an operator, and put it on record", async () => {
    const keys = keysOf(server([]), product);
    const calls = [
      keys.status(),
      keys.rotate(),
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
      "key.status",
      "key.verify-report",
    ]);
  });

  test("start no rotation where a backup could not be kept, and nothing is begun", async () => {
    const before = await fixture.superuser`select from key_rotations`;
    expect(await reasonOf(keysOf(fixture.another()).rotate())).toBe("NOT_SUPPORTED");
    const nowhere = { recipients: [recipient], directory: path.join(directory, "none") };
    expect(await reasonOf(keysOf(server([], nowhere)).rotate())).toBe("INVALID_INPUT");
    const nobody = { recipients: [`${recipient.slice(0, -1)}1`], directory };
    expect(await reasonOf(keysOf(server([], nobody)).rotate())).toBe("INVALID_INPUT");
    expect(await fixture.superuser`select from key_rotations`).toHaveLength(before.length);
  });

  test("a stop ends a rotation between two steps, and the next start goes on with it", async () => {
    // A process that is alive and never loads the new key holds the rotation up.
    const stuck = crypto.randomUUID();
    await fixture.superuser`insert into processes (id, region, master_key_versions) values (${stuck}, 'default', '{2}')`;
    const alive = setInterval(() => {
      void fixture.superuser`update processes set seen_at = now() where id = ${stuck}`.catch(() => {});
    }, 1000);
    const ends: Ends = [];
    const secrets = server(ends);
    try {
      const { rotation } = await keysOf(secrets).rotate();
      await vi.waitFor(
        async () =>
          expect((await keysOf(secrets).status()).rotation).toMatchObject({
            id: rotation.id,
            phase: "distribute",
            driven: true,
          }),
        { timeout: 15_000 },
      );
      expect(await reasonOf(keysOf(server([])).rotate())).toBe("CONFLICT");
      await secrets.backgroundRotation.stop();
      expect(ends).toEqual(["CONFLICT"]);
      expect((await keysOf(secrets).status()).rotation).toMatchObject({ id: rotation.id, driven: false });
      clearInterval(alive);
      await fixture.superuser`delete from processes where id = ${stuck}`;
      const next = server(ends);
      expect((await keysOf(next).rotate()).rotation.id).toBe(rotation.id);
      await vi.waitFor(() => expect(ends).toEqual(["CONFLICT", undefined]), { timeout: 15_000 });
    } finally {
      clearInterval(alive);
    }
    expect(await codeOf(fixture.another().prepare())).toBe("no error");
  });

  test("what stops a rotation after it has begun is told, and the rotation can go on", async () => {
    const ends: Ends = [];
    const gone = await mkdtemp(path.join(tmpdir(), "key-backups-"));
    const secrets = server(ends, { recipients: [recipient], directory: gone });
    fixture.emulator.faults.add({ kind: "delay", durationMs: 500 }, { path: /secrets/ });
    const { rotation } = await keysOf(secrets).rotate();
    await rm(gone, { recursive: true });
    await vi.waitFor(() => expect(ends).toEqual(["STORE_UNAVAILABLE"]), { timeout: 15_000 });
    expect((await keysOf(secrets).status()).rotation).toMatchObject({ id: rotation.id, phase: "backup" });
    await keysOf(server(ends)).rotate();
    await vi.waitFor(() => expect(ends).toEqual(["STORE_UNAVAILABLE", undefined]), { timeout: 15_000 });
  });
});
