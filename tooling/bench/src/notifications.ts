import { createServer } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type AuditLog, createAuditLog } from "@repo/audit-log";
import { createOutbound } from "@repo/outbound";
import postgres from "postgres";
import { startDeployment, type Deployment } from "./deployment.ts";
import { interleaved, perSecond, ratioOf, timed } from "./measuring.ts";
import { populate, secretKeyOf, subdomainOf } from "./population.ts";
import { startReader } from "./reading.ts";
import { percentile, row, throughputRow, type Row } from "./row.ts";
import { product, serve, type Serving } from "./serving.ts";

const companies = 1000;
const secretsOfEach = 10;
const writeMs = 1500;
const lanes = 8;
const deliveries = 4000;
const endpoints = 16;
/** The first of the hundred companies that are written to: another process reads others, and knows their values. */
const written = 900;

/** What notifications cost a write, how fast they are sent, and how long it takes to begin the rotations that are due. */
export async function benchNotifications(): Promise<Row[]> {
  const deployment = await startDeployment();
  const superuser = postgres(deployment.superuserUrl, { max: 1, onnotice: () => {} });
  try {
    await populate(deployment, { companies, secretsOfEach });
    return [
      ...(await benchWrites(deployment, superuser)),
      await benchDeliveries(deployment, superuser),
      ...(await benchDispatch(deployment, superuser)),
    ];
  } finally {
    await superuser.end();
    await deployment.stop();
  }
}

/** The audit log as it would be without notifications: the same events, of an outcome that notifies of nothing. */
const openQuiet: typeof createAuditLog = (...given) => {
  const log = createAuditLog(...given);
  const recordInTransaction: AuditLog["recordInTransaction"] = (statements, caller, entries) =>
    log.recordInTransaction(
      statements,
      caller,
      ("action" in entries ? [entries] : entries).map((entry) => ({
        ...entry,
        outcome: "attempted" as const,
      })),
    );
  return { ...log, recordInTransaction };
};

async function benchWrites(deployment: Deployment, superuser: postgres.Sql): Promise<Row[]> {
  const [quiet, notifying] = [await serve(deployment, { openAuditLog: openQuiet }), await serve(deployment)];
  let value = 0;
  const write =
    ({ secrets }: Serving) =>
    (): Promise<number> =>
      perSecond({ lanes, forMs: writeMs }, (i) =>
        secrets
          .company(subdomainOf(written + (i % 100)), product)
          .set(secretKeyOf(i % secretsOfEach), `fake-${value++}`),
      );
  const rows: Row[] = [];
  for (const count of [0, 1] as const) {
    if (count === 1) await addEndpoints(superuser, 100);
    const results = await interleaved(write(quiet), write(notifying));
    const what = `\`set\`, with ${count === 0 ? "no endpoint" : "an endpoint of its company"}`;
    // The target is of time: its inverse is of throughput.
    const target = count === 0 ? 1 / 1.05 : 1 / 1.15;
    rows.push(
      throughputRow({
        name: `notifications.set-${count}`,
        what,
        against: "the same without notifications",
        ratio: ratioOf(what, "a second", results),
        target: Math.round(target * 100) / 100,
      }),
    );
  }
  await Promise.all([quiet.stop(), notifying.stop()]);
  return rows;
}

/** Paused endpoints of the first companies: what they are told of waits. */
async function addEndpoints(
  superuser: postgres.Sql,
  count: number,
  url = "https://hooks.example.com/",
): Promise<void> {
  await superuser`
    insert into webhook_endpoints (company_id, url, description, state, verified_at, per_second, secret_key_version, actor_kind, actor_id)
    select id, ${url}, 'bench', 'paused', now(), 1000, 1, 'job', 'bench' from companies where subdomain like 'company-9__' limit ${count}`;
}

