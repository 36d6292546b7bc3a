import { beforeAll, describe, expect, test } from "vitest";
import {
  codeOf,
  commitUnaudited,
  createFixture,
  operator,
  product,
  type Fixture,
} from "../testing/fixture.ts";
import { rotateAuditKey } from "../keys/audit-keys.ts";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { replaceRowKey } from "../keys/row-key-change.ts";
import { createRowKeys } from "../keys/row-keys.ts";
import { makeCredential } from "../companies/credential.ts";

// Attacks by a party that can write to the database but has none of its keys.

let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
  await fixture.secrets.prepare();
});

const inAnHour = () => new Date(Date.now() + 3_600_000);

async function companyWith(value: string): Promise<string> {
  const subdomain = await fixture.company("database");
  await fixture.secrets.company(subdomain, product).set("CUSTOM_KEY", value);
  return subdomain;
}

async function apiKey(companies: readonly string[], platform = companies.length > 1) {
  const key = { name: "test", companies, platform, verbs: ["use"], secretKeys: ["CUSTOM_*"] } as const;
  const { apiKey: credential, description } = await fixture.secrets.apiKeys.create(operator, {
    ...key,
    addresses: ["192.0.2.0/24"],
    expiresAt: inAnHour(),
  });
  return { credential, id: description.id };
}

/** The result of a request with a credential: a value, or the error code. */
async function read(credential: string, subdomain: string, secrets = fixture.another()): Promise<string> {
  try {
    const caller = await secrets.authenticate({ credential, address: "192.0.2.7" });
    return await secrets.company(subdomain, caller).get("CUSTOM_KEY");
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** Runs a statement as a superuser with triggers disabled. */
async function tamper(statement: string, parameters: (string | string[])[] = []): Promise<void> {
  await fixture.superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql.unsafe(statement, parameters);
  });
}

/** Changes a row of a table during `work`, and restores it. */
async function whileTampered<T>(table: string, statement: string, work: () => Promise<T>): Promise<T> {
  await tamper(`create table original as select * from ${table}`);
  try {
    await tamper(statement);
    return await work();
  } finally {
    await tamper(`delete from ${table}`);
    await tamper(`insert into ${table} select * from original`);
    await tamper("drop table original");
  }
}

async function findings(): Promise<Record<string, string>> {
  const { findings: list } = await fixture.secrets.audit.verify(operator, {});
  return Object.fromEntries(list.map(({ kind, count, first }) => [kind, `${count} ${first}`]));
}

async function eventsAbout(subject: string): Promise<number> {
  const [row] = await fixture.superuser`
    select count(*)::int as count from audit_events
    where action = 'row.check' and outcome = 'failed' and reason = 'INTEGRITY_FAILURE' and ${subject} in (subject, company_id::text)`;
  return Number(row?.["count"]);
}

async function idOf(subdomain: string): Promise<string> {
  const [row] = await fixture.superuser`select id from companies where subdomain = ${subdomain}`;
  return String(row?.["id"]);
}

