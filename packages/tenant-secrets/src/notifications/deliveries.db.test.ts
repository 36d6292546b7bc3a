import { randomUUID } from "node:crypto";
import { createOutbound } from "@repo/outbound";
import {
  startWebhookReceiver,
  type ReceivedDelivery,
  type WebhookReceiver,
} from "@repo/providers/webhook-receiver";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { findNotification, type NotificationType } from "@repo/catalog";
import { codeOf, createFixture, operator, product, type Person } from "../testing/fixture.ts";
import { createSchemaCheck } from "../testing/notification-schemas.ts";
import { verifyNotification, type NotificationKeys } from "../verify-notification.ts";
import { claimDue } from "./claims.ts";
import { recordAttempts } from "./outcomes.ts";
import type { RunningDeliveries } from "./worker.ts";

const fixture = await createFixture();
const { superuser, database } = fixture;
const canary = "sk_test_fake_canary_notified_0001";

let receiver: WebhookReceiver;
let other: WebhookReceiver;
let secrets: typeof fixture.secrets;
let acme: string;
let owner: Person;
let running: RunningDeliveries;
const errors: unknown[] = [];

const portOf = ({ url }: WebhookReceiver) => new URL(url).host;

beforeAll(async () => {
  [receiver, other] = await Promise.all([startWebhookReceiver(), startWebhookReceiver()]);
  secrets = fixture.another({ outbound: createOutbound({ allow: [portOf(receiver), portOf(other)] }) });
  running = secrets.startDeliveries((error) => errors.push(error));
});
afterAll(async () => {
  await running.stop();
  await Promise.all([receiver.stop(), other.stop()]);
});

beforeEach(async () => {
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  return () => superuser`truncate webhook_attempts, webhook_deliveries, webhook_endpoints`;
});

const secretsOf = (company: string) => secrets.company(company, product);
const since = (from: number, at = receiver) => at.deliveries().slice(from);
const typeOf = ({ body }: ReceivedDelivery): NotificationType | undefined =>
  findNotification(JSON.parse(body))?.type;

/** An endpoint that has answered its test, and how many deliveries its receiver had until then. */
async function activeEndpoint({
  company = acme,
  to = receiver,
  types,
}: {
  readonly company?: string | undefined;
  readonly to?: WebhookReceiver;
  readonly types?: readonly NotificationType[];
} = {}) {
  const caller = company === acme ? owner : operator;
  const named = company === acme ? { company } : {};
  const { secret, endpoint } = await secrets.webhooks.create(caller, {
    ...named,
    url: `${to.url}/hooks`,
    types,
    description: "",
    perSecond: 1000,
  });
  to.trust({ secret, publicKey: endpoint.publicKey });
  await vi.waitFor(async () => expect((await find(endpoint.id, caller, named)).state).toBe("active"), 60_000);
  const { id, publicKey } = endpoint;
  return { id, secret, publicKey, from: to.deliveries().length };
}

const platform = { company: undefined };

async function find(
  id: string,
  caller = owner as typeof operator,
  { company }: { company?: string } = { company: acme },
) {
  const found = (await secrets.webhooks.list(caller, company)).find((each) => each.id === id);
  if (found === undefined) throw new Error("no such endpoint");
  return found;
}

function headersOf({ id = "", timestamp = "", signatures = "" }: ReceivedDelivery) {
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures };
}

async function received(from: number, count: number, at = receiver): Promise<readonly ReceivedDelivery[]> {
  await vi.waitFor(() => expect(since(from, at).length).toBeGreaterThanOrEqual(count), 60_000);
  return since(from, at);
}

const log = (id: string) =>
  secrets.webhooks.deliveries.list(owner, { company: acme, endpoint: id, limit: 50 });
const nothingWaits = (id: string) =>
  vi.waitFor(async () => {
    const rows =
      await superuser`select 1 from webhook_deliveries where endpoint_id = ${id} and lease_until is not null`;
    expect(rows).toHaveLength(0);
  }, 60_000);
/** Whatever waits is due now. */
const due = (id: string) =>
  superuser`update webhook_deliveries set next_at = now() where endpoint_id = ${id} and state = 'waiting'`;
