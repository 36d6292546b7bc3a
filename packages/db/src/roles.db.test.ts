import postgres from "postgres";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { databaseUrl } from "./url.ts";
import { assertApplicationRole } from "./roles.ts";
import { createTestDatabase } from "./testing/index.ts";

const database = await createTestDatabase();
const superuser = postgres(database.superuserUrl, { max: 1, onnotice: () => {} });
afterAll(async () => {
  await superuser.end();
  await database.drop();
});

function connect(url: string): postgres.Sql {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  onTestFinished(() => sql.end());
  return sql;
}

/** A role of this test's own; gone when it ends. */
async function roleWith(attributes: string): Promise<{ name: string; url: string }> {
  const name = `fake_role_${crypto.randomUUID().slice(0, 8)}`;
  await superuser.unsafe(`create role ${name} login password 'fake' ${attributes}`);
  await superuser.unsafe(
    `grant connect on database ${new URL(database.superuserUrl).pathname.slice(1)} to ${name}`,
  );
  onTestFinished(async () => {
    await superuser.unsafe(`drop owned by ${name} cascade`);
    await superuser.unsafe(`drop role ${name}`);
  });
  return {
    name,
    url: databaseUrl(database.superuserUrl, new URL(database.superuserUrl).pathname.slice(1), {
      user: name,
      password: "fake",
    }),
  };
}

test("lets the application's role pass", async () => {
  await expect(assertApplicationRole(connect(database.urls.application))).resolves.toBeUndefined();
});

test("refuses a superuser, and says so in a sentence", async () => {
  await expect(assertApplicationRole(superuser)).rejects.toThrow(
    /^The database role postgres is a superuser and has BYPASSRLS, .* Connect as tenant_secrets_application\.$/,
  );
});

test("refuses the owner of the tables", async () => {
  await expect(assertApplicationRole(connect(database.urls.migration))).rejects.toThrow(
    "owns tables in schema public",
  );
});

test("refuses the role that works across companies", async () => {
  await expect(assertApplicationRole(connect(database.urls.maintenance))).rejects.toThrow(
    "may see every company",
  );
});

test("refuses a role with BYPASSRLS", async () => {
  const { url } = await roleWith("bypassrls");
  await expect(assertApplicationRole(connect(url))).rejects.toThrow("has BYPASSRLS");
});

test("refuses a member, however remote, of a role that it would refuse", async () => {
  const { name, url } = await roleWith("noinherit");
  const between = await roleWith("noinherit");
  await superuser.unsafe(`grant tenant_secrets_migration to ${between.name}`);
  await superuser.unsafe(`grant ${between.name} to ${name}`);
  await expect(assertApplicationRole(connect(url))).rejects.toThrow(`The database role ${name} owns tables`);
});

test("refuses a connection that only put on the application's role", async () => {
  const sql = connect(database.superuserUrl);
  await sql`set role tenant_secrets_application`;
  await expect(assertApplicationRole(sql)).rejects.toThrow("is a superuser");
});
