import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { whenDone } from "@repo/db/testing";
import { expect, test } from "vitest";
import { verifyReceipt } from "../../receipts.ts";
import { newOperator, requestOf } from "../../testing/approvals.ts";
import { codeOf, createFixture, operator, product } from "../../testing/fixture.ts";

const fixture = await createFixture();
const { superuser, infisical } = fixture;
const secrets = fixture.another({ operatorApprovals: 2 });
await secrets.prepare();
const [alice, bob] = [await newOperator(secrets, "alice"), await newOperator(secrets, "bob")];
const script = fileURLToPath(new URL("../../testing/doomed-process.ts", import.meta.url));

type Doomed = ChildProcessByStdio<Writable, null, null>;

/** The next process to be killed: it loads its code while the one before it works. */
let next: Doomed | undefined;
whenDone(async () => void next?.kill("SIGKILL"));

const begin = (): Doomed => spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });

/** Drives a deletion in a process that kills itself before its commit, or its deletion of a folder, number `killAt`. @returns whether it did */
async function runDoomed(run: string, killAt: number): Promise<boolean> {
  const child = next ?? begin();
  next = begin();
  const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
  const { application: applicationUrl, maintenance: maintenanceUrl } = fixture.urls;
  child.stdin.end(
    JSON.stringify({
      work: "delete",
      run,
      killAt,
      applicationUrl,
      maintenanceUrl,
      infisical: { siteUrl, clientId, clientSecret, projectId },
    }),
  );
  const [code, signal]: unknown[] = await once(child, "exit");
  expect(signal ?? code).toBe(signal === null ? 0 : "SIGKILL");
  return signal === "SIGKILL";
}

/** A company with values on both sides whose deletion is scheduled. */
async function scheduled() {
  const company = await fixture.company("hybrid");
  await secrets.company(company, product).set("CUSTOM_A", "fake-custom-0001");
  await infisical.putSecret(`/tenants/${company}`, "CUSTOM_OLD", "fake-custom-0002");
  await fixture.person(company, "owner");
  const { id } = await secrets.companies.get(operator, company);
  const asked = { afterDays: 30, backupsKeptDays: 14, withInfisicalFolder: true };
  const schedule = () => secrets.deletions.schedule(alice, company, asked);
  await secrets.approvals.give(bob, await requestOf(schedule()));
  const { run } = await schedule();
  return { company, id, run };
}

/** As if the days had passed, and the lease of a killed process with them. */
async function pass(run: string, days: number): Promise<void> {
  await superuser`update runs set not_before = null, lease_until = null, lease_holder = null,
    input = jsonb_set(input, '{deleteAtMs}', to_jsonb((input->>'deleteAtMs')::float8 - ${days * 86_400_000}::float8))
    where id = ${run}`;
  await superuser`update outside_writes set deadline_at = clock_timestamp() - interval '1 minute'`;
}

async function work(run: string): Promise<void> {
  await fixture
    .another({ operatorApprovals: 2 })
    .runs.work["delete-company"]?.(run, new AbortController().signal);
}

/** Where a killed process left a deletion. */
async function placeOf(run: string, company: { readonly company: string; readonly id: string }) {
  const [row] =
    await superuser`select phase, (select count(*)::int from shreddings where company_id = ${company.id}) as shredded
    from runs where id = ${run}`;
  const left = await infisical.listSecretSummaries(`/tenants/${company.company}`);
  return `${String(row?.["phase"])}, keys ${row?.["shredded"] === 1 ? "destroyed" : "there"}, folder ${left.length === 0 ? "gone" : "there"}`;
}

test(
  "a deletion that is killed before any of its commits and requests is finished by the next process, with one receipt that verifies",
  { timeout: 240_000 },
  async () => {
    const publicKey = await secrets.shredding.publicKey(operator);
    const other = await scheduled();
    await secrets.deletions.keep(operator, other.company);
    const places = new Set<string>();
    for (let killAt = 0, killed = true; killed; killAt++) {
      const { company, id, run } = await scheduled();
      await pass(run, 31);
      killed = await runDoomed(run, killAt);
      places.add(await placeOf(run, { company, id }));
      await pass(run, 0);
      await work(run);
      await work(run);
      const { state, receipt } = await secrets.deletions.get(operator, company);
      expect(state).toBe("deleted");
      expect(verifyReceipt(JSON.stringify(receipt), publicKey)).toMatchObject({ company: { id } });
      const [left] = await superuser`select
        (select count(*)::int from audit_events where company_id = ${id} and action = 'company.delete' and outcome = 'success') as deleted,
        (select count(*)::int from audit_events where company_id = ${id} and action = 'key.shred' and outcome = 'success') as shredded,
        (select count(*)::int from company_key_wraps where company_id = ${id}) as wraps,
        (select count(*)::int from memberships where company_id = ${id}) as people`;
      expect({ ...left }).toEqual({ deleted: 1, shredded: 1, wraps: 0, people: 0 });
      expect(await infisical.listSecretSummaries(`/tenants/${company}`)).toEqual([]);
      expect(await codeOf(fixture.another().company(company, product).get("CUSTOM_A"))).toBe("NOT_FOUND");
    }
    expect([...places]).toEqual([
      "wait, keys there, folder there",
      "destroy, keys there, folder there",
      "destroy, keys destroyed, folder there",
      // The folder is deleted, and the commit that says so is not made.
      "destroy, keys destroyed, folder gone",
      "remove, keys destroyed, folder gone",
      "done, keys destroyed, folder gone",
    ]);
    expect(await secrets.company(other.company, product).get("CUSTOM_A")).toBe("fake-custom-0001");
    await secrets.flush();
    expect((await secrets.audit.verify(operator, { settledAfterMs: 0 })).findings).toEqual([]);
  },
);

test("a deletion that is killed while it waits still waits, reminds once, and can be kept", async () => {
  for (let killAt = 0, killed = true; killed; killAt++) {
    const { company, id, run } = await scheduled();
    await pass(run, 24);
    killed = await runDoomed(run, killAt);
    await pass(run, 0);
    await work(run);
    expect(await secrets.deletions.get(operator, company)).toMatchObject({ state: "waiting" });
    const reminders =
      await superuser`select from audit_events where company_id = ${id} and action = 'company.deletion-due'`;
    expect(reminders).toHaveLength(1);
    expect(await secrets.deletions.keep(operator, company)).toMatchObject({ status: "active" });
    expect(await secrets.company(company, product).get("CUSTOM_A")).toBe("fake-custom-0001");
  }
});
