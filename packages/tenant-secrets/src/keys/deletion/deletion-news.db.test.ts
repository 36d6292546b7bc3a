import { startJobs } from "@repo/db/jobs";
import { whenDone } from "@repo/db/testing";
import { createSmtpMail } from "@repo/mail";
import { startInbox } from "@repo/mail/inbox";
import { createOutbound } from "@repo/outbound";
import { startWebhookReceiver } from "@repo/providers/webhook-receiver";
import { expect, test, vi } from "vitest";
import { createTasks } from "../../jobs/jobs.ts";
import { createFixture, operator, product, type Fixture } from "../../testing/fixture.ts";
import { createSchemaCheck } from "../../testing/notification-schemas.ts";
import { verifyNotification } from "../../verify-notification.ts";

// What a deletion tells whom: taken from what a receiver of webhooks and a mail server got.

const fixture = await createFixture();
const { superuser } = fixture;
const inbox = await startInbox();
const receiver = await startWebhookReceiver();
const secrets = fixture.another({
  outbound: createOutbound({ allow: [new URL(receiver.url).host] }),
  mail: {
    send: createSmtpMail({ url: inbox.smtpUrl, from: "no-reply@example.test" }),
    publicUrl: "https://admin.example.test",
  },
});
await secrets.prepare();
const deliveries = secrets.startDeliveries(() => {});
const jobs = await startJobs({
  maintenanceUrl: fixture.urls.maintenance,
  tasks: createTasks({ database: fixture.database, secrets, log: () => {} }),
  cron: {},
  log: () => {},
});
whenDone(async () => {
  await Promise.all([deliveries.stop(), jobs.stop()]);
  await Promise.all([inbox.stop(), receiver.stop()]);
});

type Caller = Awaited<ReturnType<Fixture["person"]>>;

interface Endpoint {
  readonly path: string;
  readonly secret: string;
}

/** An endpoint that has answered its test. @param company undefined for the platform's */
async function endpointOf(caller: Caller | typeof operator, company?: string): Promise<Endpoint> {
  const path = `/${company ?? "platform"}`;
  const { secret, endpoint } = await secrets.webhooks.create(caller, {
    url: `${receiver.url}${path}`,
    description: "",
    perSecond: 1000,
    ...(company !== undefined && { company }),
  });
  receiver.trust({ secret, publicKey: endpoint.publicKey });
  await vi.waitFor(async () => {
    const listed = await secrets.webhooks.list(caller, company);
    expect(listed.find(({ id }) => id === endpoint.id)?.state).toBe("active");
  }, 60_000);
  return { path, secret };
}

/** What an endpoint got of a deletion, in order of time. */
async function newsAt({ path, secret }: Endpoint, company: string) {
  const verified = await Promise.all(
    receiver
      .deliveries()
      .filter((delivery) => delivery.path === path)
      .map(({ id = "", timestamp = "", signatures = "", body }) =>
        verifyNotification(
          { secrets: [secret] },
          {
            headers: { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures },
            body,
          },
        ),
      ),
  );
  return verified
    .flatMap(({ notification }) => notification ?? [])
    .filter(({ type, data }) => /^company\.(?:delet|kept)/.test(type) && data.company?.subdomain === company)
    .toSorted((one, other) => one.timestamp.localeCompare(other.timestamp));
}

const subjectsTo = (address: string) =>
  inbox
    .mails()
    .filter(({ to }) => to === address)
    .map(({ subject }) => subject);

const emailOf = async ({ userId }: Caller): Promise<string> => {
  const [row] = await superuser`select email from users where id = ${userId}`;
  return String(row?.["email"]);
};

async function setUp() {
  const company = await fixture.company("database");
  await secrets.company(company, product).set("CUSTOM_A", "fake-custom-0001");
  const [owner, admin, member] = [
    await fixture.person(company, "owner"),
    await fixture.person(company, "admin"),
    await fixture.person(company, "member"),
  ];
  const addresses = await Promise.all([emailOf(owner), emailOf(admin)]);
  const endpoint = await endpointOf(owner, company);
  return { company, addresses, endpoint, memberAddress: await emailOf(member) };
}

/** As if days had passed: the job looks again. */
async function pass(run: string, days: number): Promise<void> {
  await superuser`update runs set not_before = null, input = jsonb_set(input, '{deleteAtMs}',
    to_jsonb((input->>'deleteAtMs')::float8 - ${days * 86_400_000}::float8)) where id = ${run}`;
  await superuser`update graphile_worker._private_jobs set run_at = now() where key = ${run}`;
  await superuser`select graphile_worker.add_job('delete-company', json_build_object('run', ${run}::text), job_key => ${run})`;
}

