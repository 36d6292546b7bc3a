import { expect, onTestFinished, test } from "vitest";
import { verifyReceipt } from "../../receipts.ts";
import { newOperator, requestOf } from "../../testing/approvals.ts";
import { codeOf, createFixture, operator, product } from "../../testing/fixture.ts";

const fixture = await createFixture();
const { secrets, superuser, infisical } = fixture;
await secrets.prepare();

const options = { afterDays: 30, backupsKeptDays: 14, withInfisicalFolder: true };

/** A company with values, people, an invitation's worth of rows, and a folder in Infisical. */
async function filled(): Promise<{ readonly subdomain: string; readonly id: string }> {
  const subdomain = await fixture.company("database");
  await secrets.company(subdomain, product).set("CUSTOM_A", "fake-custom-0001");
  await infisical.putSecret(`/tenants/${subdomain}`, "CUSTOM_OLD", "fake-custom-0002");
  await fixture.person(subdomain, "owner");
  await fixture.person(subdomain, "member");
  const { id } = await secrets.companies.get(operator, subdomain);
  return { subdomain, id };
}

const valueOf = (subdomain: string) => codeOf(fixture.another().company(subdomain, product).get("CUSTOM_A"));

/** As if the days had passed. The database's clock alone decides, so the row is moved instead. */
async function pass(id: string, days: number): Promise<void> {
  await superuser`update runs set not_before = null,
    input = jsonb_set(input, '{deleteAtMs}', to_jsonb((input->>'deleteAtMs')::float8 - ${days * 86_400_000}::float8))
    where kind = 'delete-company' and subject = ${id}`;
}

/** The job of a deletion, in a process of its own. */
async function work(run: string, secretsOf = fixture.another(), signal = new AbortController().signal) {
  await secretsOf.runs.work["delete-company"]?.(run, signal);
}

const eventsOf = async (subdomain: string, action: string) =>
  (
    await superuser`select from audit_events e join companies c on c.id = e.company_id
    where c.subdomain = ${subdomain} and action = ${action} and outcome = 'success'`
  ).length;

test("a company is shut at once, can be kept until its date, and is then as it was", async () => {
  const { subdomain, id } = await filled();
  const { run, state } = await secrets.deletions.schedule(operator, subdomain, options);
  expect(state).toBe("waiting");
  await work(run);
  expect(await valueOf(subdomain)).toBe("COMPANY_SUSPENDED");
  expect(await codeOf(secrets.suspension.resume(operator, subdomain))).toBe("CONFLICT");
  expect(await codeOf(secrets.deletions.schedule(operator, subdomain, options))).toBe("CONFLICT");
  expect(await secrets.deletions.keep(operator, subdomain)).toMatchObject({ status: "active" });
  expect(await valueOf(subdomain)).toBe("no error");
  await pass(id, 31);
  await work(run);
  expect(await valueOf(subdomain)).toBe("no error");
  expect(await secrets.deletions.get(operator, subdomain)).toMatchObject({ state: "kept" });
  expect(await codeOf(secrets.deletions.keep(operator, subdomain))).toBe("NOT_FOUND");

  await secrets.suspension.suspend(operator, subdomain);
  await secrets.deletions.schedule(operator, subdomain, options);
  expect(await secrets.deletions.keep(operator, subdomain)).toMatchObject({ status: "suspended" });
});

test("nothing is destroyed before the date, two reminders precede it, and a renamed company is still the one that is meant", async () => {
  const { subdomain, id } = await filled();
  const { run } = await secrets.deletions.schedule(operator, subdomain, options);
  await work(run);
  for (const [days, reminders] of [
    [20, 0],
    [4, 1],
    [5.5, 2],
  ] as const) {
    await pass(id, days);
    await work(run);
    await work(run);
    expect(await eventsOf(subdomain, "company.deletion-due")).toBe(reminders);
    expect(await secrets.deletions.get(operator, subdomain)).toMatchObject({ state: "waiting" });
  }
  const renamed = `${subdomain}-renamed`;
  await secrets.companies.rename(operator, subdomain, { subdomain: renamed });
  await pass(id, 1);
  await work(run);
  expect(await secrets.deletions.get(operator, renamed)).toMatchObject({ state: "deleted" });
  // Neither of its names is given to another.
  for (const name of [subdomain, renamed])
    expect(
      await codeOf(secrets.companies.create(operator, { subdomain: name, secretStore: "database" })),
    ).toBe("CONFLICT");
});

test("a deleted company has no values, people or folder, and its signed receipt says what went and what stays", async () => {
  const { subdomain, id } = await filled();
  const other = await filled();
  const { run } = await secrets.deletions.schedule(operator, subdomain, options);
  await pass(id, 31);
  await work(run);
  const { receipt } = await secrets.deletions.get(operator, subdomain);
  const content: unknown = JSON.parse(receipt?.receipt ?? "");
  expect(content).toMatchObject({
    company: { id, subdomain },
    removed: { members: 2 },
    reserved: { subdomains: [subdomain], infisicalFolder: subdomain },
  });
  const publicKey = await secrets.shredding.publicKey(operator);
  expect(verifyReceipt(JSON.stringify(receipt), publicKey)).toEqual(content);
  const edited = JSON.stringify({ ...receipt, receipt: `${receipt?.receipt} ` });
  expect(() => verifyReceipt(edited, publicKey)).toThrow("This receipt was modified");

  expect(await valueOf(subdomain)).toBe("NOT_FOUND");
  const left =
    await superuser`select (select count(*)::int from memberships where company_id = ${id}) as people,
    (select count(*)::int from company_key_wraps where company_id = ${id}) as wraps,
    (select status from companies where id = ${id}) as status`;
  expect([...left]).toEqual([{ people: 0, wraps: 0, status: "deleted" }]);
  expect(await infisical.listSecretSummaries(`/tenants/${subdomain}`)).toEqual([]);
  expect(await valueOf(other.subdomain)).toBe("no error");
  expect(await infisical.listSecretSummaries(`/tenants/${other.subdomain}`)).toHaveLength(1);
  await secrets.flush();
  expect((await secrets.audit.verify(operator, { settledAfterMs: 0 })).findings).toEqual([]);
});

