import { and, desc, eq, gte, inArray, lte, ne, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  type DeliveryDescription,
  type DeliveryQuery,
  isNotificationType,
  notFound,
  type Replay,
  TenantSecretsError,
  type TestResult,
} from "@repo/catalog";
import type { AuditLog } from "@repo/audit-log";
import type { Database } from "@repo/db";
import type { Counters } from "../access/counters.ts";
import { lockDeliveries } from "../access/webhook-endpoints.ts";
import { audited, type Operations } from "../access/operation.ts";
import type { Companies, Company } from "../companies/companies.ts";
import type { AttemptDelivery } from "./attempt.ts";
import { claimOne } from "./claims.ts";
import { endpointsOf, lockEndpoint } from "./endpoint-rows.ts";
import { type EndpointName, toManage } from "./endpoints.ts";
import { recordAttempts } from "./outcomes.ts";
import { webhookIdOf } from "./signing.ts";
import { insertTest } from "./test-notification.ts";

const { notifications, webhookAttempts, webhookDeliveries, webhookEndpoints } = tables;

/** What was sent to endpoints, and what is sent again. Each method throws FORBIDDEN and NOT_FOUND as those of `Endpoints` do. */
export interface DeliveryLog {
  /** The newest first, with their attempts. @throws {TenantSecretsError} NOT_FOUND for an endpoint that is not theirs */
  list(caller: Caller, query: DeliveryQuery): Promise<readonly DeliveryDescription[]>;
  /** @returns how many are sent again @throws {TenantSecretsError} INVALID_INPUT for more than 10,000 */
  replay(caller: Caller, asked: Replay): Promise<number>;
  /** Sends a test, and waits for its answer. @throws {TenantSecretsError} RATE_LIMITED; CONFLICT for one that is paused or disabled */
  test(caller: Caller, name: EndpointName): Promise<TestResult>;
}

export interface DeliveryLogParts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly audit: Pick<AuditLog, "ready" | "recordInTransaction">;
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly counters: Pick<Counters, "add">;
  readonly attempt: AttemptDelivery;
}

const mostReplayed = 10_000;
/** Replayed deliveries are due one after the other, so many a second. */
const replayedPerSecond = 5;
const testsPerMinute = 5;
const minuteMs = 60_000;

/** Answers that would tell what is open at an address, if they were told apart. */
const alike: ReadonlySet<string> = new Set(["CONNECT", "TIMEOUT", "TLS"]);

export function createDeliveryLog(parts: DeliveryLogParts): DeliveryLog {
  const { database, audit, operations, companies, counters, attempt } = parts;
  return {
    list: async (caller, { company: subdomain, ...query }) => {
      const operation = await toManage(companies, { caller, action: "webhook.log" }, subdomain);
      return operations.read(operation, async (across) =>
        audited(await across((statements) => select(statements, operation.company, query)), {}),
      );
    },

    replay: async (caller, asked) => {
      const meant = meantBy(asked);
      const subject = asked.delivery ?? asked.endpoint;
      const operation = await toManage(
        companies,
        { caller, action: "webhook.replay", subject },
        asked.company,
      );
      const { company } = operation;
      return operations.change(operation, async ({ statements }) => {
        await lockDeliveries(statements);
        if (asked.endpoint !== undefined) await lockEndpoint(statements, company, asked.endpoint);
        const rows = await statements
          .select({ id: webhookDeliveries.id })
          .from(webhookDeliveries)
          .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, webhookDeliveries.endpointId))
          .where(and(endpointsOf(company), ne(webhookDeliveries.state, "waiting"), meant))
          .orderBy(webhookDeliveries.createdAt, webhookDeliveries.id)
          .limit(mostReplayed + 1);
        if (rows.length > mostReplayed) throw tooMany();
        if (rows.length === 0 && asked.delivery !== undefined) throw notFound();
        await statements.execute(sql`
          update webhook_deliveries d set state = 'waiting', attempts = 0, finished_at = null,
            next_at = now() + (r.place - 1) * make_interval(secs => ${1 / replayedPerSecond})
          from json_to_recordset(${JSON.stringify(rows.map(({ id }, i) => ({ id, place: i + 1 })))}::text::json)
            as r(id uuid, place integer)
          where d.id = r.id`);
        return audited(rows.length, {});
      });
    },

    test: async (caller, { company: subdomain, endpoint }) => {
      const operation = await toManage(
        companies,
        { caller, action: "webhook.test", subject: endpoint },
        subdomain,
      );
      const { company } = operation;
      await operations.authorize(operation);
      // Before the count, so that an endpoint of another company is answered as an absent one however often it is asked for.
      const exists = await database.acrossCompanies((statements) =>
        hasEndpoint(statements, company, endpoint),
      );
      if (!exists) return operations.deny(operation, notFound());
      const { points, endsInMs } = await counters.add(`webhook-test ${company?.id ?? "platform"}`, minuteMs);
      if (points > testsPerMinute) return operations.deny(operation, tooOften(endsInMs));
      const claimed = await operations.change(operation, async ({ statements }) => {
        const row = await lockEndpoint(statements, company, endpoint);
        if (row.state === "paused" || row.state === "disabled") throw notSentTo(row.state);
        const id = await insertTest(statements, { row, company, actor: caller.actor });
        return audited(await claimOne(statements, id), {});
      });
      if (claimed === undefined) throw new Error("a delivery that was just added waits");
      const ended = await attempt(claimed);
      await recordAttempts({ database, audit }, [ended]);
      const { status, failure, milliseconds } = ended;
      return {
        delivered: failure === undefined,
        ...(status !== undefined && { statusClass: Math.floor(status / 100) }),
        ...(failure !== undefined && { failure: alike.has(failure) ? "NO_ANSWER" : failure }),
        milliseconds: Math.round(milliseconds),
      };
    },
  };
}

