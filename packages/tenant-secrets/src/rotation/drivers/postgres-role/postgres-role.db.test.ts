import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@repo/db/embedded";
import { Plaintext } from "@repo/envelope";
import { driverContract } from "../../../testing/driver-contract.ts";
import { type DriverWorld, openTrial, type Trial } from "../../../testing/driver-trial.ts";
import { startPostgresProxy } from "../../../testing/postgres-proxy.ts";
import { createPostgresOneRoleDriver } from "./postgres-one-role.ts";
import { createPostgresRoleDriver } from "./postgres-role.ts";
import type { PostgresRoleOptions } from "./role-work.ts";
import { scramVerifier } from "./scram.ts";

const directory = mkdtempSync(path.join(tmpdir(), "postgres-role-"));
// The server may run as another user.
chmodSync(directory, 0o711);
const password = (): string => `fake-"'${randomBytes(12).toString("hex")}`;
let server: EmbeddedPostgres;
let superuser: postgres.Sql;
let log = "";

beforeAll(async () => {
  server = await startEmbeddedPostgres({
    dataDir: path.join(directory, "server"),
    settings: { fsync: "off", log_statement: "all" },
    onLog: (text) => {
      log += text;
    },
  });
  superuser = postgres(server.superuserUrl, { onnotice: () => {} });
  await superuser`create database foreign_shop`;
}, 60_000);
afterAll(async () => {
  await superuser.end();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});

const allowed = (port: number): PostgresRoleOptions => ({
  hosts: [{ host: "127.0.0.1", port, isEncrypted: false }],
  ownDatabases: [],
});

interface Changes {
  readonly options?: Partial<PostgresRoleOptions>;
  readonly settings?: object;
}

/** Two roles of their own, with names that would end a statement if they stood in one as they are. */
async function startWorld({ options, settings }: Changes = {}): Promise<
  DriverWorld & { readonly port: number }
> {
  const id = randomBytes(4).toString("hex");
  const [one, two, group, admin] = ["a", "b", "group", "admin"].map(
    (part) => `x"; drop role ${part}; --${id}`,
  );
  const names = { one: one ?? "", two: two ?? "", group: group ?? "", admin: admin ?? "" };
  const [first, managing] = [password(), password()];
  const quote = (text: string) => `"${text.replaceAll('"', '""')}"`;
  await superuser.unsafe(`
    create role ${quote(names.group)};
    create role ${quote(names.one)} login password '${scramVerifier(first)}' in role ${quote(names.group)};
    create role ${quote(names.two)} login in role ${quote(names.group)};
    create role ${quote(names.admin)} login createrole password '${scramVerifier(managing)}';
    grant ${quote(names.one)}, ${quote(names.two)} to ${quote(names.admin)} with admin option, inherit false, set false;
  `);
  const { port, ...proxy } = await startPostgresProxy(server.port);
  const login = (user: string, secret: string) =>
    JSON.stringify({ host: "127.0.0.1", port, database: "foreign_shop", user, password: secret });
  return {
    ...proxy,
    port,
    driver: createPostgresRoleDriver({ ...allowed(port), ...options }),
    settings: { roles: [names.one, names.two], group: names.group, ...settings },
    current: login(names.one, first),
    currentRef: names.one,
    manager: login(names.admin, managing),
    unknown: login("nobody", "fake-unknown"),
    fetch: () => Promise.reject(new Error("Nothing is asked over HTTP.")),
    live: async () => {
      const roles = await superuser<{ rolname: string }[]>`
        select rolname from pg_authid where rolname in (${names.one}, ${names.two}) and rolpassword is not null
          and coalesce(rolvaliduntil > now(), true)`;
      return roles.map(({ rolname }) => rolname);
    },
    sayings: ["authentication", "password", "127.0.0.1", "foreign_shop", id],
  };
}

driverContract("postgres-role", startWorld);

/** The first of the two roles, alone. */
async function startOneRole(): Promise<DriverWorld> {
  const world = await startWorld();
  const { currentRef: role } = world;
  return {
    ...world,
    driver: createPostgresOneRoleDriver(allowed(world.port)),
    settings: { role },
  };
}

driverContract("postgres-one-role", startOneRole);