async function benchDeliveries(deployment: Deployment, superuser: postgres.Sql): Promise<Row> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(204).end());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server that listens has a port");
  const host = `127.0.0.1:${address.port}`;
  await superuser`truncate webhook_attempts, webhook_deliveries, webhook_endpoints, notifications`;
  const sending = await serve(deployment, { outbound: createOutbound({ allow: [host] }) });
  // The key that the endpoints' secrets are derived from is made with the first.
  const operator = { actor: { kind: "operator", id: "bench" } } as const;
  const asked = { url: `http://${host}/`, description: "", perSecond: 1000 };
  await sending.secrets.webhooks.create(operator, asked);
  await addEndpoints(superuser, endpoints, `http://${host}/`);
  await superuser`
    insert into notifications (id, company_id, type, body)
    select gen_random_uuid(), e.company_id, 'secret.updated', '{"type":"secret.updated","version":1,"data":{}}'
    from webhook_endpoints e, generate_series(1, ${Math.ceil(deliveries / endpoints)}) where e.company_id is not null`;
  await superuser`
    insert into webhook_deliveries (endpoint_id, notification_id, company_id, type)
    select e.id, n.id, n.company_id, n.type from notifications n join webhook_endpoints e on e.company_id = n.company_id`;
  await superuser`update webhook_endpoints set state = 'active', paced_until = now() - interval '1 second'`;
  const startedAt = performance.now();
  const running = sending.secrets.startDeliveries((error) => console.error(error.message));
  for (;;) {
    const [left] = await superuser`select count(*)::int as n from webhook_deliveries where state = 'waiting'`;
    if (left?.["n"] === 0) break;
    await sleep(50);
  }
  const rate = (1000 * deliveries) / (performance.now() - startedAt);
  await running.stop();
  await sending.stop();
  server.close();
  console.log(
    `${deliveries} notifications to ${endpoints} endpoints at a local receiver: ${rate.toFixed(0)} a second`,
  );
  return throughputRow({
    name: "notifications.deliveries",
    what: `notifications to ${endpoints} endpoints at a local receiver, signed and logged`,
    against: "500 a second",
    ratio: rate / 500,
    target: 1,
  });
}

async function benchDispatch(deployment: Deployment, superuser: postgres.Sql): Promise<Row[]> {
  await superuser`truncate webhook_attempts, webhook_deliveries, webhook_endpoints, notifications`;
  await superuser`
    insert into rotation_policies (company_id, secret_key, driver, settings, schedule, overlap_seconds, next_due_at, due_for_version, actor_kind, actor_id)
    select company_id, secret_key, 'generated', '{}', '{"every":"P30D"}', 0, now(), current_version, 'job', 'bench'
    from company_secrets where secret_key like 'CUSTOM_%' limit 10000`;
  await superuser`analyze rotation_policies`;
  const reader = await startReader(deployment, { companies: 100, secretsOfEach });
  await sleep(4000);
  const startedAt = Date.now();
  const { signal } = new AbortController();
  let started = 0;
  const ms = await timed(async () => {
    ({ started } = await deployment.secrets.rotation.startDue(signal));
  });
  const endedAt = Date.now();
  await sleep(500);
  const samples = await reader.stop();
  const msOf = (from: number, to: number) =>
    samples.filter(({ at }) => at >= from && at <= to).map((each) => each.ms);
  const [idle, during] = [msOf(0, startedAt), msOf(startedAt, endedAt)];
  console.log(
    `${started} rotations begun in ${ms.toFixed(0)} ms; reads p99 ${percentile(idle, 0.99).toFixed(2)} ms idle (${idle.length}), ${percentile(during, 0.99).toFixed(2)} ms meanwhile (${during.length})`,
  );
  return [
    row({
      name: "rotation.dispatch",
      what: `beginning the ${started} rotations that are due`,
      against: "2 s",
      ratio: ms / 2000,
      target: 1,
    }),
    row({
      name: "rotation.reads",
      what: "p99 of another process's cold reads meanwhile",
      against: "the same, idle",
      ratio: percentile(during, 0.99) / percentile(idle, 0.99),
      target: 1.5,
    }),
  ];
}
