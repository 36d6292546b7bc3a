import { generateIdentity, identityToRecipient } from "age-encryption";
import { createOutbound } from "@repo/outbound";
import { startWebhookReceiver, type WebhookReceiver } from "@repo/providers/webhook-receiver";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Notification, NotificationType } from "@repo/catalog";
import { createTasks } from "../jobs/jobs.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { copy, createMigrator, plan, toDatabase, verify } from "../testing/migrating.ts";
import { createMirrors } from "../testing/mirrored.ts";
import { createSchemaCheck } from "../testing/notification-schemas.ts";
import { verifyNotification } from "../verify-notification.ts";
import type { RunningDeliveries } from "./worker.ts";

// What the platform's endpoint is told, each time provoked for real and taken from what its receiver got.

const fixture = await createFixture();
const { superuser, emulator } = fixture;
const recipient = "age1nl04lpcnuy8lcfmpjltprvqcywc3p07hlsa6fxyrj84cvxz0fcfsys7mvl";

let receiver: WebhookReceiver;
let secrets: typeof fixture.secrets;
let running: RunningDeliveries;
let secret: string;
const errors: unknown[] = [];

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  secrets = fixture.another({ outbound: createOutbound({ allow: [new URL(receiver.url).host] }) });
  await secrets.prepare();
  running = secrets.startDeliveries((error) => errors.push(error));
  const made = await secrets.webhooks.create(operator, {
    url: `${receiver.url}/platform`,
    description: "",
    perSecond: 1000,
  });
  ({ secret } = made);
  receiver.trust({ secret, publicKey: made.endpoint.publicKey });
  await vi.waitFor(async () => {
    const [endpoint] = await secrets.webhooks.list(operator, undefined);
    if (endpoint?.state !== "active") throw new Error("the endpoint has yet to answer its test");
  }, 60_000);
});
afterAll(async () => {
  await running.stop();
  await receiver.stop();
});

/** What the platform's endpoint received of a type, each verified with its secret. */
async function told(type: NotificationType, from = 0): Promise<readonly Notification["data"][]> {
  const verified = await Promise.all(
    receiver
      .deliveries()
      .slice(from)
      .filter(({ path }) => path === "/platform")
      .map(({ id = "", timestamp = "", signatures = "", body }) => {
        const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures };
        return verifyNotification({ secrets: [secret] }, { headers, body });
      }),
  );
  return verified.flatMap(({ notification }) => (notification?.type === type ? [notification.data] : []));
}

/** The last one of a type that came in since `work` began. */
async function toldOf(type: NotificationType, work: () => Promise<unknown>): Promise<Notification["data"]> {
  const from = receiver.deliveries().length;
  await work();
  return vi.waitFor(
    async () => {
      const last = (await told(type, from)).at(-1);
      if (last === undefined) throw new Error(`nothing of ${type} has arrived`);
      return last;
    },
    { timeout: 60_000, interval: 50 },
  );
}

function runOf(data: Notification["data"]): string {
  return ("run" in data && data.run) || "";
}

async function runTask(name: string): Promise<void> {
  const task = createTasks({ database: fixture.database, secrets, log: () => {} })[name];
  await task?.({}, { signal: new AbortController().signal });
}

async function eventOf(id: string) {
  const [event] = await superuser<
    { action: string; outcome: string; reason: string | null; actor: string }[]
  >`
    select action, outcome, reason, actor_id as actor from audit_events where id = ${id}`;
  return event;
}

async function attack(statement: string): Promise<void> {
  await superuser.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql.unsafe(statement);
  });
}

async function folderOf(names: readonly string[]): Promise<string> {
  const subdomain = await fixture.company("infisical");
  for (const name of names)
    await fixture.infisical.putSecret(`/tenants/${subdomain}`, name, `fake-${name}-0001`);
  return subdomain;
}

const suspended = async (): Promise<string> => {
  const subdomain = await folderOf(["CUSTOM_A"]);
  await secrets.suspension.suspend(operator, subdomain);
  return subdomain;
};