describe("authentic API keys", () => {
  test("a forged API key is refused, even with a copied MAC, and named by the event, the alarm and the finding", async () => {
    const victim = await companyWith("fake-value-of-the-victim");
    const genuine = await apiKey([victim]);
    const { text, prefix, hash } = makeCredential("tsk");
    const [row] = await fixture.superuser`
      insert into api_keys (company_id, name, prefix, hash, verbs, key_patterns, created_by_kind, created_by_id, expires_at,
        revision, mac_key_version, mac)
      select company_id, 'mine', ${prefix}, ${hash}, verbs, key_patterns, created_by_kind, created_by_id, expires_at,
        revision, mac_key_version, mac from api_keys where id = ${genuine.id} returning id`;
    const id = String(row?.["id"]);
    const alarms: string[] = [];
    const serving = fixture.another();
    const member = await serving.serve(fixture.urls.listener, ({ code, message }) =>
      alarms.push(`${code} ${message}`),
    );
    expect(await read(text, victim, serving)).toBe("UNAUTHENTICATED");
    expect(await read(genuine.credential, victim, serving)).toBe("fake-value-of-the-victim");
    await member.stop();
    expect(alarms).toEqual([expect.stringMatching(`INTEGRITY_FAILURE The row api-key ${id}, which`)]);
    expect(await eventsAbout(id)).toBe(1);
    expect((await findings())["row-not-genuine"]).toMatch(`1 The row api-key ${id} has no MAC`);
    await tamper(`delete from api_keys where id = '${id}'`);
    expect(await findings()).toEqual({});
  });

  test.for([
    ["company_id", (other: string) => `company_id = '${other}'`],
    ["prefix and hash", () => `hash = encode(sha256('guessed'), 'hex')`],
    ["verbs", () => `verbs = '{use,export}'`],
    ["secret keys", () => `key_patterns = '{*}'`],
    ["addresses", () => `addresses = null`],
    ["expiry", () => `expires_at = expires_at + interval '1 day'`],
    ["maker", () => `created_by_id = 'another'`],
    ["revision", () => `revision = revision + 1`],
  ] as const)(
    "an API key whose %s was tampered with is refused until the row is restored",
    async ([, change]) => {
      const [mine, other] = [await companyWith("fake-mine"), await companyWith("fake-other")];
      const { credential, id } = await apiKey([mine]);
      const statement = `update api_keys set ${change(await idOf(other))} where id = '${id}'`;
      const meanwhile = await whileTampered("api_keys", statement, () =>
        Promise.all([read(credential, mine), read(credential, other), findings()]),
      );
      expect(meanwhile.slice(0, 2)).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED"]);
      expect(meanwhile[2]).toEqual({ "row-not-genuine": expect.stringContaining(`api-key ${id}`) });
      expect(await read(credential, mine)).toBe("fake-mine");
      expect(await eventsAbout(id)).toBeGreaterThan(0);
    },
  );

  test("a platform API key enters no company that was added to it by tampering", async () => {
    const [a, b, added] = [
      await companyWith("fake-a"),
      await companyWith("fake-b"),
      await companyWith("fake-c"),
    ];
    const { credential, id } = await apiKey([a, b]);
    const statement = `insert into api_key_companies (company_id, api_key_id) values ('${await idOf(added)}', '${id}')`;
    await whileTampered("api_key_companies", statement, async () => {
      expect(await read(credential, added)).toBe("UNAUTHENTICATED");
    });
    expect([await read(credential, a), await read(credential, b)]).toEqual(["fake-a", "fake-b"]);
  });

  test("a revoked API key stays revoked, and `audit verify` reports a restored older row with its valid MAC", async () => {
    const mine = await companyWith("fake-mine");
    const { credential, id } = await apiKey([mine]);
    await fixture.superuser`create table before as select * from api_keys where id = ${id}`;
    await fixture.secrets.apiKeys.revoke(operator, mine, id);
    expect(await read(credential, mine)).toBe("UNAUTHENTICATED");
    await expect(fixture.superuser`update api_keys set revoked_at = null where id = ${id}`).rejects.toThrow(
      "a revocation is final",
    );
    await expect(
      fixture.superuser`update api_keys k set revision = b.revision, mac = b.mac from before b where k.id = b.id`,
    ).rejects.toThrow("an older state of a row is not put back");
    await tamper(`delete from api_keys where id = '${id}'`);
    await tamper("insert into api_keys select * from before");
    expect((await findings())["row-outdated"]).toMatch(`1 The row api-key ${id} has revision`);
    await tamper(`delete from api_keys where id = '${id}'`);
    await tamper("drop table before");
  });

  test("a tampered API key can be revoked, and gets no MAC by that", async () => {
    const mine = await companyWith("fake-mine");
    const { id } = await apiKey([mine]);
    await tamper(`update api_keys set verbs = '{export}' where id = '${id}'`);
    await fixture.secrets.apiKeys.revoke(operator, mine, id);
    expect(await findings()).toEqual({ "row-not-genuine": expect.stringContaining(id) });
    await tamper(`delete from api_keys where id = '${id}'`);
  });
});