const eventsOf = (subject: string) =>
  superuser<{ action: string; reason: string | null }[]>`
    select action, reason from audit_events where subject = ${subject} and actor_id = 'webhooks' order by position`;

test("a change of a secret arrives once, signed both ways, and holds no value", async () => {
  const { id, secret, publicKey, from } = await activeEndpoint();
  await secretsOf(acme).set("STRIPE_SECRET_KEY", canary, {
    note: "a note",
    expiresAt: new Date("2027-01-02T03:04:05.678Z"),
  });
  await secretsOf(acme).set("STRIPE_SECRET_KEY", `${canary}2`, { graceSeconds: 60 });
  const sent = await received(from, 2);
  expect(sent.map(({ v1, v1a }) => [v1, v1a])).toEqual([
    ["ok", "ok"],
    ["ok", "ok"],
  ]);
  const verifiedWith = (keys: NotificationKeys) =>
    Promise.all(sent.map((each) => verifyNotification(keys, { headers: headersOf(each), body: each.body })));
  const verified = await verifiedWith({ secrets: [secret] });
  expect(verified).toEqual(await verifiedWith({ publicKeys: [publicKey] }));
  expect(verified.map((each) => each.id)).toEqual(sent.map((each) => each.id));
  const told = verified.map(({ notification }) => notification);
  const created = told.find((each) => each?.type === "secret.created");
  const updated = told.find((each) => each?.type === "secret.updated");
  expect(created?.data).toMatchObject({
    company: { subdomain: acme },
    secretKey: "STRIPE_SECRET_KEY",
    secretVersion: 1,
    expiresAt: "2027-01-02T03:04:05.678Z",
    actor: { kind: "job", id: "test" },
  });
  expect(updated?.data).toMatchObject({ secretVersion: 2, previousVersion: 1 });
  const [event] =
    await superuser`select id, action from audit_events where id = ${created?.data.event ?? ""}`;
  expect(event?.["action"]).toBe("secret.write");
  expect(new Set(sent.map((each) => each.id)).size).toBe(2);
  expect(JSON.stringify([sent, await log(id)])).not.toMatch(/canary|a note|0001/);
});

test("a change that is rolled back is not told, and one of many secrets is told for each, once", async () => {
  const { from } = await activeEndpoint();
  const many = (value: string) =>
    secretsOf(acme).setMany({ CUSTOM_A: "fake-a", CUSTOM_B: "fake-b", CUSTOM_C: value });
  await expect(many("")).rejects.toMatchObject({ code: "INVALID_VALUE" });
  await expect(secretsOf(acme).set("CUSTOM_A", "fake-a", { expectedVersion: 7 })).rejects.toMatchObject({
    code: "CONFLICT",
  });
  await many("fake-c");
  const sent = await received(from, 3);
  await secretsOf(acme).set("CUSTOM_D", "fake-d");
  await received(from, 4);
  expect(sent.map(typeOf)).toEqual(["secret.created", "secret.created", "secret.created"]);
  expect(since(from)).toHaveLength(4);
});

test("reading tells nothing, and revealing tells its purpose", async () => {
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  const { from } = await activeEndpoint();
  await secretsOf(acme).get("CUSTOM_A");
  await secretsOf(acme).list();
  await secrets.flush();
  const scope = await fixture.scope(acme, owner);
  await secrets.vault.reveal(scope, { secretKey: "CUSTOM_A", purpose: "debugging" });
  const [told] = await received(from, 1);
  expect(findNotification(JSON.parse(told?.body ?? ""))).toMatchObject({
    type: "secret.revealed",
    data: { secretKey: "CUSTOM_A", reason: "debugging", actor: { kind: "user", id: owner.userId } },
  });
  expect(since(from)).toHaveLength(1);
});

test("an endpoint gets the types that it asks for, and no other", async () => {
  const { from } = await activeEndpoint({ types: ["secret.removed"] });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await secretsOf(acme).remove("CUSTOM_A");
  expect((await received(from, 1)).map(typeOf)).toEqual(["secret.removed"]);
});

