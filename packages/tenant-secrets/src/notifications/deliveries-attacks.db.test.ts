import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { createOutbound } from "@repo/outbound";
import { startWebhookReceiver, type WebhookReceiver } from "@repo/providers/webhook-receiver";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { systemCaller, webhookOperations } from "@repo/catalog";
import { createTasks } from "../jobs/jobs.ts";
import { DELIVERY_KILLS } from "../testing/env.ts";
import { createFixture, operator, product, type Person } from "../testing/fixture.ts";
import { parseNotification } from "../verify-notification.ts";
import { claimDue } from "./claims.ts";

const fixture = await createFixture();
const { superuser, database } = fixture;

let receiver: WebhookReceiver;
let secrets: typeof fixture.secrets;
let acme: string;
let owner: Person;
const errors: unknown[] = [];

/** How long an answer may take; undefined: as long as in production. */
let timeoutMs: number | undefined;

beforeAll(async () => {
  receiver = await startWebhookReceiver();
  const outbound = createOutbound({ allow: [new URL(receiver.url).host] });
  const impatient = {
    ...outbound,
    fetch: (url: string, request: Parameters<typeof outbound.fetch>[1]) =>
      outbound.fetch(url, { ...request, ...(timeoutMs !== undefined && { timeoutMs }) }),
  };
  secrets = fixture.another({ outbound: impatient });
});
afterAll(() => receiver.stop());
beforeEach(async () => {
  // The key that secrets of endpoints come from is made with the first one.
  const made = await secrets.webhooks.create(operator, { url: receiver.url, description: "", perSecond: 1 });
  await secrets.webhooks.remove(operator, { endpoint: made.endpoint.id });
  acme = await fixture.company("database");
  owner = await fixture.person(acme, "owner");
  return () => superuser`truncate webhook_attempts, webhook_deliveries, webhook_endpoints`;
});

const secretsOf = (company: string, as = product) => secrets.company(company, as);

/** Endpoints that have answered their tests, added by plain SQL so that no test of theirs is sent. */
async function verified(
  company: string,
  { count = 1, url = `${receiver.url}/${company}` } = {},
): Promise<readonly string[]> {
  const rows = await superuser`
    insert into webhook_endpoints (company_id, url, description, per_second, state, verified_at, secret_key_version, actor_kind, actor_id)
    select c.id, ${url}::text || '/' || i, '', 1000, 'active', now(), 1, 'job', 'test'
    from companies c, generate_series(1, ${count}) i where c.subdomain = ${company} returning id`;
  return rows.map((row) => String(row["id"]));
}

/** Sends in this process until the test ends. */
function sending(): void {
  const running = secrets.startDeliveries((error) => errors.push(error));
  onTestFinished(() => running.stop());
}

const arrivedAt = (path: string) => receiver.deliveries().filter((each) => each.path.startsWith(path));
const waitingFor = async () => {
  const [row] =
    await superuser`select count(*)::int as count from webhook_deliveries where state = 'waiting'`;
  return Number(row?.["count"]);
};
const delivered = () =>
  vi.waitFor(async () => expect(await waitingFor()).toBe(0), { timeout: 60_000, interval: 200 });

const kills = Number(DELIVERY_KILLS ?? 4);
/** Before the claim commits, before and between the attempts of it, and before what became of them is recorded. */
const killPoints = [0, 1, 5, 6, 2, 3, 4] as const;
const script = fileURLToPath(new URL("../testing/doomed-process.ts", import.meta.url));