test("a master key that is due is told of by each daily look until it is rotated, and a younger one is not", async () => {
  const from = receiver.deliveries().length;
  await runTask("check-master-key-age");
  await superuser`update master_keys set activated_at = now() - interval '91 days'`;
  const first = await toldOf("key.overdue", () => runTask("check-master-key-age"));
  const second = await toldOf("key.overdue", () => runTask("check-master-key-age"));
  expect(second).toMatchObject({ region: "default", keyVersion: 1, actor: { kind: "job" } });
  expect(second.event).not.toBe(first.event);
  expect(second).not.toHaveProperty("company");
  expect(await told("key.overdue", from)).toHaveLength(2);
  await superuser`update master_keys set activated_at = now()`;
});

test("a backup of the keys that cannot be written, and one that lacks its key, are told of", async () => {
  const unwritten = await toldOf("key.backup_failed", async () => {
    const stored = secrets.storeBackup(operator, { recipients: [recipient], directory: "/nowhere/at/all" });
    expect(await codeOf(stored)).toBe("STORE_UNAVAILABLE");
  });
  expect(unwritten).toMatchObject({ reason: "STORE_UNAVAILABLE", actor: { kind: "operator" } });
  const key = await fixture.infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
  await fixture.infisical.deleteSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
  const lost = await toldOf("key.backup_failed", async () => {
    const made = secrets.keyBackups.createBackup(operator, { recipients: [recipient] });
    expect(await codeOf(made)).toBe("MASTER_KEY_MISSING");
  });
  expect(lost.reason).toBe("MASTER_KEY_MISSING");
  await fixture.infisical.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", key?.value ?? "");
});

test("a backup that is damaged is told of when it is checked, and another identity is not", async () => {
  const [identity, another] = await Promise.all([generateIdentity(), generateIdentity()]);
  const recipients = [await identityToRecipient(identity)];
  const file = await secrets.keyBackups.createBackup(operator, { recipients });
  const lines = file.split("\n");
  const middle = Math.floor(lines.length / 2);
  const damaged = lines.toSpliced(middle, 1, (lines[middle] ?? "").replace(/^..../, "AAAA")).join("\n");
  const from = receiver.deliveries().length;
  expect(await codeOf(secrets.keyBackups.checkBackup(operator, file, { identityFile: another }))).toBe(
    "INVALID_INPUT",
  );
  const found = await toldOf("key.backup_failed", async () => {
    const checked = secrets.keyBackups.checkBackup(operator, damaged, { identityFile: identity });
    expect(await codeOf(checked)).toBe("INTEGRITY_FAILURE");
  });
  expect(found.reason).toBe("INTEGRITY_FAILURE");
  expect(await told("key.backup_failed", from)).toHaveLength(1);
});

test("a migration tells of its end, and whether every company is done", async () => {
  const { migrate } = createMigrator({ secrets });
  const company = await folderOf(["CUSTOM_A"]);
  let run: string | undefined;
  const done = await toldOf("migration.finished", async () => {
    ({ run } = await migrate([company], copy));
  });
  expect(done).toMatchObject({ run, actor: { kind: "operator", id: "test-operator" } });
  expect(done).not.toHaveProperty("reason");
  expect(await eventOf(done.event)).toMatchObject({ action: "migration.finish", outcome: "success" });
  const other = await suspended();
  const left = await toldOf("migration.finished", () => migrate([company, other], verify));
  expect(left.reason).toBe("NOT_ALL_DONE");
});

test("a migration that stops after three companies in a row is told of once, and of its end when it is resumed", async () => {
  const { migrate, drive } = createMigrator({ secrets });
  const companies = await Promise.all([suspended(), suspended(), suspended(), suspended()]);
  const from = receiver.deliveries().length;
  const stopped = await toldOf("migration.failed", async () => {
    expect(await codeOf(migrate(companies, toDatabase))).toBe("CONFLICT");
  });
  expect(stopped).toMatchObject({ reason: "CONFLICT", actor: { kind: "operator" } });
  expect(await told("migration.finished", from)).toEqual([]);
  const finished = await toldOf("migration.finished", async () => {
    await secrets.runs.resume(operator, runOf(stopped));
    await drive(runOf(stopped));
  });
  expect(finished).toMatchObject({ run: runOf(stopped), reason: "NOT_ALL_DONE" });
  expect(await told("migration.failed", from)).toHaveLength(1);
});

