import { beforeEach, describe, expect, test } from "vitest";
import type { RetentionOptions } from "../access/retention.ts";
import { codeOf, createFixture, operator, silentUrl } from "../testing/fixture.ts";

const fixture = await createFixture();
const { superuser, secrets } = fixture;
const never = new AbortController().signal;

let acme: string;
let endpoint: string;
beforeEach(async () => {
  acme = await fixture.company("database");
  const created = await secrets.webhooks.create(await fixture.person(acme, "owner"), {
    company: acme,
    url: silentUrl,
    description: "",
    perSecond: 1,
  });
  endpoint = created.endpoint.id;
  await set("active");
  await superuser`truncate webhook_attempts, webhook_deliveries, notifications`;
});

const set = (state: string) =>
  superuser`update webhook_endpoints set state = ${state}, disabled_reason = ${state === "disabled" ? "gone" : null} where id = ${endpoint}`;
const forget = (retention?: RetentionOptions) =>
  fixture.another({ retention }).retention.forgetDeliveries(never);

/** A delivery with an attempt and its notification, which was made so long ago. */
async function delivery(
  name: string,
  ago: string,
  { state = "delivered", type = "secret.write" } = {},
): Promise<void> {
  await superuser`with n as (
      insert into notifications (id, company_id, type, body, created_at)
      select gen_random_uuid(), id, ${type}, ${JSON.stringify({ name })}, now() - ${ago}::interval from companies where subdomain = ${acme} returning *
    ), d as (
      insert into webhook_deliveries (endpoint_id, notification_id, company_id, type, state, created_at, finished_at)
      select ${endpoint}, id, company_id, ${type}, ${state}, created_at, case when ${state} <> 'waiting' then created_at end from n returning *
    ) insert into webhook_attempts (delivery_id, company_id, started_at, milliseconds) select id, company_id, created_at, 1 from d`;
}

async function left(): Promise<readonly string[]> {
  const rows = await superuser<{ name: string }[]>`
    select n.body::json->>'name' as name from webhook_attempts a join webhook_deliveries d on d.id = a.delivery_id
    join notifications n on n.id = d.notification_id order by 1`;
  return rows.map(({ name }) => name);
}

const countNotifications = async () => (await superuser`select from notifications`).length;

test.each([
  { retention: undefined, due: "30 days", young: "29 days 23 hours 59 minutes" },
  { retention: { deliveryDays: 4 }, due: "4 days", young: "3 days 23 hours 59 minutes" },
  { retention: { deliveryDays: 365 }, due: "365 days", young: "364 days 23 hours 59 minutes" },
])(
  "deliveries are kept for $due, with their attempts and notifications",
  async ({ retention, due, young }) => {
    for (const state of ["delivered", "dead"]) {
      await delivery(`${state} young`, young, { state });
      await delivery(`${state} due`, due, { state });
    }
    await forget(retention);
    expect(await left()).toEqual(["dead young", "delivered young"]);
    expect(await countNotifications()).toBe(2);
  },
);

describe("a delivery that waits", () => {
  test("stays while its endpoint is sent to, also after a replay of an old one", async () => {
    await delivery("to be tried", "90 days", { state: "waiting" });
    await forget();
    expect(await left()).toEqual(["to be tried"]);
  });

  test.each(["paused", "disabled", "unverified"])("is forgotten where its endpoint is %s", async (state) => {
    await delivery("parked", "30 days", { state: "waiting" });
    await delivery("parked young", "29 days", { state: "waiting" });
    await set(state);
    await forget();
    expect(await left()).toEqual(["parked young"]);
  });

  test("stays as the test of an endpoint that is not verified", async () => {
    await delivery("test", "30 days", { state: "waiting", type: "webhook.test" });
    await set("unverified");
    await forget();
    expect(await left()).toEqual(["test"]);
  });

  test("stays while it is being attempted", async () => {
    await delivery("attempted", "30 days", { state: "waiting" });
    await set("paused");
    await superuser`update webhook_deliveries set lease_until = now() + interval '30 seconds'`;
    await forget();
    expect(await left()).toEqual(["attempted"]);
  });
});

test("nothing of a suspended company is forgotten, until it is resumed", async () => {
  await delivery("old", "90 days");
  await superuser`insert into notifications (id, company_id, type, body, created_at)
    select gen_random_uuid(), id, 'secret.write', '{}', now() - interval '90 days' from companies where subdomain = ${acme}`;
  await secrets.suspension.suspend(operator, acme);
  await forget();
  expect([await left(), await countNotifications()]).toEqual([["old"], 2]);
  await secrets.suspension.resume(operator, acme);
  await forget();
  expect([await left(), await countNotifications()]).toEqual([[], 0]);
});

describe("ten thousand and more deliveries", () => {
  beforeEach(async () => {
    await superuser`with n as (
        insert into notifications (id, company_id, type, body, created_at)
        select gen_random_uuid(), c.id, 'secret.write', '{}', now() - interval '40 days' from companies c, generate_series(1, 11000) where subdomain = ${acme} returning *
      ) insert into webhook_deliveries (endpoint_id, notification_id, company_id, type, state, created_at, finished_at)
      select ${endpoint}, id, company_id, type, 'delivered', created_at, created_at from n`;
  });
  const count = async () => (await superuser`select from webhook_deliveries`).length;

  test("are forgotten by two processes at the same time", async () => {
    await Promise.all([forget(), forget()]);
    expect([await count(), await countNotifications()]).toEqual([0, 0]);
  });

  test("are forgotten by the next job where the connection was ended in the middle of a batch", async () => {
    await superuser.unsafe(`create sequence deleted;
      create function end_connection() returns trigger language plpgsql security definer as $$
      begin if nextval('deleted') = 7000 then perform pg_terminate_backend(pg_backend_pid()); end if; return old; end $$`);
    await superuser`create trigger end_connection before delete on webhook_deliveries for each row execute function end_connection()`;
    expect(await codeOf(forget())).not.toBe("no error");
    await superuser`drop trigger end_connection on webhook_deliveries`;
    expect([await count(), await countNotifications()]).toEqual([6000, 6000]);
    await forget();
    expect([await count(), await countNotifications()]).toEqual([0, 0]);
  });
});
