import { once } from "node:events";
import { connect, createServer } from "node:net";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectDatabase, type Database } from "./connect.ts";
import { DatabaseError } from "./errors.ts";
import { findCompanyRow } from "./look-ups.ts";
import { createSecretHeads } from "./secret-heads.ts";
import { createTestDatabase, type TestDatabase } from "./testing/index.ts";

const a = "11111111-1111-4111-8111-111111111111";
const b = "22222222-2222-4222-8222-222222222222";

/** Tables that hold nothing of one company, or whose rows come before a company is known. Nothing else may join them. */
const withoutCompany = [
  "approvals",
  "audit_checkpoints",
  "audit_key_wraps",
  "audit_keys",
  "audit_verifications",
  "job_tasks",
  "key_backups",
  "management_requests",
  "master_keys",
  "operators",
  "processes",
  "rate_limits",
  "region_beats",
  "regions",
  "runs",
  "schema_versions",
  "users",
];
/** What subscriptions bring is written as the owner of the table, which PostgreSQL refuses where row-level security is forced. */
const unforcedForSubscriptions = "region_copies";
/**
 * Functions that look beyond the company in scope: for the one row that a request begins with, for heads that are asked for by
 * company and secret key, in triggers for the state of the keys and for the copies of other regions, and to add a job, because the application's role may not touch the queue itself.
 */
const definers = [
  "beat_regions",
  "change_company_region",
  "claim_home",
  "copy_changed_secrets",
  "copy_secrets",
  "copy_to_region",
  "copy_with_home",
  "enqueue_jobs",
  "enqueue_mirror",
  "enqueue_notifications",
  "enqueue_take_over",
  "find_api_key",
  "find_company",
  "find_operator",
  "find_user",
  "forget_copies_of_secrets",
  "hold_mirror",
  "hold_run",
  "leave_home",
  "list_copies",
  "read_beat",
  "read_copies",
  "read_copy",
  "read_secret",
  "read_secrets",
  "refuse_company_key",
  "refuse_company_wrap",
  "refuse_foreign_copy",
  "refuse_head_mac",
  "refuse_inactive_company_key",
  "refuse_wrap",
  "require_copies",
  "rotations_of_company",
  "touch_api_key",
  "withdraw_company",
  "withdraw_key",
  "withdraw_move",
];
/** Unique across companies, each because it is looked up before the company is known, or reserved for ever. */
const globallyUnique = [
  "api_keys_pkey",
  "api_keys_prefix_key",
  "audit_events_pkey",
  "companies_infisical_folder_key",
  "companies_pkey",
  "companies_subdomain_key",
  "invitations_pkey",
  "invitations_token_hash_key",
  // Some of these are of the platform, and have no company.
  "notifications_pkey",
  "webhook_attempts_pkey",
  "webhook_deliveries_pkey",
  "webhook_endpoints_pkey",
];

let testDatabase: TestDatabase;
let superuser: postgres.Sql;
let database: Database;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  const { application, maintenance } = testDatabase.urls;
  superuser = postgres(testDatabase.superuserUrl, { max: 1, onnotice: () => {} });
  database = connectDatabase({ applicationUrl: application, maintenanceUrl: maintenance, maxConnections: 2 });
  await superuser`insert into audit_keys (purpose, key_version, status) values ('row', 1, 'active')`;
  for (const [id, name] of [
    [a, "a"],
    [b, "b"],
  ] as const) {
    await superuser`insert into companies (id, subdomain, infisical_folder, secret_store, revision, mac_key_version, mac)
      values (${id}, ${name}, ${name}, 'database', 1, 1, '')`;
    await superuser`insert into company_keys (company_id, key_version, status) values (${id}, 1, 'active')`;
    await superuser`insert into company_secrets (company_id, secret_key, secret_value_encrypted, company_key_version, current_version, last_version, origin,
        mac_key_version, mac)
      values (${id}, 'CUSTOM_KEY', ${`sealed for ${name}`}, 1, 1, 1, 'written', 1, '')`;
    await superuser`insert into company_secret_versions (company_id, secret_key, version, actor_kind, actor_id) values (${id}, 'CUSTOM_KEY', 1, 'job', 'test')`;
  }
});