test("until it answers its test, an endpoint gets nothing else", async () => {
  receiver.faults.add({ fault: "status", status: 500 });
  const from = receiver.deliveries().length;
  const { endpoint } = await secrets.webhooks.create(owner, {
    company: acme,
    url: receiver.url,
    description: "",
    perSecond: 1000,
  });
  await received(from, 1);
  await nothingWaits(endpoint.id);
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  expect((await find(endpoint.id)).state).toBe("unverified");
  await due(endpoint.id);
  await vi.waitFor(async () => expect((await find(endpoint.id)).state).toBe("active"), 60_000);
  expect(since(from).map(typeOf)).toEqual(["webhook.test", "webhook.test"]);
  expect(since(from)[0]?.id).toBe(since(from)[1]?.id);
});

test("a failed attempt is repeated after five seconds with the same id and body", async () => {
  const { id, from } = await activeEndpoint();
  receiver.faults.add({ fault: "status", status: 503, retryAfter: 60 });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await received(from, 1);
  await nothingWaits(id);
  const [waiting] = await superuser`
    select attempts, extract(epoch from next_at - now())::float8 as seconds from webhook_deliveries
    where endpoint_id = ${id} and state = 'waiting'`;
  expect(waiting?.["attempts"]).toBe(1);
  expect(waiting?.["seconds"]).toBeGreaterThan(50);
  expect(waiting?.["seconds"]).toBeLessThan(61);
  await due(id);
  const [first, second] = await received(from, 2);
  expect([second?.id, second?.body, second?.v1]).toEqual([first?.id, first?.body, "ok"]);
  await nothingWaits(id);
  const [delivery] = await log(id);
  expect(delivery).toMatchObject({ state: "delivered", type: "secret.created" });
  expect(delivery?.attempts.map(({ status, failure }) => [status, failure])).toEqual([
    [503, "STATUS"],
    [204, undefined],
  ]);
  const [row] =
    await superuser`select throttled_until > now() as throttled from webhook_endpoints where id = ${id}`;
  expect(row?.["throttled"]).toBe(true);
});

test("after ten attempts a delivery is dead, the audit log says so, and a replay sends it", async () => {
  const { id, from } = await activeEndpoint();
  receiver.faults.add({ fault: "status", status: 400 });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await received(from, 1);
  await nothingWaits(id);
  receiver.faults.add({ fault: "status", status: 400 });
  await superuser`update webhook_deliveries set attempts = 9, next_at = now() where endpoint_id = ${id} and state = 'waiting'`;
  await received(from, 2);
  await nothingWaits(id);
  const [dead] = await log(id);
  expect(dead?.state).toBe("dead");
  expect((await eventsOf(dead?.id ?? "")).map(({ action }) => action)).toEqual(["webhook.give-up"]);
  expect(
    await secrets.webhooks.deliveries.replay(owner, {
      company: acme,
      delivery: dead?.id ?? "",
      states: ["dead"],
    }),
  ).toBe(1);
  const sent = await received(from, 3);
  expect(new Set(sent.map((each) => each.id)).size).toBe(1);
  await nothingWaits(id);
  expect((await log(id))[0]).toMatchObject({ state: "delivered", attempts: [{}, {}, {}] });
});

test("410 disables an endpoint, the others are told, and what it missed is sent when it is resumed", async () => {
  const { id, from } = await activeEndpoint({ types: ["secret.created"] });
  const second = await activeEndpoint({ to: other, types: ["webhook.endpoint_disabled"] });
  receiver.faults.add({ fault: "status", status: 410 });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await vi.waitFor(async () => expect((await find(id)).disabledReason).toBe("gone"), 60_000);
  const [told] = await received(second.from, 1, other);
  expect(findNotification(JSON.parse(told?.body ?? ""))).toMatchObject({
    type: "webhook.endpoint_disabled",
    data: { endpoint: id, reason: "ENDPOINT_GONE" },
  });
  await secretsOf(acme).set("CUSTOM_B", "fake-b");
  expect((await log(id)).map(({ state }) => state)).toEqual(["parked", "parked", "delivered"]);
  await superuser`update webhook_deliveries set created_at = now() - interval '73 hours'
    where endpoint_id = ${id} and attempts = 1 and state = 'waiting'`;
  await secrets.webhooks.resume(owner, { company: acme, endpoint: id });
  const sent = await received(from, 2);
  expect(findNotification(JSON.parse(sent[1]?.body ?? ""))?.data).toMatchObject({ secretKey: "CUSTOM_B" });
  await nothingWaits(id);
  expect((await log(id)).map(({ state }) => state).toSorted()).toEqual(["dead", "delivered", "delivered"]);
});

