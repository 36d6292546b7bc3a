import { eq, sql } from "drizzle-orm";
import { z } from "zod";
import { tables, type Database, type Statements } from "@repo/db";
import type { Outbound } from "@repo/outbound";
import {
  type Caller,
  companyNotificationTypes,
  type EndpointChange,
  type EndpointDescription,
  type EndpointRoll,
  type EndpointWithSecret,
  maxEndpoints,
  type NewEndpoint,
  type NotificationType,
  notificationTypes,
  notFound,
  TenantSecretsError,
} from "@repo/catalog";
import type { AuditAction } from "@repo/audit-log";
import { lockDeliveries, removeEndpoints } from "../access/webhook-endpoints.ts";
import { audited, type Operation, type Operations } from "../access/operation.ts";
import type { Companies, Company } from "../companies/companies.ts";
import {
  changeEndpoint,
  describeEndpoint,
  endpointsOf,
  lockEndpoint,
  selectEndpoints,
  signingOf,
  type EndpointRow,
  type SeenEndpoint,
} from "./endpoint-rows.ts";
import { type EndpointSigning, secretText } from "./signing.ts";
import { insertTest } from "./test-notification.ts";

const { webhookEndpoints, webhookDeliveries } = tables;

/** Which endpoint is meant: of a company, or of the platform. */
export interface EndpointName {
  readonly company?: string | undefined;
  readonly endpoint: string;
}

/**
 * Where notifications are sent. A company's owners and admins manage its endpoints, operators those of the platform. Each method
 * throws FORBIDDEN, and NOT_FOUND for a company or an endpoint that is not the caller's.
 */
export interface Endpoints {
  list(caller: Caller, company: string | undefined): Promise<readonly EndpointDescription[]>;
  eventTypes(caller: Caller, company: string | undefined): Promise<readonly NotificationType[]>;
  /**
   * @returns the endpoint with its secret, which is derived: a retry of a request with an id gets the same
   * @throws {TenantSecretsError} INVALID_INPUT for an address that is not sent to, and a type that companies do not get;
   *   NOT_SUPPORTED for one more than there can be
   */
  create(caller: Caller, endpoint: NewEndpoint): Promise<EndpointWithSecret>;
  /** @throws {TenantSecretsError} INVALID_INPUT as `create` */
  update(caller: Caller, change: EndpointChange): Promise<EndpointDescription>;
  /**
   * @returns as `create`
   * @throws {TenantSecretsError} CONFLICT while an earlier secret still signs, and for a retry after one more roll
   */
  roll(caller: Caller, roll: EndpointRoll): Promise<EndpointWithSecret>;
  /** Idempotent. @throws {TenantSecretsError} CONFLICT for one that is disabled */
  pause(caller: Caller, name: EndpointName): Promise<EndpointDescription>;
  /** Idempotent. @throws {TenantSecretsError} CONFLICT for one that has yet to answer its test */
  resume(caller: Caller, name: EndpointName): Promise<EndpointDescription>;
  remove(caller: Caller, name: EndpointName): Promise<void>;
}

export interface EndpointParts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly signing: EndpointSigning;
  readonly outbound: Pick<Outbound, "check">;
}

type WebhookAction = AuditAction & `webhook.${string}`;

/** The operation on the endpoints of a company or the platform, with the company. */
export async function toManage(
  companies: Pick<Companies, "resolve">,
  asked: { readonly caller: Caller; readonly action: WebhookAction; readonly subject?: string | undefined },
  subdomain: string | undefined,
): Promise<Operation & { readonly company?: Company }> {
  const needed = { ...asked, verb: "webhooks", to: "manage webhook endpoints" } as const;
  if (subdomain === undefined) return needed;
  return { ...needed, company: (await companies.resolve(asked, subdomain)).company };
}

/** The stored answer of a request: the number of the secret that it made. */
const MadeSecret = z.object({ endpoint: z.uuid(), secretNumber: z.int() });
type MadeSecret = z.infer<typeof MadeSecret>;

/** Deliveries that waited for longer than this, in hours, are not sent when their endpoint is resumed. */
const resumedHours = 72;