describe("the driver postgres-one-role", () => {
  test("ends the old password with the new one, and gives it back where the new one is given up", async () => {
    const world = await startOneRole();
    const trial = openTrial(world);
    const old = Plaintext.fromText(world.current);
    const told = await trial.make();
    expect(await trial.driver.test(trial.call(), told.value)).toBe("accepted");
    expect(await trial.driver.test(trial.call(), old)).toBe("rejected");
    // What the next run ends is the value before, and the role keeps the password of the current one.
    const rotated = { current: told.value };
    expect(await trial.driver.retire(trial.call(rotated), { ...told, value: old })).toBe("gone");
    expect(await trial.driver.retire(trial.call(rotated), { ...told, value: undefined })).toBe("retired");
    expect(await trial.driver.test(trial.call(), told.value)).toBe("accepted");
    expect(await trial.driver.retire(trial.call(), told)).toBe("retired");
    expect(await trial.driver.test(trial.call(), old)).toBe("accepted");
    expect(await trial.driver.confirm?.(trial.call(), told)).toBe(true);
    await world.stop();
  });

  test("touches no other role than the one of its settings", async () => {
    const world = await startOneRole();
    const trial = openTrial(world);
    const other = { ...(JSON.parse(world.current) as object), user: "postgres" };
    const current = Plaintext.fromText(JSON.stringify(other));
    await expect(trial.make({ current })).rejects.toMatchObject({ code: "misconfigured" });
    const old = { ref: "postgres", marker: undefined };
    await expect(trial.driver.retire(trial.call(), old)).rejects.toMatchObject({ code: "misconfigured" });
    await expect(trial.driver.retire(trial.call({ current }), old)).rejects.toMatchObject({
      code: "misconfigured",
    });
    await world.stop();
  });
});