test("a paused endpoint gets nothing, and everything once it is resumed", async () => {
  const { id, from } = await activeEndpoint();
  await secrets.webhooks.pause(owner, { company: acme, endpoint: id });
  for (const name of ["CUSTOM_A", "CUSTOM_B"] as const) await secretsOf(acme).set(name, "fake-paused");
  expect(await find(id)).toMatchObject({ state: "paused", waiting: 2 });
  expect(since(from)).toEqual([]);
  await secrets.webhooks.resume(owner, { company: acme, endpoint: id });
  expect(await received(from, 2)).toHaveLength(2);
});

test("a retry of a pause or a resume, whose first answer was lost, gets the state that the endpoint has", async () => {
  const { id } = await activeEndpoint();
  const name = { company: acme, endpoint: id };
  for (const step of ["resume", "pause", "pause", "resume", "resume"] as const) {
    const described = await secrets.webhooks[step](owner, name);
    expect(described.state).toBe(step === "pause" ? "paused" : "active");
  }
});

test("resuming an active endpoint hastens nothing that waits for its next attempt", async () => {
  const { id, from } = await activeEndpoint();
  receiver.faults.add({ fault: "status", status: 500 });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await received(from, 1);
  await nothingWaits(id);
  await secrets.webhooks.resume(owner, { company: acme, endpoint: id });
  const [waiting] = await superuser`
    select next_at > now() + interval '1 second' as later from webhook_deliveries where endpoint_id = ${id} and state = 'waiting'`;
  expect(waiting?.["later"]).toBe(true);
});

test("an endpoint that failed ten times in five days is disabled, and one success starts the count over", async () => {
  const { id, from } = await activeEndpoint();
  const fail = async (number: number) => {
    receiver.faults.add({ fault: "status", status: 500 });
    await secretsOf(acme).set("CUSTOM_A", `fake-${number}`);
    await received(from, number);
    await nothingWaits(id);
  };
  await fail(1);
  await superuser`update webhook_endpoints set failures = 8, failing_since = now() - interval '6 days' where id = ${id}`;
  await fail(2);
  expect(await find(id)).toMatchObject({ state: "active" });
  await fail(3);
  expect(await find(id)).toMatchObject({ state: "disabled", disabledReason: "failures" });
  await secrets.webhooks.resume(owner, { company: acme, endpoint: id });
  await vi.waitFor(async () => expect((await find(id)).failingSince).toBeUndefined(), 60_000);
});

test("nothing is sent to an address that became private, and three such attempts disable the endpoint", async () => {
  const { id, from } = await activeEndpoint();
  await superuser`update webhook_endpoints set url = 'https://10.0.0.1/hooks' where id = ${id}`;
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  for (let attempt = 1; attempt <= 3; attempt++) {
    await vi.waitFor(async () => {
      const [row] = await superuser`select address_failures as n from webhook_endpoints where id = ${id}`;
      expect(row?.["n"]).toBe(attempt);
    }, 60_000);
    await due(id);
  }
  expect(await find(id)).toMatchObject({ state: "disabled", disabledReason: "address" });
  const refused = (await log(id)).find(({ type }) => type === "secret.created");
  expect(refused?.attempts.map(({ failure }) => failure)).toEqual(["ADDRESS", "ADDRESS", "ADDRESS"]);
  expect(since(from)).toEqual([]);
});