describe("rows revoked or disabled while tampered with", () => {
  test.for([
    ["api_keys", "revoked_at = now()"],
    ["api_keys", "addresses = null"],
    ["api_keys", "mac_key_version = 99"],
    ["operators", "revoked_at = now()"],
    ["operators", "mac_key_version = 99"],
    ["users", "disabled_at = now()"],
    ["users", "mac_key_version = 99"],
  ] as const)(
    "a row closed while tampered with stays closed, and `audit verify` reports its restored original: %s with %s",
    async ([table, change]) => {
      const mine = await companyWith("fake-mine");
      const { secrets } = fixture;
      const closing = {
        api_keys: async () => {
          const { id } = await apiKey([mine]);
          return { id, close: () => secrets.apiKeys.revoke(operator, mine, id) };
        },
        operators: async () => {
          const { id } = await secrets.operators.create(operator, { name: "test", expiresAt: inAnHour() });
          return { id, close: () => secrets.operators.revoke(operator, id) };
        },
        users: async () => {
          const { userId: id } = await fixture.person(mine, "member");
          return { id, close: () => secrets.users.disable(operator, id) };
        },
      };
      const { id, close } = await closing[table]();
      await tamper("drop table if exists before");
      await tamper(`create table before as select * from ${table} where id = '${id}'`);
      await tamper(`update ${table} set ${change} where id = '${id}'`);
      expect(await codeOf(close())).toBe("no error");
      expect(await findings()).toEqual({ "row-not-genuine": expect.stringContaining(id) });
      const isReferenced = table === "users";
      // Memberships reference people, so that their rows are changed in place.
      await (isReferenced
        ? tamper(`update users u set disabled_at = null, revision = b.revision, mac_key_version = b.mac_key_version, mac = b.mac
          from before b where u.id = b.id`)
        : tamper(`delete from ${table} where id = '${id}'`));
      if (!isReferenced) await tamper(`insert into ${table} select * from before`);
      expect(await findings()).toEqual({ "row-outdated": expect.stringContaining(id) });
      await (isReferenced
        ? secrets.users.disable(operator, id)
        : tamper(`delete from ${table} where id = '${id}'`));
      await tamper("drop table before");
    },
  );
});

describe("authentic operators", () => {
  test("a forged operator, or one whose token was changed or extended by tampering, is refused", async () => {
    const { token, id } = await fixture.secrets.operators.create(operator, {
      name: "test",
      expiresAt: inAnHour(),
    });
    const mine = makeCredential("tso");
    const as = (credential: string) => codeOf(fixture.another().authenticate({ credential }));
    await fixture.superuser`
      insert into operators (name, token_prefix, token_hash, expires_at, revision, mac_key_version, mac)
      select 'mine', ${mine.prefix}, ${mine.hash}, expires_at, revision, mac_key_version, mac from operators where id = ${id}`;
    expect([await as(mine.text), await as(token)]).toEqual(["UNAUTHENTICATED", "no error"]);
    await tamper(`delete from operators where token_prefix = '${mine.prefix}'`);
    for (const change of [
      `token_prefix = '${mine.prefix}', token_hash = '${mine.hash}'`,
      "expires_at = expires_at + interval '1 day'",
    ]) {
      const both = await whileTampered("operators", `update operators set ${change} where id = '${id}'`, () =>
        Promise.all([as(mine.text), as(token)]),
      );
      expect(both).toEqual(["UNAUTHENTICATED", "UNAUTHENTICATED"]);
    }
    expect(await as(token)).toBe("no error");
  });
});