afterAll(async () => {
  await Promise.all([database.close(), superuser.end()]);
  await testDatabase.drop();
});

async function names(query: postgres.PendingQuery<postgres.Row[]>): Promise<string[]> {
  return (await query).map((row) => String(row["name"])).toSorted();
}

describe("the catalogue of the database", () => {
  test("has row-level security forced on every table with a company, with a policy that checks reads and writes", async () => {
    const tables = await superuser`
      select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
        (select count(*)::int from pg_policy p where p.polrelid = c.oid and p.polroles @> array['tenant_secrets_application'::regrole::oid]) as policies,
        exists (select from pg_policy p where p.polrelid = c.oid and p.polroles @> array['tenant_secrets_application'::regrole::oid] and p.polqual is not null) as reads,
        exists (select from pg_policy p where p.polrelid = c.oid and p.polroles @> array['tenant_secrets_application'::regrole::oid] and p.polwithcheck is not null) as writes
      from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by 1`;
    const unforced = tables.filter((row) => !row["forced"]).map((row) => String(row["name"]));
    expect(unforced).toEqual([...withoutCompany, unforcedForSubscriptions].toSorted());
    for (const row of tables.filter(({ name, forced }) => forced || name === unforcedForSubscriptions)) {
      expect(row, String(row["name"])).toMatchObject({ reads: true, writes: true });
    }
  });

  test("has no policy for everybody, and none that lets a company's role through unconditionally but to append to the audit log", async () => {
    const open = await names(superuser`
      select polrelid::regclass || ' ' || polname as name from pg_policy
      where polroles = '{0}' or (polroles @> array['tenant_secrets_application'::regrole::oid]
        and (pg_get_expr(polqual, polrelid) = 'true' or pg_get_expr(polwithcheck, polrelid) = 'true'))`);
    expect(open).toEqual(["audit_events append"]);
  });

  test("begins every key of a company's table with the company, but for the listed ones", async () => {
    const others = await names(superuser`
      select i.indexrelid::regclass::text as name from pg_index i join pg_class c on c.oid = i.indrelid
      where c.relnamespace = 'public'::regnamespace and i.indisunique and c.relforcerowsecurity
        and (select attname from pg_attribute where attrelid = c.oid and attnum = i.indkey[0]) <> 'company_id'`);
    expect(others).toEqual(globallyUnique);
  });

  test("refers from company to company by keys that hold the company, and never deletes in cascade", async () => {
    const cascading = await names(
      superuser`select conname as name from pg_constraint where contype = 'f' and confdeltype <> 'r'`,
    );
    expect(cascading).toEqual([]);
    const crossing = await names(superuser`
      select k.conname as name from pg_constraint k
      join pg_class t on t.oid = k.confrelid and t.relforcerowsecurity and t.relname <> 'companies'
      where k.contype = 'f' and not exists (select from pg_attribute where attrelid = k.conrelid and attnum = any(k.conkey) and attname = 'company_id')`);
    // A platform key and a platform's endpoint belong to no company, so that their links cannot hold one; the rows can only be made
    // across companies.
    expect(crossing).toEqual([
      "api_key_companies_api_key_fkey",
      "webhook_attempts_delivery_fkey",
      "webhook_deliveries_endpoint_fkey",
      "webhook_deliveries_notification_fkey",
    ]);
  });

  test("has no view, and no function with an owner's rights but the listed ones, their search path pinned", async () => {
    expect(
      await names(
        superuser`select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')`,
      ),
    ).toEqual([]);
    expect(
      await names(
        superuser`select proname as name from pg_proc where pronamespace = 'public'::regnamespace and prosecdef`,
      ),
    ).toEqual(definers);
    const unpinned = await names(superuser`
      select proname as name from pg_proc where pronamespace = 'public'::regnamespace
        and not coalesce('search_path=pg_catalog' = any(proconfig), false)`);
    expect(unpinned).toEqual([]);
    const forEverybody = await names(superuser`
      select proname as name from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) where pronamespace = 'public'::regnamespace and grantee = 0`);
    expect(forEverybody).toEqual([]);
  });

  test("inserts every column of an event, but for those that the database fills, with what it notifies of", async () => {
    const [source] = await superuser<{ names: string }[]>`
      select substring(prosrc from 'insert into public.audit_events \\(([^)]*)\\)') as names from pg_proc where proname = 'insert_notifying_events'`;
    const columns = await names(superuser`
      select column_name as name from information_schema.columns
      where table_schema = 'public' and table_name = 'audit_events' and column_name not in ('xid', 'position')`);
    expect(source?.names.split(/,\s*/).toSorted()).toEqual(columns);
  });

  test("gives the application's role no way to truncate or own, to delete but request ids, counters and settled writes, or to look at operators", async () => {
    const privileges = await names(superuser`
      select table_name || ' ' || privilege_type as name from information_schema.role_table_grants
      where grantee = 'tenant_secrets_application' and (privilege_type in ('DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER') or table_name = 'operators')`);
    expect(privileges).toEqual([
      "folder_entries DELETE",
      "outside_writes DELETE",
      "rate_limits DELETE",
      "write_requests DELETE",
    ]);
    const updates = await names(superuser`
      select table_name || ' ' || privilege_type as name from information_schema.role_table_grants
      where grantee = 'tenant_secrets_application' and privilege_type = 'UPDATE'`);
    expect(updates).toEqual([
      "company_secrets UPDATE",
      "folder_entries UPDATE",
      "outside_writes UPDATE",
      "rate_limits UPDATE",
      "secret_uses UPDATE",
      "write_requests UPDATE",
    ]);
  });
});