test.each([
  "http://hooks.example.com/",
  "https://127.0.0.1/",
  "https://localhost/",
  "https://metadata.google.internal/",
  "https://user:password@hooks.example.com/",
  "not an address",
])("an endpoint cannot be at %s", async (url) => {
  const refused = secrets.webhooks.create(owner, { company: acme, url, description: "", perSecond: 1 });
  await expect(refused).rejects.toMatchObject({ code: "INVALID_INPUT" });
  expect(await secrets.webhooks.list(owner, acme)).toEqual([]);
});

test("a secret that is rolled signs beside the new one until the overlap ends, and no second roll cuts it off", async () => {
  const { id, secret: old } = await activeEndpoint();
  const name = { company: acme, endpoint: id };
  const rolled = await secrets.webhooks.roll(owner, { ...name, overlapSeconds: 3600, force: false });
  expect(rolled.secret).not.toBe(old);
  expect(await codeOf(secrets.webhooks.roll(owner, { ...name, overlapSeconds: 0, force: false }))).toBe(
    "CONFLICT",
  );
  const verdict = async (secret: string) => {
    const from = receiver.deliveries().length;
    await secrets.webhooks.deliveries.test(owner, name);
    const [last] = since(from);
    return last && (await verifiedBy(secret, last));
  };
  expect([await verdict(old), await verdict(rolled.secret)]).toEqual([true, true]);
  await superuser`update webhook_endpoints set previous_until = now() where id = ${id}`;
  expect([await verdict(old), await verdict(rolled.secret)]).toEqual([false, true]);
  expect((await find(id)).previousSecretUntil).toBeUndefined();
});

async function verifiedBy(secret: string, delivery: ReceivedDelivery): Promise<boolean> {
  const { Webhook } = await import("standardwebhooks");
  try {
    new Webhook(secret).verify(delivery.body, headersOf(delivery));
    return true;
  } catch {
    return false;
  }
}

test("another company's endpoint is not found, to the byte, by any method", async () => {
  const { id } = await activeEndpoint();
  const elsewhere = await fixture.company("database");
  const stranger = await fixture.person(elsewhere, "owner");
  const [delivery] = await log(id);
  const messageOf = async (endpoint: string) => {
    const name = { company: elsewhere, endpoint };
    const calls = [
      secrets.webhooks.update(stranger, { ...name, description: "" }),
      secrets.webhooks.roll(stranger, { ...name, overlapSeconds: 0, force: true }),
      secrets.webhooks.pause(stranger, name),
      secrets.webhooks.resume(stranger, name),
      secrets.webhooks.remove(stranger, name),
      secrets.webhooks.deliveries.test(stranger, name),
      secrets.webhooks.deliveries.replay(stranger, {
        ...name,
        since: new Date(0),
        states: ["dead", "delivered"],
      }),
    ];
    return Promise.all(
      calls.map((call) =>
        (call as Promise<unknown>).then(
          () => "no error",
          (error: unknown) => `${codeFrom(error)} ${String(error)}`,
        ),
      ),
    );
  };
  const unknown = await messageOf("0192f0c0-0000-7000-8000-000000000001");
  expect(unknown.every((text) => text.startsWith("NOT_FOUND"))).toBe(true);
  expect(await messageOf(id)).toEqual(unknown);
  expect(
    await codeOf(
      secrets.webhooks.deliveries.replay(stranger, {
        company: elsewhere,
        delivery: delivery?.id ?? "",
        states: ["dead"],
      }),
    ),
  ).toBe("NOT_FOUND");
  const query = { company: elsewhere, endpoint: id, limit: 50 };
  expect(await codeOf(secrets.webhooks.deliveries.list(stranger, query))).toBe("NOT_FOUND");
  await secrets.webhooks.create(stranger, {
    company: elsewhere,
    url: other.url,
    description: "",
    perSecond: 1,
  });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  const [newer] = await log(id);
  const before = { company: elsewhere, before: newer?.id ?? "", limit: 50 };
  expect(await secrets.webhooks.deliveries.list(stranger, before)).toEqual([]);
  expect(await secrets.webhooks.list(stranger, elsewhere)).toHaveLength(1);
});

function codeFrom(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "none";
}