const soon = { timeout: 60_000, interval: 50 };
const platform = await endpointOf(operator);
const ask = { backupsKeptDays: 30, withInfisicalFolder: false };

test("owners, admins and the suspended company's endpoints hear of each moment until the end, and operators of the end itself", async () => {
  const { company, addresses, endpoint, memberAddress } = await setUp();
  const { run, deleteAt } = await secrets.deletions.schedule(operator, company, { ...ask, afterDays: 30 });
  const typesAt = async (at: Endpoint) => (await newsAt(at, company)).map(({ type }) => type);
  await vi.waitFor(async () => expect(await typesAt(endpoint)).toEqual(["company.deletion_scheduled"]), soon);
  const [scheduled] = await newsAt(endpoint, company);
  expect(scheduled?.data).toMatchObject({
    run,
    deleteAt: deleteAt.toISOString(),
    actor: { kind: "operator" },
  });

  await pass(run, 24);
  await vi.waitFor(async () => expect(await typesAt(endpoint)).toHaveLength(2), soon);
  await pass(run, 5.5);
  const told = ["company.deletion_scheduled", "company.deletion_due", "company.deletion_due"];
  await vi.waitFor(async () => expect(await typesAt(endpoint)).toEqual(told), soon);
  expect((await secrets.companies.get(operator, company)).status).toBe("suspended");

  await pass(run, 1);
  await vi.waitFor(async () => expect(await typesAt(platform)).toEqual([...told, "company.deleted"]), soon);
  const soonDeleted = `${company} will be deleted soon`;
  const subjects = [`${company} will be deleted`, soonDeleted, soonDeleted, `${company} was deleted`];
  for (const address of addresses)
    await vi.waitFor(() => expect(subjectsTo(address)).toEqual(subjects), soon);
  expect(subjectsTo(memberAddress)).toEqual([]);
  // Its endpoint went with the company, before the last one.
  expect(await typesAt(endpoint)).toEqual(told);
  const ended = (await newsAt(platform, company)).at(-1);
  expect(ended?.data).toMatchObject({ run, actor: { kind: "job", id: "delete-company" } });
}, 180_000);

test("a deletion that is undone is told of, also where the company stays suspended, and a short window has no reminder of the past", async () => {
  const { company, addresses, endpoint } = await setUp();
  await secrets.suspension.suspend(operator, company);
  const { run } = await secrets.deletions.schedule(operator, company, { ...ask, afterDays: 5 });
  await pass(run, 0);
  await vi.waitFor(async () => expect(await newsAt(endpoint, company)).toHaveLength(1), soon);
  expect(await secrets.deletions.keep(operator, company)).toMatchObject({ status: "suspended" });
  const told = ["company.deletion_scheduled", "company.kept"];
  for (const at of [endpoint, platform])
    await vi.waitFor(
      async () => expect((await newsAt(at, company)).map(({ type }) => type)).toEqual(told),
      soon,
    );
  for (const address of addresses)
    await vi.waitFor(
      () => expect(subjectsTo(address)).toEqual([`${company} will be deleted`, `${company} is not deleted`]),
      soon,
    );
});

test("while a company is suspended its endpoints get nothing else, and what waited comes once it is resumed", async () => {
  const { company, endpoint } = await setUp();
  await secrets.deletions.schedule(operator, company, { ...ask, afterDays: 30 });
  const owner = await secrets.members.add(operator, company, {
    email: `late-${company}@example.test`,
    name: "Late",
    role: "member",
  });
  await vi.waitFor(async () => expect(await newsAt(endpoint, company)).toHaveLength(1), soon);
  const all = () =>
    receiver
      .deliveries()
      .filter(({ path }) => path === endpoint.path)
      .map(({ body }) => body);
  expect(all().filter((body) => body.includes("member.added"))).toEqual([]);
  await secrets.deletions.keep(operator, company);
  await vi.waitFor(() => expect(all().filter((body) => body.includes("member.added"))).toHaveLength(1), soon);
  expect(owner.role).toBe("member");
});

test("every body fits the schema of its type, and no body or subject holds an address or a value", async () => {
  const bodies = receiver.deliveries().map(({ body }) => body);
  expect(bodies.length).toBeGreaterThan(10);
  expect(createSchemaCheck()(bodies)).toEqual([]);
  for (const body of bodies) {
    expect(body).not.toContain("@example");
    expect(body).not.toContain("fake-custom");
  }
  for (const { text } of inbox.mails()) expect(text).not.toContain("fake-custom");
});