export function createEndpoints(parts: EndpointParts): Endpoints {
  const { database, operations, companies, signing, outbound } = parts;
  const seen = async (statements: Statements, row: Pick<EndpointRow, "id">): Promise<SeenEndpoint> => {
    const [found] = await selectEndpoints(statements, eq(webhookEndpoints.id, row.id));
    if (found === undefined) throw notFound();
    return found;
  };

  const withSecret = async (made: MadeSecret, company?: Company): Promise<EndpointWithSecret> => {
    const endpoint = await database.acrossCompanies((statements) => seen(statements, { id: made.endpoint }));
    if (endpoint.row.secretNumber !== made.secretNumber)
      throw conflict("This request made a secret that was rolled since: roll it with a new request id.");
    const [keys] = await signing.keysOf(signingOf(endpoint));
    return { secret: secretText(keys), endpoint: await describeEndpoint(signing, endpoint, company) };
  };

  /** One change of an endpoint that is there. */
  const change = async (
    caller: Caller,
    { company: subdomain, endpoint, action }: EndpointName & { readonly action: WebhookAction },
    work: (statements: Statements, row: EndpointRow) => Promise<unknown>,
  ): Promise<{ readonly endpoint: SeenEndpoint; readonly company: Company | undefined }> => {
    const operation = await toManage(companies, { caller, action, subject: endpoint }, subdomain);
    const { company } = operation;
    return operations.change(operation, async ({ statements }) => {
      const row = await lockEndpoint(statements, company, endpoint);
      await work(statements, row);
      return audited({ endpoint: await seen(statements, row), company }, {});
    });
  };

  const described = async ({ endpoint, company }: Awaited<ReturnType<typeof change>>) =>
    describeEndpoint(signing, endpoint, company);

  /** @throws {TenantSecretsError} INVALID_INPUT */
  const requireUrl = async (url: string): Promise<void> => {
    const refusal = await outbound.check(url);
    if (refusal !== undefined) throw new TenantSecretsError("INVALID_INPUT", refusal.message);
  };

  return {
    list: async (caller, subdomain) => {
      const operation = await toManage(companies, { caller, action: "webhook.list" }, subdomain);
      const { company } = operation;
      return operations.read(operation, async (across) => {
        const rows = await across((statements) => selectEndpoints(statements, endpointsOf(company)));
        const endpoints = await Promise.all(rows.map((row) => describeEndpoint(signing, row, company)));
        return audited(endpoints, {});
      });
    },

    eventTypes: async (caller, subdomain) => {
      const operation = await toManage(companies, { caller, action: "webhook.list" }, subdomain);
      return operations.read(operation, async () => audited(typesFor(operation.company), {}));
    },

    create: async (caller, { company: subdomain, requestId, ...asked }) => {
      const operation = await toManage(companies, { caller, action: "webhook.create" }, subdomain);
      const { company } = operation;
      await operations.authorize(operation);
      requireTypes(asked.types, company);
      await requireUrl(asked.url);
      const keyVersion = await signing.keyVersion();
      const once = { requestId, asked: { company: subdomain, ...asked }, answer: MadeSecret };
      const made = await operations.change(
        { ...operation, guard: ({ statements }) => lockDeliveries(statements), once },
        async ({ statements }) => {
          const there = await selectEndpoints(statements, endpointsOf(company));
          if (there.length >= maxEndpoints) throw tooMany();
          const [row] = await statements
            .insert(webhookEndpoints)
            .values({
              companyId: company?.id ?? null,
              url: asked.url,
              types: asked.types === undefined ? null : [...new Set(asked.types)],
              description: asked.description,
              perSecond: asked.perSecond,
              secretKeyVersion: keyVersion,
              actorKind: caller.actor.kind,
              actorId: caller.actor.id,
            })
            .returning();
          if (row === undefined) throw new Error("an insert returned no row");
          await insertTest(statements, { row, company, actor: caller.actor });
          return audited({ endpoint: row.id, secretNumber: row.secretNumber }, { subject: row.id });
        },
      );
      return withSecret(made, company);
    },

    update: async (caller, { url, types, description, perSecond, ...name }) => {
      const operation = await toManage(
        companies,
        { caller, action: "webhook.update", subject: name.endpoint },
        name.company,
      );
      await operations.authorize(operation);
      requireTypes(types ?? undefined, operation.company);
      if (url !== undefined) await requireUrl(url);
      const changed = await change(caller, { ...name, action: "webhook.update" }, async (statements, row) => {
        const moves = url !== undefined && url !== row.url;
        await changeEndpoint(statements, row.id, {
          ...(types !== undefined && { types: types === null ? null : [...new Set(types)] }),
          ...(description !== undefined && { description }),
          ...(perSecond !== undefined && { perSecond }),
          ...(moves && { url, state: "unverified", disabledReason: null, ...succeeding }),
        });
        if (moves) await insertTest(statements, { row, company: operation.company, actor: caller.actor });
      });
      return described(changed);
    },

    roll: async (caller, { company: subdomain, requestId, ...asked }) => {
      const { endpoint, overlapSeconds, force } = asked;
      const operation = await toManage(
        companies,
        { caller, action: "webhook.roll", subject: endpoint },
        subdomain,
      );
      await operations.authorize(operation);
      const keyVersion = await signing.keyVersion();
      const once = { requestId, asked: { company: subdomain, ...asked }, answer: MadeSecret };
      const made = await operations.change({ ...operation, once }, async ({ statements }) => {
        const row = await lockEndpoint(statements, operation.company, endpoint);
        if ((await seen(statements, row)).isOverlapping && !force) throw overlapping(row);
        const { secretNumber } = await changeEndpoint(statements, row.id, {
          secretNumber: row.secretNumber + 1,
          secretKeyVersion: keyVersion,
          previousKeyVersion: row.secretKeyVersion,
          previousUntil: sql`now() + make_interval(secs => ${overlapSeconds})`,
        });
        return audited({ endpoint, secretNumber }, {});
      });
      return withSecret(made, operation.company);
    },

    pause: async (caller, name) =>
      described(
        await change(caller, { ...name, action: "webhook.pause" }, async (statements, { id, state }) => {
          if (state === "disabled")
            throw conflict("This endpoint is disabled: nothing is sent to it. Resume or remove it.");
          await changeEndpoint(statements, id, { state: "paused" });
        }),
      ),

    resume: async (caller, name) =>
      described(
        await change(caller, { ...name, action: "webhook.resume" }, async (statements, row) => {
          if (row.state === "active") return;
          if (row.state === "unverified")
            throw conflict("This endpoint has yet to answer its test with a 2xx: send it another one.");
          const isVerified = row.verifiedAt !== null;
          await changeEndpoint(statements, row.id, {
            state: isVerified ? "active" : "unverified",
            disabledReason: null,
            ...succeeding,
          });
          await statements.execute(sql`
            update ${webhookDeliveries} set
              state = case when created_at < now() - make_interval(hours => ${resumedHours}) then 'dead' else state end,
              finished_at = case when created_at < now() - make_interval(hours => ${resumedHours}) then now() end,
              next_at = now(), lease_until = null
            where endpoint_id = ${row.id} and state = 'waiting'`);
        }),
      ),

    remove: async (caller, { company: subdomain, endpoint }) => {
      const operation = await toManage(
        companies,
        { caller, action: "webhook.remove", subject: endpoint },
        subdomain,
      );
      await operations.change(operation, async ({ statements }) => {
        const { id } = await lockEndpoint(statements, operation.company, endpoint);
        await removeEndpoints(statements, eq(webhookEndpoints.id, id));
        return audited(undefined, {});
      });
    },
  };
}

/** As an endpoint is after a success. */
const succeeding = { failingSince: null, failures: 0, addressFailures: 0, throttledUntil: null } as const;

function typesFor(company: Company | undefined): readonly NotificationType[] {
  return company === undefined ? notificationTypes : companyNotificationTypes;
}

/** @throws {TenantSecretsError} INVALID_INPUT */
function requireTypes(types: readonly NotificationType[] | undefined, company: Company | undefined): void {
  const known = typesFor(company);
  const other = types?.find((type) => !known.includes(type));
  if (other === undefined) return;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    `Companies are not notified of ${other}: it concerns the platform.`,
  );
}

function tooMany(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `There are ${maxEndpoints} webhook endpoints, and can be no more: remove one.`,
  );
}

function overlapping({ previousUntil }: EndpointRow): TenantSecretsError {
  return conflict(
    `The secret before the current one signs until ${previousUntil?.toISOString()}, and may still be in use: wait, or force the roll, which ends it.`,
  );
}

function conflict(message: string): TenantSecretsError {
  return new TenantSecretsError("CONFLICT", message);
}