describe("the driver postgres-role", () => {
  let worlds: (DriverWorld & { readonly port: number })[] = [];
  const begin = async (changes: Changes = {}): Promise<Trial> => {
    const world = await startWorld(changes);
    worlds.push(world);
    return openTrial(world);
  };
  afterEach(async () => {
    await Promise.all(worlds.map((world) => world.stop()));
    worlds = [];
  });
  const changed = (trial: Trial, changes: object) =>
    Plaintext.fromText(JSON.stringify({ ...(JSON.parse(trial.world.current) as object), ...changes }));
  const misconfigured = { code: "misconfigured" };

  test("gives the other role a password, as which the group can be acted, and the log of the server has neither", async () => {
    const trial = await begin();
    const told = await trial.make();
    const { user, password: made } = JSON.parse(told.value.reveal()) as { user: string; password: string };
    expect(user).toBe(told.ref);
    expect(await trial.driver.test(trial.call(), told.value)).toBe("accepted");
    await trial.driver.retire(trial.call(), told);
    await expect.poll(() => log).toContain("password null");
    expect(log).toContain("SCRAM-SHA-256$4096");
    expect(log).not.toContain(made);
    expect(log).not.toContain("fake-\"'");
  });

  test("ends a password after the days of the settings, and lets another one be valid again", async () => {
    const trial = await begin({ settings: { validDays: 30 } });
    const { driver } = trial;
    const told = await trial.make();
    if (driver.creates !== "us") throw new TypeError("The value is made here.");
    await driver.retire(trial.call(), told);
    expect(await driver.test(trial.call(), told.value)).toBe("rejected");
    const { expiresAt } = await driver.apply(trial.call(), told.value);
    expect((expiresAt?.getTime() ?? 0) - Date.now()).toBeGreaterThan(29 * 86_400_000);
    expect(await driver.test(trial.call(), told.value)).toBe("accepted");
  });

  test("is not confirmed while a session of the retired role goes on", async () => {
    const trial = await begin();
    const told = await trial.make();
    const { user, password: made } = JSON.parse(told.value.reveal()) as { user: string; password: string };
    const session = postgres({
      host: "127.0.0.1",
      port: server.port,
      database: "foreign_shop",
      user,
      password: made,
    });
    await session`select 1`;
    await trial.driver.retire(trial.call(), told);
    expect(await trial.driver.confirm?.(trial.call(), told)).toBe(false);
    await session.end();
    await expect.poll(() => trial.driver.confirm?.(trial.call(), told)).toBe(true);
  });

  test("touches no role but the two, and not the one of the current value", async () => {
    const trial = await begin();
    const retire = (ref: string) => trial.driver.retire(trial.call(), { ref, marker: undefined });
    await expect(retire("postgres")).rejects.toMatchObject(misconfigured);
    await expect(retire(trial.world.currentRef)).rejects.toMatchObject(misconfigured);
    await expect(trial.make({ current: changed(trial, { user: "postgres" }) })).rejects.toMatchObject(
      misconfigured,
    );
    await trial.expectLive([]);
  });

  test("refuses a role that is missing, or may do more than a role of two does", async () => {
    for (const attribute of ["superuser", "createrole", "bypassrls", "replication", "nologin"]) {
      const trial = await begin();
      const { roles } = trial.world.settings as { readonly roles: readonly [string, string] };
      await superuser.unsafe(`alter role "${roles[1].replaceAll('"', '""')}" ${attribute}`);
      await expect(trial.make()).rejects.toMatchObject(misconfigured);
    }
    const trial = await begin({ settings: { roles: ["x", "y"] } });
    await expect(trial.make({ current: changed(trial, { user: "x" }) })).rejects.toMatchObject(misconfigured);
  });

  test("connects to no host that the operator does not list, whichever value names it", async () => {
    const trial = await begin();
    const told = await trial.make();
    for (const place of [{ host: "db.evil.example" }, { port: server.port }, { host: "localhost" }]) {
      const current = changed(trial, place);
      await expect(trial.driver.test(trial.call(), current)).rejects.toMatchObject(misconfigured);
      await expect(trial.make({ current })).rejects.toMatchObject(misconfigured);
      await expect(trial.make({ current, manager: current })).rejects.toMatchObject(misconfigured);
      await expect(trial.driver.retire(trial.call({ current }), told)).rejects.toMatchObject(misconfigured);
    }
    await trial.expectLive([told]);
  });

  test("refuses this deployment's own database, by its place and by its tables", async () => {
    const trial = await begin();
    const own = { host: "127.0.0.1", port: worlds[0]?.port ?? 0, database: "foreign_shop" };
    const driver = createPostgresRoleDriver({ ...allowed(own.port), ownDatabases: [own] });
    await expect(driver.retire(trial.call() as never, { ref: "x", marker: undefined })).rejects.toMatchObject(
      misconfigured,
    );
    await expect(driver.test(trial.call() as never, changed(trial, {}))).rejects.toMatchObject(misconfigured);
    const shop = postgres(server.superuserUrl.replace(/postgres$/, "foreign_shop"), { max: 1 });
    try {
      await shop.unsafe("create table company_secrets (); create table audit_key_wraps ()");
      await expect(trial.make()).rejects.toMatchObject(misconfigured);
    } finally {
      await shop.unsafe("drop table company_secrets, audit_key_wraps");
      await shop.end();
    }
    await trial.expectLive([]);
  });

  test("a manager without the right is not allowed to, and a server that takes no writes is the wrong one", async () => {
    const trial = await begin();
    const weak = Plaintext.fromText(trial.world.current);
    await expect(trial.make({ manager: weak })).rejects.toMatchObject({ code: "not-allowed" });
    await superuser.unsafe("alter database foreign_shop set default_transaction_read_only = on");
    try {
      await expect(trial.make()).rejects.toMatchObject(misconfigured);
    } finally {
      await superuser.unsafe("alter database foreign_shop reset default_transaction_read_only");
    }
    await trial.expectLive([]);
  });

  test.for([
    "",
    "{}",
    "no JSON",
    '{"host":"127.0.0.1"}',
    '{"host":"h","port":1,"database":"d","user":"u\\u0000","password":"p"}',
  ])("a value that is no login is a mistake in the settings: %j", async (text) => {
    const trial = await begin();
    await expect(trial.make({ current: Plaintext.fromText(text) })).rejects.toMatchObject(misconfigured);
  });
});

test("a verifier is the one that the server itself makes of the password", async () => {
  const secret = `fake-${randomBytes(8).toString("hex")}`;
  await superuser.unsafe(`create role verified login password '${secret}'`);
  const [row] = await superuser<
    { rolpassword: string }[]
  >`select rolpassword from pg_authid where rolname = 'verified'`;
  const salt = /:([^$]+)\$/.exec(row?.rolpassword ?? "")?.[1] ?? "";
  expect(scramVerifier(secret, Buffer.from(salt, "base64"))).toBe(row?.rolpassword);
});