const reachable = (role: string) =>
  names(superuser`
      select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'S', 'v', 'm') and n.nspname in ('public', 'sign_in', 'graphile_worker', 'drizzle')
        and has_schema_privilege(${role}, n.oid, 'usage')
        and case c.relkind
          when 'S' then has_sequence_privilege(${role}, c.oid, 'usage, select, update')
          else has_table_privilege(${role}, c.oid, 'select, insert, update, delete, truncate, references, trigger')
            or has_any_column_privilege(${role}, c.oid, 'select, insert, update, references') end`);

describe("the role that reads heads", () => {
  test("reaches them and the copies of other regions, may do nothing but read them, and owns the six functions alone", async () => {
    expect(await reachable("tenant_secrets_reader")).toEqual([
      "public.company_homes",
      "public.company_secrets",
      "public.region_beats",
      "public.region_copies",
    ]);
    const privileges = await names(superuser`
      select distinct privilege_type as name from information_schema.role_table_grants where grantee = 'tenant_secrets_reader'`);
    expect(privileges).toEqual(["SELECT"]);
    const owned = await names(superuser`
      select proname as name from pg_proc where proowner = 'tenant_secrets_reader'::regrole
      union all select relname from pg_class where relowner = 'tenant_secrets_reader'::regrole`);
    expect(owned).toEqual([
      "list_copies",
      "read_beat",
      "read_copies",
      "read_copy",
      "read_secret",
      "read_secrets",
    ]);
    const policies = await names(superuser`
      select polrelid::regclass || ' ' || polcmd::text as name from pg_policy where polroles @> array['tenant_secrets_reader'::regrole::oid]`);
    expect(policies).toEqual(["company_homes r", "company_secrets r", "region_copies r"]);
  });

  test("is one that no process connects as, and that the migration alone is a member of", async () => {
    const [role] = await superuser`
      select rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as elevated,
        (select count(*)::int from pg_auth_members m where m.member = r.oid) as member_of
      from pg_roles r where rolname = 'tenant_secrets_reader'`;
    expect(role).toEqual({ elevated: false, member_of: 0 });
    const members = await names(superuser`
      select member::regrole::text as name from pg_auth_members
      where roleid = 'tenant_secrets_reader'::regrole and member::regrole::text like 'tenant_secrets_%'`);
    expect(members).toEqual(["tenant_secrets_migration"]);
  });
});