describe("authentic people", () => {
  test("a role that was given or changed by tampering grants nothing", async () => {
    const [mine, other] = [await companyWith("fake-mine"), await companyWith("fake-other")];
    const { userId, headers } = await fixture.person(mine, "member");
    const rolesOf = async () => {
      const { actor } = await fixture.another().authenticate({ headers });
      return actor.kind === "user" ? [...actor.roles.values()] : actor.kind;
    };
    const insert = `insert into memberships (company_id, user_id, role, name, revision, mac_key_version, mac)
      select '${await idOf(other)}', user_id, role, name, revision, mac_key_version, mac from memberships where user_id = '${userId}'`;
    expect(await whileTampered("memberships", insert, rolesOf)).toEqual(["member"]);
    const promote = `update memberships set role = 'owner' where user_id = '${userId}'`;
    expect(await whileTampered("memberships", promote, rolesOf)).toEqual([]);
    const move = `update memberships set company_id = '${await idOf(other)}' where user_id = '${userId}'`;
    expect(await whileTampered("memberships", move, rolesOf)).toEqual([]);
    expect(await rolesOf()).toEqual(["member"]);
  });

  test("a disabled person who was enabled by tampering stays disabled", async () => {
    const { userId, headers } = await fixture.person(await companyWith("fake"), "owner");
    await fixture.secrets.users.disable(operator, userId);
    const enable = `update users set disabled_at = null where id = '${userId}'`;
    const code = await whileTampered("users", enable, () =>
      codeOf(fixture.another().authenticate({ headers })),
    );
    expect(code).toBe("UNAUTHENTICATED");
    await fixture.secrets.users.enable(operator, userId);
    expect(await codeOf(fixture.another().authenticate({ headers }))).toBe("no error");
  });

  test("a person whose address was moved to another row by tampering cannot be added as a member", async () => {
    const mine = await companyWith("fake-mine");
    const [{ userId: victim }, { userId: attacker }] = [
      await fixture.person(mine, "member"),
      await fixture.person(mine, "member"),
    ];
    const [row] = await fixture.superuser`select email from users where id = ${victim}`;
    const email = String(row?.["email"]);
    const added = await companyWith("fake-added");
    await tamper(`update users set email = 'gone@example.com' where id = '${victim}'`);
    const give = `update users set email = '${email}' where id = '${attacker}'`;
    const code = await whileTampered("users", give, () =>
      codeOf(fixture.secrets.members.add(operator, added, { email, name: "Test", role: "owner" })),
    );
    expect(code).toBe("INTEGRITY_FAILURE");
    await tamper(`update users set email = '${email}' where id = '${victim}'`);
  });

  test("a removed membership that was restored by tampering is reported", async () => {
    const mine = await companyWith("fake-mine");
    const { userId } = await fixture.person(mine, "member");
    await fixture.superuser`create table before as select * from memberships where user_id = ${userId}`;
    await fixture.secrets.members.remove(operator, mine, { userId });
    await tamper("insert into memberships select * from before");
    expect(await findings()).toEqual({ "row-outdated": expect.stringContaining(`${userId} has revision`) });
    await tamper(`delete from memberships where user_id = '${userId}'`);
    await tamper("drop table before");
    const [user] = await fixture.superuser`select email from users where id = ${userId}`;
    const again = { email: String(user?.["email"]), name: "Test", role: "auditor" } as const;
    await fixture.secrets.members.add(operator, mine, again);
    expect(await findings()).toEqual({});
  });
});