test("owners and admins manage a company's endpoints, operators the platform's, and programs none", async () => {
  for (const role of ["member", "auditor"] as const)
    expect(await codeOf(secrets.webhooks.list(await fixture.person(acme, role), acme))).toBe("FORBIDDEN");
  expect(await secrets.webhooks.list(await fixture.person(acme, "admin"), acme)).toEqual([]);
  expect(await codeOf(secrets.webhooks.list(operator, acme))).toBe("FORBIDDEN");
  expect(await codeOf(secrets.webhooks.list(product, acme))).toBe("FORBIDDEN");
  expect(await codeOf(secrets.webhooks.list(owner, undefined))).toBe("FORBIDDEN");
  expect(await secrets.webhooks.list(operator, undefined)).toEqual([]);
});

test("the platform's endpoint is told of each company, a company's of its own alone", async () => {
  const { from } = await activeEndpoint();
  const ofPlatform = await activeEndpoint({ ...platform, company: "", to: other });
  const elsewhere = await fixture.company("database");
  await secretsOf(elsewhere).set("CUSTOM_A", "fake-elsewhere");
  await secretsOf(acme).set("CUSTOM_A", "fake-acme");
  const companyOf = ({ body }: ReceivedDelivery) =>
    findNotification(JSON.parse(body))?.data.company?.subdomain;
  expect((await received(from, 1)).map(companyOf)).toEqual([acme]);
  const told = await received(ofPlatform.from, 2, other);
  expect(new Set(told.map(companyOf))).toEqual(new Set([acme, elsewhere]));
});

test("companies cannot ask for what concerns the platform, or have more than ten endpoints", async () => {
  const create = (types?: readonly NotificationType[]) =>
    secrets.webhooks.create(owner, {
      company: acme,
      url: receiver.url,
      types,
      description: "",
      perSecond: 1,
    });
  expect(await codeOf(create(["key.rotated"]))).toBe("INVALID_INPUT");
  await Promise.all(Array.from({ length: 10 }, () => create(["secret.created"])));
  expect(await codeOf(create())).toBe("NOT_SUPPORTED");
});

test("a delivery whose process died is sent again with the same id, and the late result of a lost lease is dropped", async () => {
  const { id, from } = await activeEndpoint();
  await secrets.webhooks.pause(owner, { company: acme, endpoint: id });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await superuser`update webhook_deliveries set lease_until = now() + interval '1 hour', lease_token = 5
    where endpoint_id = ${id} and state = 'waiting'`;
  await secrets.webhooks.resume(owner, { company: acme, endpoint: id });
  const [sent] = await received(from, 1);
  await nothingWaits(id);
  const [row] =
    await superuser`select id, notification_id as notification from webhook_deliveries where endpoint_id = ${id} and type = 'secret.created'`;
  const late = {
    delivery: {
      id: String(row?.["id"]),
      token: 5,
      attempts: 0,
      type: "secret.created",
      notificationId: String(row?.["notification"]),
      body: "",
      endpoint: {
        id,
        companyId: null,
        url: receiver.url,
        secretNumber: 1,
        secretKeyVersion: 1,
        previousKeyVersion: null,
      },
      now: Date.now(),
    },
    startedAt: new Date(),
    milliseconds: 1,
    status: 410,
    failure: "STATUS",
    retryMs: 1,
  };
  await recordAttempts({ database, audit: { ready: async () => {}, recordInTransaction: async () => {} } }, [
    late,
  ]);
  expect(await find(id)).toMatchObject({ state: "active" });
  expect((await log(id))[0]).toMatchObject({ state: "delivered", webhookId: sent?.id });
});

test("what an address answers after the endpoint moved does not verify the new one", async () => {
  const { id } = await activeEndpoint();
  receiver.faults.add({ fault: "delay", ms: 700 });
  const from = receiver.deliveries().length;
  const testing = secrets.webhooks.deliveries.test(owner, { company: acme, endpoint: id });
  await received(from, 1);
  other.faults.add({ fault: "status", status: 500 });
  await secrets.webhooks.update(owner, { company: acme, endpoint: id, url: `${other.url}/stranger` });
  expect(await testing).toMatchObject({ delivered: true });
  expect(await find(id)).toMatchObject({ state: "unverified" });
});