describe("the role that deletes what a company leaves behind", () => {
  test("is one that no process connects as, owns one function, and writes nothing", async () => {
    const owned = await names(
      superuser`select proname as name from pg_proc where proowner = 'tenant_secrets_mover'::regrole`,
    );
    expect(owned).toEqual(["leave_home"]);
    const members = await names(superuser`
      select member::regrole::text as name from pg_auth_members
      where roleid = 'tenant_secrets_mover'::regrole and member::regrole::text like 'tenant_secrets_%'`);
    expect(members).toEqual(["tenant_secrets_migration"]);
    const privileges = await names(superuser`
      select distinct privilege_type as name from information_schema.role_table_grants where grantee = 'tenant_secrets_mover' order by 1`);
    expect(privileges).toEqual(["DELETE", "SELECT"]);
  });

  test("deletes nothing of a company whose home is here", async () => {
    const [company] = await superuser`select id from companies limit 1`;
    await expect(superuser`select leave_home(${String(company?.["id"])})`).rejects.toThrow(
      "no other region is the home",
    );
  });
});

describe("the role that owns the copies of other regions", () => {
  test("is one that no process connects as, and that the migration alone is a member of", async () => {
    const roles = await superuser`
      select rolname as name, rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as elevated
      from pg_roles where rolname in ('tenant_secrets_copies', 'tenant_secrets_exporter') order by 1`;
    expect(roles).toEqual([
      { name: "tenant_secrets_copies", elevated: false },
      { name: "tenant_secrets_exporter", elevated: false },
    ]);
    const members = await names(superuser`
      select member::regrole::text || ' ' || roleid::regrole::text as name from pg_auth_members
      where roleid::regrole::text in ('tenant_secrets_copies', 'tenant_secrets_exporter') and member::regrole::text like 'tenant_secrets_%'`);
    expect(members).toEqual(["tenant_secrets_migration tenant_secrets_copies"]);
  });

  test("owns the two tables that are published, and nothing else, and changes no other but the fence's", async () => {
    const owned = await names(
      superuser`select relname as name from pg_class where relowner = 'tenant_secrets_copies'::regrole and relkind = 'r'`,
    );
    expect(owned).toEqual(["region_beats", "region_copies"]);
    const changes = await names(superuser`
      select distinct table_name as name from information_schema.role_table_grants
      where grantee = 'tenant_secrets_copies' and privilege_type <> 'SELECT'`);
    expect(changes).toEqual(["company_homes", "region_beats", "region_copies", "region_refusals"]);
  });

  test("row-level security of the copies is on, so that a company's scope sees its own alone", async () => {
    const [table] =
      await superuser`select relrowsecurity as on from pg_class where relname = 'region_copies'`;
    expect(table).toEqual({ on: true });
  });

  test("lets what brings copies out read those and when they were made, and nothing else", async () => {
    expect(await reachable("tenant_secrets_exporter")).toEqual([
      "public.region_beats",
      "public.region_copies",
    ]);
    const privileges = await names(superuser`
      select distinct privilege_type as name from information_schema.role_table_grants where grantee = 'tenant_secrets_exporter'`);
    expect(privileges).toEqual(["SELECT"]);
  });
});

describe("the sign-in's role", () => {
  const signInTables = [
    "sign_in.accounts",
    "sign_in.passkeys",
    "sign_in.sessions",
    "sign_in.two_factors",
    "sign_in.used_codes",
    "sign_in.verifications",
  ];

  test("reaches its own tables and people's addresses, and nothing of a company", async () => {
    expect(await reachable("tenant_secrets_sign_in")).toEqual(["public.users", ...signInTables]);
    const columns = await superuser`
      select lower(privilege_type) as privilege, string_agg(column_name, ' ' order by column_name) as columns
      from information_schema.column_privileges
      where grantee = 'tenant_secrets_sign_in' and table_schema = 'public' group by 1 order by 1`;
    expect(columns).toEqual([
      {
        privilege: "select",
        columns: "created_at disabled_at email email_verified id image name two_factor_enabled updated_at",
      },
      { privilege: "update", columns: "email_verified image name two_factor_enabled updated_at" },
    ]);
  });

  test("is the only one that reaches passwords and sessions", async () => {
    for (const role of ["application", "maintenance", "listener"]) {
      const reached = await reachable(`tenant_secrets_${role}`);
      expect(reached.filter((name) => name.startsWith("sign_in."))).toEqual([]);
    }
  });
});