describe("authentic companies", () => {
  test("a company renamed by tampering is not found: exchanging two names gives neither's secrets to the other", async () => {
    const [a, b] = [await companyWith("fake-a"), await companyWith("fake-b")];
    const keyOfA = await apiKey([a]);
    const exchange = `update companies set subdomain = case subdomain when '${a}' then 'exchanged' when '${b}' then '${a}' end
      where subdomain in ('${a}', '${b}')`;
    await tamper(`create table original as select * from companies`);
    await tamper(exchange);
    await tamper(`update companies set subdomain = '${b}' where subdomain = 'exchanged'`);
    const secrets = fixture.another();
    const meanwhile = await Promise.all([
      read(keyOfA.credential, a, secrets),
      read(keyOfA.credential, b, secrets),
      codeOf(secrets.company(a, product).get("CUSTOM_KEY")),
      codeOf(secrets.company(b, product).set("CUSTOM_KEY", "fake-new")),
    ]);
    expect(meanwhile).toEqual(["NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]);
    const shredded = fixture.secrets.shredding.shred(operator, a, { backupsKeptDays: 0 });
    expect(await codeOf(shredded)).toBe("INTEGRITY_FAILURE");
    expect((await findings())["row-not-genuine"]).toMatch(/^2 The row company /);
    await tamper("delete from companies");
    await tamper("insert into companies select * from original");
    await tamper("drop table original");
    expect(await read(keyOfA.credential, a)).toBe("fake-a");
    expect(await findings()).toEqual({});
  });

  test.for([
    "secret_store = 'infisical'",
    "infisical_folder = 'another-folder'",
    "store_epoch = 2",
    "status = 'suspended'",
    "second_factor_required = true",
    "home_epoch = 2",
    "home_region = 'us', home_epoch = 2",
  ])("a company tampered with by %s is not found, and no operation makes its row genuine", async (change) => {
    const mine = await companyWith("fake-mine");
    const statement = `update companies set ${change} where subdomain = '${mine}'`;
    await whileTampered("companies", statement, async () => {
      const secrets = fixture.another();
      expect(await codeOf(secrets.company(mine, product).get("CUSTOM_KEY"))).toBe("NOT_FOUND");
      expect(await codeOf(secrets.companies.rename(operator, mine, { subdomain: `${mine}-new` }))).toBe(
        "INTEGRITY_FAILURE",
      );
      expect(await codeOf(secrets.companies.setRecovery(operator, mine, 8))).toBe("INTEGRITY_FAILURE");
    });
    expect(await fixture.another().company(mine, product).get("CUSTOM_KEY")).toBe("fake-mine");
  });
});

describe("rotating the row key", () => {
  test("a row key rotation that was interrupted by a kill is completed by the next run", async () => {
    const mine = await companyWith("fake-mine");
    const { credential } = await apiKey([mine]);
    const masterKeys = createMasterKeys(fixture.database, fixture.infisical, "default");
    const rowKeys = createRowKeys(fixture.database, masterKeys);
    const before = (await rowKeys.load()).active.keyVersion;
    const { database } = fixture;
    const commit = commitUnaudited(database);
    const madeUntil = new Date(Date.now() + 60_000);
    await rotateAuditKey(masterKeys, "row", { madeUntil, action: "key.rotate-rows", commit });
    expect(await read(credential, mine)).toBe("fake-mine");
    const another = await companyWith("fake-another");
    await replaceRowKey({ database, masterKeys, rowKeys }, { madeUntil: new Date(0), commit });
    const keys = await fixture.superuser`
      select key_version, status from audit_keys where purpose = 'row' and key_version >= ${before} order by key_version`;
    expect(keys.map((row) => [row["key_version"], row["status"]])).toEqual([
      [before, "retired"],
      [before + 1, "active"],
    ]);
    expect(await read(credential, mine)).toBe("fake-mine");
    expect(await fixture.another().company(another, product).get("CUSTOM_KEY")).toBe("fake-another");
    expect(await findings()).toEqual({});
  });

  test("a row key rotation runs while rows are read and changed, and MACs under the old key are no longer accepted", async () => {
    const mine = await companyWith("fake-mine");
    const [first, second] = [await apiKey([mine]), await apiKey([mine])];
    const outside = await apiKey([mine]);
    const masterKeys = createMasterKeys(fixture.database, fixture.infisical, "default");
    const rowKeys = createRowKeys(fixture.database, masterKeys);
    const before = (await rowKeys.load()).active.keyVersion;
    await tamper(`update api_keys set verbs = '{export}' where id = '${outside.id}'`);
    await fixture.superuser`create table old_state as select * from api_keys where id = ${second.id}`;
    const old = fixture.another();
    expect(await read(first.credential, mine, old)).toBe("fake-mine");
    const parts = { database: fixture.database, masterKeys, rowKeys };
    const madeUntil = new Date(Date.now() + 60_000);
    const replacing = replaceRowKey(parts, { madeUntil, commit: commitUnaudited(fixture.database) });
    // Processes with the old key cached continue to write.
    const writing = Promise.all(
      Array.from({ length: 10 }, (_, i) => old.companies.setRecovery(operator, mine, 7 + i)),
    );
    const { notGenuine } = await replacing;
    await writing;
    expect(notGenuine).toBe(1);
    const rows = await fixture.superuser`
      select mac_key_version as key_version from companies union all select mac_key_version from api_keys where id <> ${outside.id}
      union all select mac_key_version from users union all select mac_key_version from memberships union all select mac_key_version from operators`;
    expect(new Set(rows.map((row) => row["key_version"]))).toEqual(new Set([before + 1]));
    expect(await read(first.credential, mine, old)).toBe("fake-mine");
    expect(await read(first.credential, mine)).toBe("fake-mine");
    await tamper(`delete from api_keys where id in ('${second.id}', '${outside.id}')`);
    await tamper("insert into api_keys select * from old_state");
    expect(await read(second.credential, mine)).toBe("UNAUTHENTICATED");
    expect(await findings()).toEqual({ "row-not-genuine": expect.stringContaining(second.id) });
    await tamper(`delete from api_keys where id = '${second.id}'`);
    await tamper("drop table old_state");
    const wraps = await fixture.superuser`select key_version from audit_key_wraps where purpose = 'row'`;
    expect(wraps.map((row) => row["key_version"])).toEqual([before + 1]);
  });
});
