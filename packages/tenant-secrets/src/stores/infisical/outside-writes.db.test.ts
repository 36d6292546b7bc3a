import { whenDone } from "@repo/db/testing";
import { createInfisicalClient, InfisicalError, type InfisicalClient } from "@repo/infisical";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { JobLog } from "@repo/db/jobs";
import type { SecretStoreName } from "@repo/catalog";
import { createTasks } from "../../jobs/jobs.ts";
import { codeOf, createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";

const key = "CUSTOM_KEY";
let fixture: Fixture;

beforeAll(async () => {
  fixture = await createFixture();
});
beforeEach(() => fixture.emulator.faults.clear());

const ofSecret = { path: new RegExp(`secrets/raw/${key}`) };
const settle = () => fixture.secrets.outsideSettlement.settle(new AbortController().signal);
const inFolder = async (subdomain: string) =>
  (await fixture.infisical.findSecret(`/tenants/${subdomain}`, key))?.value;
const rowsOf = async (subdomain: string) =>
  Array.from(
    await fixture.superuser`select kind, state from outside_writes
      where company_id = (select id from companies where subdomain = ${subdomain}) order by started_at`,
    ({ kind, state }) => `${kind} ${state}`,
  );
const eventsOf = async (subdomain: string) =>
  Array.from(
    await fixture.superuser`select action, outcome, reason, version from audit_events
      where company_id = (select id from companies where subdomain = ${subdomain})
        and action in ('secret.write', 'secret.remove', 'secret.backfill') order by position`,
    ({ action, outcome, reason, version }) => [action, outcome, reason ?? version].join(" ").trim(),
  );
/** As if the time of all calls were up. */
const passDeadlines = () =>
  fixture.superuser`update outside_writes set deadline_at = clock_timestamp() - interval '1 second'`;

/** Changes the store as its change does at its deadline: writes that are still in flight are abandoned. */
async function changeStore(subdomain: string, to: SecretStoreName): Promise<void> {
  await fixture.superuser.begin(async (sql) => {
    await sql`select pg_advisory_xact_lock(hashtextextended('company ' || id, 0)) from companies where subdomain = ${subdomain}`;
    await sql`update outside_writes set state = 'abandoned' where company_id = (select id from companies where subdomain = ${subdomain})`;
    await fixture.setStore(sql, subdomain, to);
  });
}

/** Another process, whose calls can be stopped on their way. */
function processWith(calls: Partial<InfisicalClient>): Fixture["secrets"] {
  const infisical = createInfisicalClient({ ...fixture.emulator, environment: "dev" });
  return fixture.another({ infisical: { ...infisical, ...calls } });
}

/** A process that stands still, or is killed, right after its first call has done its work. */
function stoppedAfter(call: "putSoleSecret" | "deleteSecret") {
  const done = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  let isFirst = true;
  const stopOnce = async <T>(result: Promise<T>): Promise<T> => {
    await result;
    if (isFirst) {
      isFirst = false;
      done.resolve();
      await goOn.promise;
    }
    return result;
  };
  const { infisical } = fixture;
  const calls: Partial<InfisicalClient> =
    call === "putSoleSecret"
      ? { putSoleSecret: (...put) => stopOnce(infisical.putSoleSecret(...put)) }
      : { deleteSecret: (...secret) => stopOnce(infisical.deleteSecret(...secret)) };
  whenDone(async () => goOn.resolve());
  return { process: processWith(calls), isDone: done.promise, goOn: goOn.resolve };
}

describe("a change at Infisical whose company changes to another store meanwhile", () => {
  test.for(["database", "hybrid"] as const)(
    "a write at Infisical is made again in the new store (%s) of its company, and returns that version",
    async (to) => {
      const subdomain = await fixture.company("infisical");
      const { process, isDone, goOn } = stoppedAfter("putSoleSecret");
      const writing = process.company(subdomain, product).set(key, "one");
      await isDone;
      await changeStore(subdomain, to);
      goOn();
      expect(await writing).toEqual({ version: 1 });
      const [head] = await fixture.superuser`select current_version from company_secrets
      where company_id = (select id from companies where subdomain = ${subdomain})`;
      expect(head).toEqual({ current_version: 1 });
      expect(await fixture.secrets.company(subdomain, product).get(key)).toBe("one");
      expect(await rowsOf(subdomain)).toEqual([]);
      expect(await eventsOf(subdomain)).toEqual(["secret.write attempted", "secret.write success 1"]);
    },
  );

  test("a removal at Infisical is not undone by a copy that is made before the deletion arrives", async () => {
    const subdomain = await fixture.company("infisical");
    const secrets = fixture.secrets.company(subdomain, product);
    await secrets.set(key, "one");
    const isAsked = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const process = processWith({
      deleteSecret: async (...secret) => {
        isAsked.resolve();
        await goOn.promise;
        return fixture.infisical.deleteSecret(...secret);
      },
    });
    const removing = process.company(subdomain, product).remove(key);
    await isAsked.promise;
    await changeStore(subdomain, "hybrid");
    // Served as long as it is there, and not copied.
    expect(await secrets.get(key)).toBe("one");
    goOn.resolve();
    expect(await codeOf(removing)).toBe("NOT_FOUND");
    expect(await secrets.find(key)).toBeUndefined();
    expect(await eventsOf(subdomain)).not.toContain("secret.backfill success 1");
  });
});

describe("a change at Infisical with an unknown outcome", () => {
  const ways = [
    ["a write that was made", "put", true],
    ["a write that was not made", "put", false],
    ["a removal that was made", "delete", true],
    ["a removal that was not made", "delete", false],
  ] as const;

  test.for(ways)(
    "a change at Infisical with an unknown outcome is settled by the state of Infisical: %s",
    async ([, kind, isMade]) => {
      const subdomain = await fixture.company("infisical");
      const secrets = fixture.secrets.company(subdomain, product);
      await secrets.set(key, "one");
      const { faults } = fixture.emulator;
      faults.add(
        { kind: "reset", afterApply: isMade },
        { ...ofSecret, method: kind === "put" ? "PATCH" : "DELETE" },
      );
      // Nor does the client find out.
      faults.add({ kind: "reset" }, { ...ofSecret, method: "GET", times: 10 });
      const change = kind === "put" ? secrets.set(key, "two") : secrets.remove(key);
      expect(await codeOf(change)).toBe("STORE_UNAVAILABLE");
      faults.clear();
      expect(await rowsOf(subdomain)).toEqual([`${kind} unknown`]);
      expect(await settle(), "before its deadline").toEqual({ settled: 0, open: 0, givenUp: 0 });
      await passDeadlines();
      expect(await settle()).toEqual({ settled: 1, open: 0, givenUp: 0 });
      expect(await rowsOf(subdomain)).toEqual([]);
      const action = kind === "put" ? "secret.write" : "secret.remove";
      const version = isMade && kind === "put" ? " 2" : "";
      expect((await eventsOf(subdomain)).slice(2)).toEqual([
        `${action} attempted`,
        `${action} unknown STORE_UNAVAILABLE`,
        isMade ? `${action} success${version}` : `${action} failed NOT_APPLIED`,
      ]);
    },
  );

  test("a write of a killed process blocks its secret no longer than its deadline", async () => {
    const subdomain = await fixture.company("infisical");
    const { process, isDone } = stoppedAfter("putSoleSecret");
    process
      .company(subdomain, product)
      .set(key, "killed")
      .catch(() => {});
    await isDone;
    let isWritten = false;
    const secrets = fixture.secrets.company(subdomain, product);
    const writing = secrets.set(key, "two").finally(() => (isWritten = true));
    await secrets.set("CUSTOM_OTHER", "of another secret");
    expect(isWritten).toBe(false);
    await passDeadlines();
    expect(await writing).toEqual({ version: 2 });
    await passDeadlines();
    expect(await settle()).toMatchObject({ settled: 1 });
    expect((await eventsOf(subdomain)).slice(-1)).toEqual(["secret.write failed NOT_APPLIED"]);
    expect(await secrets.get(key)).toBe("two");
  });

  const late = [
    ["putSoleSecret", "a write"],
    ["deleteSecret", "a removal"],
  ] as const;

  test.for(late)("a process that was paused does not make a settled change again (%s)", async ([call]) => {
    const subdomain = await fixture.company("infisical");
    const secrets = fixture.secrets.company(subdomain, product);
    await secrets.set(key, "first");
    const { process, isDone, goOn } = stoppedAfter(call);
    const stopped = process.company(subdomain, product);
    const changing = call === "putSoleSecret" ? stopped.set(key, "stopped") : stopped.remove(key);
    await isDone;
    await passDeadlines();
    expect(await settle()).toMatchObject({ settled: 1 });
    await secrets.set(key, "acknowledged since");
    goOn();
    expect(await codeOf(changing)).toBe("STORE_UNAVAILABLE");
    expect(await inFolder(subdomain)).toBe("acknowledged since");
    expect(await rowsOf(subdomain)).toEqual([]);
    const action = call === "putSoleSecret" ? "secret.write" : "secret.remove";
    expect((await eventsOf(subdomain)).at(-1)).toBe(`${action} unknown STORE_UNAVAILABLE`);
  });

  test("an unknown outcome stays open while Infisical is unavailable, and is given up after a day with an alarm", async () => {
    const subdomain = await fixture.company("infisical");
    const { process, isDone } = stoppedAfter("putSoleSecret");
    process
      .company(subdomain, product)
      .set(key, "killed")
      .catch(() => {});
    await isDone;
    await passDeadlines();
    const { faults } = fixture.emulator;
    faults.add({ kind: "reset" }, { ...ofSecret, times: 100 });
    expect(await settle()).toEqual({ settled: 0, open: 1, givenUp: 0 });
    expect(await rowsOf(subdomain)).toEqual(["put in-flight"]);
    await fixture.superuser`update outside_writes set started_at = started_at - interval '25 hours'`;
    const said = vi.fn<JobLog>();
    const { database, secrets } = fixture;
    const tasks = createTasks({ database, secrets, log: said });
    const signal = new AbortController().signal;
    await tasks["settle-outside-writes"]?.({}, { signal });
    expect(said).toHaveBeenCalledWith("error", expect.any(String), { code: "OUTSIDE_WRITES_UNKNOWN" });
    expect(await rowsOf(subdomain)).toEqual([]);
    expect((await eventsOf(subdomain)).slice(-1)).toEqual(["secret.write unknown STORE_UNAVAILABLE"]);
  });

  test("a retried change is one row, and a change that Infisical refused is none", async () => {
    const subdomain = await fixture.company("infisical");
    const cutOff = processWith({ putSoleSecret: () => Promise.reject(new InfisicalError("AMBIGUOUS")) });
    for (let i = 0; i < 3; i++) {
      expect(await codeOf(cutOff.company(subdomain, product).set(key, "again"))).toBe("STORE_UNAVAILABLE");
    }
    const secrets = fixture.secrets.company(subdomain, product);
    const { faults } = fixture.emulator;
    expect(await rowsOf(subdomain)).toEqual(["put unknown"]);
    expect(await codeOf(secrets.remove(key))).toBe("NOT_FOUND");
    faults.add({ kind: "answer", status: 403, body: { message: "no" } }, ofSecret);
    expect(await codeOf(secrets.set(key, "refused"))).toBe("FORBIDDEN");
    expect(await rowsOf(subdomain)).toEqual(["put unknown"]);
  });
});

describe("concurrent first writes of one name", () => {
  test("concurrent first writes leave one secret in Infisical, with the value that was acknowledged last", async () => {
    const subdomain = await fixture.company("infisical");
    const one = fixture.secrets.company(subdomain, product);
    const other = fixture.another().company(subdomain, product);
    fixture.emulator.faults.add({ kind: "race" }, { times: 6, method: "POST", path: /secrets\/raw/ });
    const names = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"] as const;
    for (const name of names) {
      let last = "";
      const set = async (secrets: typeof one, value: string) => {
        await secrets.set(name, value);
        last = value;
      };
      await Promise.all([set(one, "from one"), set(other, "from the other")]);
      expect(await one.get(name)).toBe(last);
      await other.set(name, "at last");
      expect(await one.get(name)).toBe("at last");
    }
    const { secrets } = await one.list();
    expect(secrets.map(({ secretKey, version }) => [secretKey, version])).toEqual(
      names.map((name) => [name, 3]),
    );
  });

  test("a first write replaces a twin that another party made at the same time, and its event says so", async () => {
    const subdomain = await fixture.company("infisical");
    await fixture.infisical.createFolder(`/tenants/${subdomain}`);
    fixture.emulator.faults.add({ kind: "race" }, { ...ofSecret, times: 2, method: "POST" });
    const elsewhere = createInfisicalClient({ ...fixture.emulator, environment: "dev" });
    const secrets = fixture.secrets.company(subdomain, product);
    await Promise.all([
      secrets.set(key, "ours"),
      elsewhere.putSecret(`/tenants/${subdomain}`, key, "theirs"),
    ]);
    expect(await secrets.get(key)).toBe("ours");
    await secrets.set(key, "newer");
    expect(await secrets.get(key)).toBe("newer");
    expect(await eventsOf(subdomain)).toContain("secret.write success TWINS_REPLACED");
  });
});

test("shredding deletes the folder once no write can arrive in it, and no such write is acknowledged", async () => {
  const subdomain = await fixture.company("infisical");
  const isAsked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const process = processWith({
    putSoleSecret: async (...put) => {
      isAsked.resolve();
      await goOn.promise;
      return fixture.infisical.putSecret(...put);
    },
  });
  const writing = process.company(subdomain, product).set(key, "late");
  await isAsked.promise;
  const shredding = fixture.secrets.shredding.shred(operator, subdomain, {
    backupsKeptDays: 0,
    withInfisicalFolder: true,
  });
  await vi.waitFor(async () => expect(await rowsOf(subdomain)).toEqual(["put abandoned"]), 60_000);
  goOn.resolve();
  expect(await codeOf(writing)).toBe("KEY_DESTROYED");
  await shredding;
  expect(await inFolder(subdomain)).toBeUndefined();
  expect(await rowsOf(subdomain)).toEqual([]);
});