function begin(): ChildProcessByStdio<Writable, null, null> {
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "inherit", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

test(
  "each event arrives, under one id, whatever process is killed between its commit and the record of its delivery",
  { timeout: 240_000 + kills * 10_000 },
  async () => {
    await verified(acme);
    const names = Array.from({ length: 100 }, (_, i) => `CUSTOM_${i}`);
    await secretsOf(acme).setMany(Object.fromEntries(names.map((name) => [name, "fake-many"])));
    // The next process loads its code while the one before it works.
    let next = begin();
    for (let kill = 0; kill < kills; kill++) {
      const child = next;
      next = begin();
      const { siteUrl, clientId, clientSecret, projectId } = fixture.emulator;
      child.stdin.end(
        JSON.stringify({
          work: "deliver",
          killAt: killPoints[kill % killPoints.length],
          allow: [new URL(receiver.url).host],
          applicationUrl: fixture.urls.application,
          maintenanceUrl: fixture.urls.maintenance,
          infisical: { siteUrl, clientId, clientSecret, projectId },
        }),
      );
      await once(child, "exit");
      expect(child.signalCode).toBe("SIGKILL");
      // The lease of the process ends, half a minute later.
      await superuser`update webhook_deliveries set lease_until = now() where lease_until is not null`;
    }
    expect(await waitingFor()).toBeGreaterThan(0);
    sending();
    await delivered();
    const arrived = arrivedAt(`/${acme}`);
    const told = new Map(arrived.map(({ id, body }) => [id, body]));
    const tellOf = [...told.values()].map((body) => {
      const notification = parseNotification(body);
      return notification?.type === "secret.created" ? notification.data.secretKey : undefined;
    });
    expect(tellOf).toHaveLength(100);
    expect(new Set(tellOf)).toEqual(new Set(names));
    for (const { id, body } of arrived) expect(told.get(id)).toBe(body);
    expect(arrived.length).toBeGreaterThan(100);
    if (DELIVERY_KILLS !== undefined)
      console.log(`${kills} kills, ${names.length} events, ${arrived.length} attempts arrived`);
  },
);

test("fifty writers at once are told to each endpoint, each change once", { timeout: 180_000 }, async () => {
  await verified(acme, { count: 3 });
  sending();
  // A busy machine answers some of them that a company asks for too much at once.
  const write = (i: number) =>
    vi.waitFor(() => secretsOf(acme).set(`CUSTOM_${i}`, "fake-once", { expectedVersion: 0 }), 60_000);
  await Promise.all(Array.from({ length: 50 }, (_, i) => write(i)));
  await delivered();
  for (const endpoint of [1, 2, 3]) {
    const ids = arrivedAt(`/${acme}/${endpoint}`).map(({ id }) => id);
    expect(ids).toHaveLength(50);
    expect(new Set(ids).size).toBe(50);
  }
});

test("a company with nine dead endpoints and a large backlog takes eight attempts, and another company has its own", async () => {
  const elsewhere = await fixture.company("database");
  const dead = await verified(acme, { count: 9, url: "https://dead.example.com" });
  await verified(elsewhere);
  const backlog = async (company: string, count: number) => superuser`
    with n as (
      insert into notifications (id, company_id, type, body)
      select gen_random_uuid(), c.id, 'secret.created', '{}' from companies c, generate_series(1, ${count}) where subdomain = ${company} returning id, company_id, type
    ) insert into webhook_deliveries (endpoint_id, notification_id, company_id, type, next_at)
      select e.id, n.id, n.company_id, n.type, now() - interval '1 hour' from n join webhook_endpoints e on e.company_id = n.company_id`;
  await backlog(acme, 2000);
  await backlog(elsewhere, 10);
  const ownersOf = (claimed: Awaited<ReturnType<typeof claimDue>>) =>
    claimed.map(({ endpoint }) => (dead.includes(endpoint.id) ? acme : elsewhere));
  // They are chosen in turn, though all of acme's have been due for as long.
  expect(ownersOf(await claimDue(database, 2)).toSorted()).toEqual([acme, elsewhere].toSorted());
  const more = ownersOf(await claimDue(database, 100));
  expect(more.filter((company) => company === acme)).toHaveLength(7);
  expect(more.filter((company) => company === elsewhere)).toHaveLength(3);
  // The dead ones have all that a company may have, and get no more while nothing of theirs ends.
  await superuser`update webhook_deliveries set state = 'delivered', finished_at = now(), lease_until = null
    where lease_until is not null and company_id = (select id from companies where subdomain = ${elsewhere})`;
  await superuser`update webhook_endpoints set paced_until = now() - interval '1 second'`;
  expect(new Set(ownersOf(await claimDue(database, 100)))).toEqual(new Set([elsewhere]));
});

test("an answer that comes after the time is none: the delivery is repeated with the same id", async () => {
  const [id = ""] = await verified(acme);
  timeoutMs = 400;
  receiver.faults.add({ fault: "delay", ms: 3 * timeoutMs });
  sending();
  await secretsOf(acme).set("CUSTOM_A", "fake-late");
  const attempts = () =>
    superuser<{ failure: string | null }[]>`select failure from webhook_attempts order by started_at`;
  await vi.waitFor(async () => expect(await attempts()).toHaveLength(1), 60_000);
  timeoutMs = undefined;
  await superuser`update webhook_deliveries set next_at = now() where endpoint_id = ${id}`;
  await delivered();
  expect((await attempts()).map(({ failure }) => failure)).toEqual(["TIMEOUT", null]);
  const [first, second] = arrivedAt(`/${acme}`);
  expect([second?.id, second?.body]).toEqual([first?.id, first?.body]);
});

test.each([
  ["quotes", '"'],
  ["control characters", "\u0001"],
  ["letters of four bytes", "\u{1F511}"],
])("a change is told with the longest names, also of %s", async (_, letter) => {
  const secretKey = `CUSTOM_${"A".repeat(93)}` as const;
  const actor = letter.repeat(1000 / letter.length);
  await verified(acme);
  sending();
  const as = systemCaller(actor, { verbs: ["write"], secretKeys: ["*"] });
  await secretsOf(acme, as).set(secretKey, "fake-long");
  await delivered();
  const [told] = arrivedAt(`/${acme}`);
  expect(Buffer.byteLength(told?.body ?? "")).toBeLessThanOrEqual(4096);
  expect(parseNotification(told?.body ?? "")).toMatchObject({
    type: "secret.created",
    data: { secretKey, actor: { kind: "job" } },
  });
});

test("names of JavaScript are no types, and are text in a description", async () => {
  const { input } = webhookOperations.create;
  for (const type of ["__proto__", "constructor", "toString", ""])
    expect(input.safeParse({ url: receiver.url, types: [type] }).success).toBe(false);
  const description = '{"__proto__": {"isAdmin": true}}';
  const { endpoint } = await secrets.webhooks.create(owner, {
    company: acme,
    url: receiver.url,
    description,
    perSecond: 1,
  });
  expect(endpoint.description).toBe(description);
});

test("no value is in what is stored of notifications, nor in an error", async () => {
  const canary = "sk_test_fake_canary_stored_0001";
  await verified(acme, { count: 2 });
  sending();
  receiver.faults.add({ fault: "status", status: 500 });
  await secretsOf(acme).set("STRIPE_SECRET_KEY", canary, { note: "canary note" });
  await secretsOf(acme).stage("STRIPE_SECRET_KEY", `${canary}2`);
  await secretsOf(acme).promote("STRIPE_SECRET_KEY");
  const scope = await fixture.scope(acme, owner);
  await secrets.vault.reveal(scope, { secretKey: "STRIPE_SECRET_KEY", purpose: "debugging" });
  await vi.waitFor(() => expect(arrivedAt(`/${acme}`).length).toBeGreaterThanOrEqual(6), 60_000);
  const tables = ["webhook_endpoints", "notifications", "webhook_deliveries", "webhook_attempts"];
  for (const name of tables) {
    const rows = await superuser`select t::text as row from ${superuser(name)} t`;
    expect(rows.length, name).toBeGreaterThan(0);
    expect(JSON.stringify(rows), name).not.toMatch(/canary|whsec_/);
  }
  expect(JSON.stringify([receiver.deliveries(), errors])).not.toMatch(/canary/);
});

test("deliveries are forgotten after 30 days with their attempts and notifications, and no others", async () => {
  await verified(acme);
  sending();
  await secretsOf(acme).set("CUSTOM_A", "fake-old");
  await delivered();
  const past = superuser`now() - interval '31 days'`;
  await superuser`update webhook_deliveries set created_at = ${past}`;
  await superuser`update notifications set created_at = ${past}`;
  await secretsOf(acme).set("CUSTOM_B", "fake-new");
  await delivered();
  const task = createTasks({ secrets, database, log: () => {} })["forget-deliveries"];
  await task?.({}, { signal: new AbortController().signal });
  const [left] = await superuser`select (select count(*)::int from webhook_deliveries) as deliveries,
    (select count(*)::int from webhook_attempts) as attempts, (select json_agg(body::json->'data'->>'secretKey') from notifications) as told`;
  expect({ ...left }).toEqual({ deliveries: 1, attempts: 1, told: ["CUSTOM_B"] });
});

test("a rotation of the master key leaves the secrets of endpoints as they are, under the new key", async () => {
  const { endpoint } = await secrets.webhooks.create(owner, {
    company: acme,
    url: receiver.url,
    description: "",
    perSecond: 1,
  });
  await fixture.secrets.keyRotation.rotate(operator, {
    backup: () => Promise.resolve("sha256:fake"),
    timeoutMs: 5000,
  });
  const wraps =
    await superuser`select max(master_key_version)::int as version from audit_key_wraps where purpose = 'webhook'`;
  expect(wraps[0]?.["version"]).toBe(2);
  const [seen] = await fixture.another().webhooks.list(owner, acme);
  expect(seen?.publicKey).toBe(endpoint.publicKey);
});

test("all of this meets no error in the process that sends", () => {
  expect(errors).toEqual([]);
});