describe("the application's role", () => {
  const run = (text: string) => database.outsideCompanies((sql) => sql.unsafe(text));
  const codeOf = (call: Promise<unknown>) =>
    call.then(
      () => "done",
      (error: unknown) => (error instanceof DatabaseError ? error.code : String(error)),
    );

  test("sees nothing with no company in scope, before and after a scope has ended", async () => {
    expect(await run("select * from company_secrets")).toHaveLength(0);
    await database.inCompany(a, async () => {});
    for (let i = 0; i < 4; i++) expect(await run("select * from company_secrets")).toHaveLength(0);
    expect(await run("select * from companies")).toHaveLength(0);
  });

  test("a company's scope sees and writes only that company's rows", async () => {
    await database.inCompany(a, async (statements) => {
      const seen = await statements.execute("select distinct company_id from company_secrets");
      expect(seen.map((row) => row["company_id"])).toEqual([a]);
      const changed = await statements.execute(
        `update company_secrets set updated_at = now() where company_id = '${b}' returning 1`,
      );
      expect(changed).toHaveLength(0);
    });
    const insert = `insert into company_secrets (company_id, secret_key, last_version, origin, deleted_at, mac_key_version, mac)
      values ('${b}', 'CUSTOM_X', 0, 'written', now(), 1, '')`;
    expect(await codeOf(database.inCompany(a, (statements) => statements.execute(insert)))).toBe("42501");
    const move = `update company_secrets set company_id = '${b}'`;
    expect(await codeOf(database.inCompany(a, (statements) => statements.execute(move)))).toMatch(
      /^(42501|23000)$/,
    );
  });

  test("reads heads of several companies in one statement, and only those, with no company in scope", async () => {
    const readHead = createSecretHeads(database);
    const heads = await Promise.all([
      readHead(a, "CUSTOM_KEY"),
      readHead(b, "CUSTOM_NONE"),
      readHead(b, "CUSTOM_KEY"),
      readHead(a, "CUSTOM_NONE"),
      readHead(a, "CUSTOM_KEY"),
    ]);
    expect(heads).toEqual([
      expect.objectContaining({ companyId: a, encrypted: "sealed for a", origin: "written", removed: false }),
      undefined,
      expect.objectContaining({ companyId: b, encrypted: "sealed for b" }),
      undefined,
      expect.objectContaining({ companyId: a, encrypted: "sealed for a" }),
    ]);
    expect(await readHead(b, "CUSTOM_KEY")).toMatchObject({
      companyId: b,
      encrypted: "sealed for b",
      removed: false,
    });
    expect(await readHead(b, "CUSTOM_NONE")).toBeUndefined();
    for (let i = 0; i < 4; i++) expect(await run("select * from company_secrets")).toHaveLength(0);
    await database.inCompany(b, async (statements) => {
      await statements.execute(`select * from read_secrets(array['${a}']::uuid[], array['CUSTOM_KEY'])`);
      await statements.execute(`select * from read_secret('${a}', 'CUSTOM_KEY')`);
      const seen = await statements.execute("select distinct company_id from company_secrets");
      expect(seen.map((row) => row["company_id"])).toEqual([b]);
    });
  });

  test("finds a company by its subdomain, with anything in it that SQL could choke on", async () => {
    expect(await findCompanyRow(database, "a")).toMatchObject({
      id: a,
      secretStore: "database",
      status: "active",
    });
    for (const name of ["", "%", "_", "' or true --", "a'; drop table companies; --", "*"]) {
      expect(await findCompanyRow(database, name)).toBeUndefined();
    }
  });

  test.each([
    ["becoming another role", "set role tenant_secrets_maintenance", "42501"],
    ["becoming the role that reads heads", "set role tenant_secrets_reader", "42501"],
    ["becoming the owner", "set role tenant_secrets_migration", "42501"],
    ["switching row-level security off", "set row_security = off; select * from company_secrets", "42501"],
    ["truncating", "truncate company_secrets", "42501"],
    ["reading a file", "copy companies from '/etc/passwd'", "42501"],
    ["making a table", "create table public.mine ()", "42501"],
    ["making a temporary table", "create temp table mine ()", "42501"],
    [
      "changing a function",
      "create or replace function public.find_company(text) returns int language sql as 'select 1'",
      "42501",
    ],
  ])("is refused %s", async (_, statement, code) => {
    expect(await codeOf(run(statement))).toBe(code);
  });
});

