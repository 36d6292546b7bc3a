import { connectDatabase, type Database } from "@repo/db";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient } from "@repo/tenant-secrets/client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createBackends, type Backends } from "./testing/fixture.ts";
import { startServer, variablesOf, type ServerProcess } from "./testing/spawn.ts";

const company = "another-company";
const [first, second] = ["sk_test_fake_first_0001", "sk_test_fake_second_0002"];

let backends: Backends;
let superuser: Database;
let processes: readonly ServerProcess[];

beforeAll(async () => {
  backends = await createBackends();
  const { superuserUrl } = backends.database;
  superuser = connectDatabase({ applicationUrl: superuserUrl, maintenanceUrl: superuserUrl });
  const variables = variablesOf(backends.database.urls, backends.emulator);
  processes = [startServer(variables), startServer(variables)];
}, 60_000);

afterAll(async () => {
  for (const each of processes) each.kill("SIGKILL");
  await Promise.all(processes.map((each) => each.ended));
  await superuser.close();
});

async function handles() {
  const { apiKey: credential } = await backends.apiKey(company);
  return Promise.all(
    processes.map(async (each) => {
      const url = await each.url();
      await each.says(/ready: /);
      return createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog }).company(company);
    }),
  );
}

/** Swaps the encrypted values of two versions, as an attacker with psql would. */
const exchange = () =>
  superuser.outsideCompanies((whole) =>
    whole.begin(async (sql) => {
      const [row] = await sql`
    select s.secret_value_encrypted as encrypted, s.company_key_version as "keyVersion", s.current_version as version,
      v.version as other, v.value_encrypted as other_encrypted, v.company_key_version as other_key_version
    from company_secrets s join companies c on c.id = s.company_id
    join company_secret_versions v on v.company_id = s.company_id and v.secret_key = s.secret_key and v.value_encrypted is not null
    where c.subdomain = ${company} and s.secret_key = 'STRIPE_SECRET_KEY' order by v.version desc limit 1`;
      if (row === undefined) throw new Error("there are two versions");
      const {
        encrypted,
        keyVersion,
        version,
        other,
        other_encrypted: otherEncrypted,
        other_key_version: otherKeyVersion,
      } = row;
      const mine = sql`company_id = (select id from companies where subdomain = ${company}) and secret_key = 'STRIPE_SECRET_KEY'`;
      await sql`update company_secret_versions set value_encrypted = null, company_key_version = null where ${mine} and version = ${other}`;
      await sql`update company_secret_versions set value_encrypted = ${encrypted}, company_key_version = ${keyVersion} where ${mine} and version = ${version}`;
      await sql`
    update company_secrets set secret_value_encrypted = ${otherEncrypted}, company_key_version = ${otherKeyVersion}, current_version = ${other}
    where ${mine}`;
    }),
  );

/** Milliseconds until a process answers with a value. The cache would keep the one before for five minutes. */
async function timeUntil(read: () => Promise<string>, expected: string): Promise<number> {
  const startedAt = performance.now();
  while ((await read()) !== expected) {
    if (performance.now() - startedAt > 5000) throw new Error("it never answered with the new value");
  }
  return performance.now() - startedAt;
}

it(
  "a change through one process is served by the other, which also stops serving values that were swapped with plain SQL, as soon as it is notified",
  { timeout: 240_000 },
  async () => {
    const [one, other] = await handles();
    if (one === undefined || other === undefined) throw new Error("there are two processes");
    const read = () => other.get("STRIPE_SECRET_KEY");
    const readOrCode = () => read().catch((error: unknown) => String(Object(error).code));
    await one.set("STRIPE_SECRET_KEY", first);
    await one.set("STRIPE_SECRET_KEY", second);
    await timeUntil(read, second);
    const bySql: number[] = [];
    for (let i = 0; i < 10; i++) {
      // Where the head is as it was written, it is served again.
      const isGenuine = i % 2 === 0;
      expect(await readOrCode()).toBe(isGenuine ? second : "INTEGRITY_FAILURE");
      await exchange();
      bySql.push(await timeUntil(readOrCode, isGenuine ? "INTEGRITY_FAILURE" : second));
    }
    const byOther: number[] = [];
    for (let i = 0; i < 10; i++) {
      const value = `sk_test_fake_number_${i}`;
      await one.set("STRIPE_SECRET_KEY", value);
      byOther.push(await timeUntil(read, value));
    }
    console.log(
      `by SQL: ${bySql.map((ms) => ms.toFixed(0)).join(" ")} ms; by the other process: ${byOther.map((ms) => ms.toFixed(0)).join(" ")} ms`,
    );
  },
);