test("one endpoint has four attempts at a time, and one while it fails; a company has eight", async () => {
  const company = await fixture.company("database");
  const [row] = await superuser`select id from companies where subdomain = ${company}`;
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) {
    const [endpoint] = await superuser`
      insert into webhook_endpoints (company_id, url, description, per_second, state, verified_at, secret_key_version, actor_kind, actor_id,
        failing_since, paced_until)
      values (${String(row?.["id"])}, 'https://hooks.example.com/', '', 1000, 'paused', now(), 1, 'job', 'test', ${i === 2 ? new Date() : null}, now())
      returning id`;
    ids.push(String(endpoint?.["id"]));
  }
  await secretsOf(company).setMany(
    Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`CUSTOM_${i}`, "fake-many"])),
  );
  // No worker claims them: the transaction that makes them due claims them before it ends.
  const counts = await superuser.begin(async (sql) => {
    await sql`select pg_advisory_xact_lock(7274021)`;
    await sql`update webhook_endpoints set state = 'active', paced_until = now() - interval '1 second' where id = any(${ids})`;
    return ids;
  });
  const claimed = await vi.waitFor(async () => {
    await claimDue(database, 0);
    const rows = await superuser<{ endpoint: string; attempts: number }[]>`
      select endpoint_id as endpoint, count(*)::int as attempts from webhook_deliveries
      where lease_until > now() and endpoint_id = any(${counts}) group by 1`;
    expect(rows.length).toBeGreaterThan(0);
    return rows;
  }, 60_000);
  for (const { endpoint, attempts } of claimed)
    expect(attempts).toBeLessThanOrEqual(endpoint === ids[2] ? 1 : 4);
  expect(claimed.reduce((sum, { attempts }) => sum + attempts, 0)).toBeLessThanOrEqual(8);
});

test("a test is sent five times a minute, does not tell why nothing answers, and beyond that tells no absent endpoint from a foreign one", async () => {
  const { id } = await activeEndpoint();
  const name = { company: acme, endpoint: id };
  const tester = () => secrets.webhooks.deliveries.test(owner, name);
  receiver.faults.add({ fault: "dropBefore" });
  expect(await tester()).toMatchObject({ delivered: false });
  receiver.faults.add({ fault: "status", status: 418 });
  expect(await tester()).toMatchObject({ delivered: false, statusClass: 4, failure: "STATUS" });
  for (let i = 0; i < 3; i++) expect(await tester()).toMatchObject({ delivered: true, statusClass: 2 });
  await expect(tester()).rejects.toMatchObject({ code: "RATE_LIMITED" });
  const absent = secrets.webhooks.deliveries.test(owner, { ...name, endpoint: randomUUID() });
  await expect(absent).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("a company that is shredded is not notified any more, and its log is gone", async () => {
  const { id, from } = await activeEndpoint();
  await secrets.webhooks.pause(owner, { company: acme, endpoint: id });
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await secrets.shredding.shred(operator, acme, { backupsKeptDays: 30, withInfisicalFolder: false });
  const rows = await superuser`select 1 from webhook_deliveries where endpoint_id = ${id}`;
  expect(rows).toHaveLength(0);
  expect(since(from)).toEqual([]);
});

test("a suspended company is not notified until it is resumed", async () => {
  const { id, from } = await activeEndpoint();
  await secretsOf(acme).set("CUSTOM_A", "fake-a");
  await received(from, 1);
  // Its outcome would end it again.
  await nothingWaits(id);
  await secrets.suspension.suspend(operator, acme);
  await superuser`update webhook_deliveries set state = 'waiting', finished_at = null, next_at = now() where type = 'secret.created'`;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(since(from)).toHaveLength(1);
  await secrets.suspension.resume(operator, acme);
  await received(from, 2);
});

test("every body that was sent is as the schema of its type says", () => {
  const bodies = [receiver, other].flatMap((each) => each.deliveries().map(({ body }) => body));
  expect(bodies.length).toBeGreaterThan(10);
  expect(createSchemaCheck()(bodies)).toEqual([]);
});

test("all of this meets no error in the process that sends", () => {
  expect(errors).toEqual([]);
});