describe("the rows of versions", () => {
  test("versions are immutable for every role, except for destruction and re-encryption", async () => {
    const change = (set: string) =>
      superuser.unsafe(`update company_secret_versions set ${set} where company_id = '${a}'`).then(
        () => "done",
        (error: unknown) => (error instanceof postgres.PostgresError ? error.code : "?"),
      );
    for (const set of [
      "version = 2",
      "actor_id = 'x'",
      "note = 'x'",
      "created_at = now()",
      "previous_version_id = null, id = gen_random_uuid()",
    ]) {
      expect(await change(set), set).toBe("23000");
    }
    expect(await change("value_encrypted = 'x', company_key_version = 1")).toBe("done");
    expect(await change("destroyed_at = now(), value_encrypted = null")).toBe("done");
    expect(await change("destroyed_at = null")).toBe("23000");
    expect(await change("value_encrypted = 'back'")).toBe("23000");
  });

  test("have gapless numbers that are never used twice", async () => {
    const change = (set: string) =>
      superuser.unsafe(`update company_secrets set ${set} where company_id = '${b}'`).then(
        () => "done",
        (error: unknown) => (error instanceof postgres.PostgresError ? error.code : "?"),
      );
    expect(await change("last_version = 3")).toBe("23000");
    expect(
      await change(
        "last_version = 0, current_version = null, secret_value_encrypted = null, company_key_version = null",
      ),
    ).toMatch(/^23/);
    expect(await change("secret_key = 'CUSTOM_OTHER'")).toBe("23000");
    expect(await change("current_version = 2")).toBe("23514");
    expect(await change("last_version = 2")).toBe("done");
  });
});

test("a connection that has gone silent is given up at the deadline, and said to be unavailable", async () => {
  let silent = false;
  const target = new URL(testDatabase.urls.application);
  const { port, hostname } = target;
  const proxy = createServer((client) => {
    const server = connect(Number(port), hostname);
    client
      .on("data", (bytes) => silent || server.write(bytes))
      .on("close", () => server.destroy())
      .on("error", () => {});
    server
      .on("data", (bytes) => silent || client.write(bytes))
      .on("close", () => client.destroy())
      .on("error", () => {});
  });
  await once(proxy.listen(0, "127.0.0.1"), "listening");
  const address = proxy.address();
  target.port = String(typeof address === "object" ? address?.port : "");
  const through = connectDatabase({
    applicationUrl: target.href,
    maintenanceUrl: testDatabase.urls.maintenance,
    deadlineMs: 2000,
  });
  await through.outsideCompanies((sql) => sql`select 1`);
  silent = true;
  await expect(through.outsideCompanies((sql) => sql`select 1`)).rejects.toMatchObject({
    kind: "unavailable",
    code: "TIMEOUT",
  });
  proxy.close();
  const closed = through.close();
  await superuser`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'tenant-secrets' and datname = current_database()`;
  await closed;
});

test("what the database or its driver says of an error goes no further than a code", async () => {
  const failures = [
    database.outsideCompanies((sql) => sql`select ${"fake-value"}::int`),
    database.acrossCompanies((statements) =>
      statements.execute(
        `insert into companies (subdomain, infisical_folder, secret_store, revision, mac_key_version, mac)
          values ('a', 'fake-value', 'database', 1, 1, '')`,
      ),
    ),
    database.acrossCompanies((statements) => statements.execute(`select 'fake-value' from nowhere`)),
  ];
  for (const result of await Promise.allSettled(failures)) {
    const error: unknown = result.status === "rejected" ? result.reason : undefined;
    expect(error).toBeInstanceOf(DatabaseError);
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain("fake-value");
    expect(error).not.toHaveProperty("cause");
  }
});