test("a migration that fails for the last time is told of, and one that is tried again is not", async () => {
  const company = await folderOf(["CUSTOM_A"]);
  const from = receiver.deliveries().length;
  const run = await secrets.migrations.begin(operator, {
    ...plan,
    companies: [company],
    ratePerMinute: 60_000,
  });
  const attempt = async () => {
    emulator.faults.add({ kind: "answer", status: 503 }, { times: 50 });
    const driven = secrets.migrations.run.drive(run, { caller: operator, tools: { sliceMs: 1000 } });
    expect(await codeOf(driven)).toBe("STORE_UNAVAILABLE");
    emulator.faults.clear();
  };
  await attempt();
  expect(await secrets.runs.get(operator, run)).toMatchObject({ state: "running" });
  expect(
    await superuser`select from audit_events where action = 'migration.finish' and subject = ${run}`,
  ).toEqual([]);
  await superuser`update runs set attempts = 24 where id = ${run}`;
  const failed = await toldOf("migration.failed", attempt);
  expect(failed).toMatchObject({ run, reason: "STORE_UNAVAILABLE" });
  expect(await secrets.runs.get(operator, run)).toMatchObject({ state: "failed" });
  expect(await told("migration.failed", from)).toHaveLength(1);
  await secrets.runs.cancel(operator, run);
});

test("an event that was changed is found by the verification of the night, and told of while it is changed", async () => {
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake-a");
  const sealer = secrets.createSealer({ onSealed: () => {}, onAlarm: () => {} });
  await vi.waitFor(async () => {
    await sealer.tick();
    const [row] = await superuser`select sum(size)::int as sealed from audit_checkpoints`;
    expect(row?.["sealed"]).toBeGreaterThan(1);
  }, 60_000);
  const from = receiver.deliveries().length;
  await runTask("verify-audit-log");
  await attack("update audit_events set actor_id = 'another' where position = 1");
  const found = await toldOf("audit_log.changed", () => runTask("verify-audit-log"));
  expect(found).toMatchObject({ reason: "INTEGRITY_FAILURE", actor: { kind: "job", id: "audit-log" } });
  expect(await eventOf(found.event)).toMatchObject({ action: "audit.verify", outcome: "failed" });
  expect(await told("audit_log.changed", from)).toHaveLength(1);
});

test("a checkpoint that was removed is told of by the process that seals", async () => {
  const alarms: string[] = [];
  const sealer = secrets.createSealer({
    onSealed: () => {},
    onAlarm: ({ code }) => alarms.push(code),
    heartbeatMs: 0,
  });
  await vi.waitFor(async () => expect(await sealer.tick()).toBeDefined(), 60_000);
  const found = await toldOf("audit_log.changed", async () => {
    await attack("delete from audit_checkpoints where index = (select max(index) from audit_checkpoints)");
    await sealer.tick();
  });
  expect(alarms).toContain("AUDIT_CHANGED");
  expect(found).toMatchObject({ reason: "INTEGRITY_FAILURE", actor: { id: "audit-log" } });
});

test("what concerns the platform is not told to a company, also where it is about that company", async () => {
  const { mirrored } = createMirrors(fixture);
  const company = await mirrored(["CUSTOM_A"]);
  const owner = await fixture.person(company.subdomain, "owner");
  await secrets.webhooks.create(owner, {
    company: company.subdomain,
    url: `${receiver.url}/company`,
    description: "",
    perSecond: 1000,
  });
  await vi.waitFor(async () => {
    const [endpoint] = await secrets.webhooks.list(owner, company.subdomain);
    expect(endpoint?.state).toBe("active");
  }, 60_000);
  await fixture.infisical.putSecret(company.path, "CUSTOM_A", "fake-by-others");
  const drift = await toldOf("company.drift", () => company.mirror());
  expect(drift).toMatchObject({ company: { subdomain: company.subdomain }, secretKey: "CUSTOM_A" });
  await company.handle.set("CUSTOM_B", "fake-b");
  await vi.waitFor(async () => {
    const types = receiver
      .deliveries()
      .filter(({ path }) => path === "/company")
      .map(({ body }) => /"type":"([^"]+)"/.exec(body.replaceAll(" ", ""))?.[1]);
    expect(types).toEqual(["webhook.test", "secret.created"]);
  }, 60_000);
});

test("every body that was sent is as the schema of its type says", () => {
  const bodies = receiver.deliveries().map(({ body }) => body);
  expect(bodies.length).toBeGreaterThan(10);
  expect(createSchemaCheck()(bodies)).toEqual([]);
});

test("all of this meets no error in the process that sends", () => {
  expect(errors).toEqual([]);
});