test.each([
  ["company_key_wraps", "delete"],
  ["memberships", "delete"],
  ["companies", "update"],
])("killed while it changes %s, a deletion is finished by the next process, once", async (table, change) => {
  const { subdomain, id } = await filled();
  const { run } = await secrets.deletions.schedule(operator, subdomain, options);
  await pass(id, 31);
  // The server ends the connection in the middle of the transaction, as if the process had been killed.
  await superuser.unsafe(`
    create function kill_${table}() returns trigger language plpgsql as
      $$ begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
    create trigger kill after ${change} on ${table} for each row when (old.${table === "companies" ? "id" : "company_id"} = '${id}') execute function kill_${table}()`);
  expect(await codeOf(work(run))).not.toBe("no error");
  await superuser.unsafe(`drop function kill_${table} cascade`);
  await superuser`update runs set lease_until = now() where id = ${run}`;
  await work(run);
  await work(run);
  expect(await secrets.deletions.get(operator, subdomain)).toMatchObject({ state: "deleted" });
  expect(await eventsOf(subdomain, "company.delete")).toBe(1);
  expect(await eventsOf(subdomain, "key.shred")).toBe(1);
});

test("while Infisical is down nothing is destroyed, the deletion counts as overdue, and it goes on afterwards", async () => {
  const { subdomain, id } = await filled();
  const before = await secrets.deletions.measure();
  const { run } = await secrets.deletions.schedule(operator, subdomain, options);
  const { scheduled, overdue } = before;
  expect(await secrets.deletions.measure()).toEqual({ scheduled: scheduled + 1, overdue });
  await pass(id, 31);
  expect(await secrets.deletions.measure()).toEqual({ scheduled, overdue: overdue + 1 });
  // A process that serves already: it has its keys.
  const serving = fixture.another();
  await serving.prepare();
  await serving.shredding.publicKey(operator);
  fixture.emulator.faults.add({ kind: "answer", status: 503 }, { times: 50 });
  onTestFinished(() => fixture.emulator.faults.clear());
  expect(await codeOf(work(run, serving))).toBe("STORE_UNAVAILABLE");
  expect(await superuser`select from company_key_wraps where company_id = ${id}`).toHaveLength(1);
  fixture.emulator.faults.clear();
  await superuser`update runs set lease_until = now() where id = ${run}`;
  await work(run);
  expect(await secrets.deletions.get(operator, subdomain)).toMatchObject({ state: "deleted" });
  expect(await secrets.deletions.measure()).toEqual(before);
});

test("of many that keep, delete and begin at once, each company ends whole or gone, and never between", async () => {
  for (let i = 0; i < 4; i++) {
    const { subdomain, id } = await filled();
    const scheduled = await Promise.all(
      Array.from({ length: 4 }, () => codeOf(secrets.deletions.schedule(operator, subdomain, options))),
    );
    expect(scheduled.toSorted()).toEqual(["CONFLICT", "CONFLICT", "CONFLICT", "no error"]);
    const { run } = await secrets.deletions.get(operator, subdomain);
    await pass(id, 31);
    const [, kept] = await Promise.all([
      codeOf(work(run)),
      codeOf(fixture.another().deletions.keep(operator, subdomain)),
      codeOf(work(run)),
    ]);
    await superuser`update runs set lease_until = now() where id = ${run} and lease_until is not null`;
    await work(run);
    const { state } = await secrets.deletions.get(operator, subdomain);
    expect(state).toBe(kept === "no error" ? "kept" : "deleted");
    expect(await valueOf(subdomain)).toBe(kept === "no error" ? "no error" : "NOT_FOUND");
  }
});

test.each(["asked", "approved"] as const)(
  "the operator who %s is revoked before the date, and nothing is destroyed",
  async (which) => {
    const two = fixture.another({ operatorApprovals: 2 });
    const [alice, bob] = [await newOperator(two, "alice"), await newOperator(two, "bob")];
    const { subdomain, id } = await filled();
    const ask = (afterDays: number) => two.deletions.schedule(alice, subdomain, { ...options, afterDays });
    await two.approvals.give(bob, await requestOf(ask(30)));
    expect(await valueOf(subdomain)).toBe("no error");
    // What was approved is this window, and no shorter one.
    expect(await codeOf(ask(1))).toBe("APPROVAL_REQUIRED");
    const { run } = await ask(30);
    await pass(id, 31);
    await two.operators.revoke(operator, (which === "asked" ? alice : bob).actor.id);
    expect(await codeOf(work(run, two))).toBe("CONFLICT");
    expect(await superuser`select from company_key_wraps where company_id = ${id}`).toHaveLength(1);
    expect(await two.deletions.keep(operator, subdomain)).toMatchObject({ status: "active" });
    expect(await valueOf(subdomain)).toBe("no error");
  },
);