/** @throws {TenantSecretsError} INVALID_INPUT */
function meantBy({ delivery, endpoint, since, until, states }: Replay): SQL | undefined {
  if (delivery !== undefined && endpoint === undefined && since === undefined)
    return eq(webhookDeliveries.id, delivery);
  if (delivery !== undefined || endpoint === undefined || since === undefined) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      "A replay names a delivery, or an endpoint and a time since when.",
    );
  }
  return and(
    eq(webhookDeliveries.endpointId, endpoint),
    inArray(webhookDeliveries.state, [...states]),
    gte(webhookDeliveries.createdAt, since),
    until && lte(webhookDeliveries.createdAt, until),
  );
}

/** A delivery that waits for an endpoint which is not active is parked. */
const shownState = sql<DeliveryDescription["state"]>`case when ${webhookDeliveries.state} = 'waiting'
  and ${webhookEndpoints.state} <> 'active' and ${webhookDeliveries.type} <> 'webhook.test' then 'parked' else ${webhookDeliveries.state} end`;

async function hasEndpoint(
  statements: Statements,
  company: Company | undefined,
  endpoint: string,
): Promise<boolean> {
  const isTheirs = and(endpointsOf(company), eq(webhookEndpoints.id, endpoint));
  const found = await statements.select({ id: webhookEndpoints.id }).from(webhookEndpoints).where(isTheirs);
  return found.length > 0;
}

async function select(
  statements: Statements,
  company: Company | undefined,
  { endpoint, state, before, limit }: Omit<DeliveryQuery, "company">,
): Promise<readonly DeliveryDescription[]> {
  if (endpoint !== undefined && !(await hasEndpoint(statements, company, endpoint))) throw notFound();
  const rows = await statements
    .select({ delivery: webhookDeliveries, state: shownState, body: notifications.body })
    .from(webhookDeliveries)
    .innerJoin(webhookEndpoints, eq(webhookEndpoints.id, webhookDeliveries.endpointId))
    .innerJoin(notifications, eq(notifications.id, webhookDeliveries.notificationId))
    .where(
      and(
        endpointsOf(company),
        endpoint === undefined ? undefined : eq(webhookDeliveries.endpointId, endpoint),
        state === undefined ? undefined : eq(shownState, state),
        before === undefined ? undefined : isBefore(company, before),
      ),
    )
    .orderBy(desc(webhookDeliveries.createdAt), desc(webhookDeliveries.id))
    .limit(limit);
  const ids = rows.map(({ delivery }) => delivery.id);
  const attempts =
    ids.length === 0
      ? []
      : await statements
          .select()
          .from(webhookAttempts)
          .where(inArray(webhookAttempts.deliveryId, ids))
          .orderBy(webhookAttempts.deliveryId, webhookAttempts.startedAt);
  return rows.flatMap(({ delivery, state: shown, body }) =>
    // A type of a later release is not one of ours.
    isNotificationType(delivery.type)
      ? [
          {
            id: delivery.id,
            endpoint: delivery.endpointId,
            webhookId: webhookIdOf(delivery.notificationId),
            type: delivery.type,
            state: shown,
            body,
            createdAt: delivery.createdAt,
            ...(shown === "waiting" && { nextAt: delivery.nextAt }),
            ...(delivery.finishedAt && { finishedAt: delivery.finishedAt }),
            attempts: attempts
              .filter(({ deliveryId }) => deliveryId === delivery.id)
              .map(({ startedAt, milliseconds, status, failure }) => ({
                startedAt,
                milliseconds,
                ...(status !== null && { status }),
                ...(failure !== null && { failure }),
              })),
          },
        ]
      : [],
  );
}

/** No delivery is before one that is not theirs. */
function isBefore(company: Company | undefined, id: string): SQL {
  const owner = company === undefined ? sql`company_id is null` : sql`company_id = ${company.id}`;
  return sql`(${webhookDeliveries.createdAt}, ${webhookDeliveries.id})
    < (select created_at, id from webhook_deliveries where id = ${id} and ${owner})`;
}

function tooMany(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    `More than ${mostReplayed} deliveries are meant: name a shorter time. None is sent again.`,
  );
}

function tooOften(endsInMs: number): TenantSecretsError {
  return new TenantSecretsError(
    "RATE_LIMITED",
    `At most ${testsPerMinute} tests a minute are sent: try again in a moment.`,
    { retryAfterMs: endsInMs },
  );
}

function notSentTo(state: "paused" | "disabled"): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", `This endpoint is ${state}: resume it before it is tested.`);
}
