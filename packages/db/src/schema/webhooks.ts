import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  real,
  smallint,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { actorColumns, at } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";

/** Where a company, or the platform (no company), is notified. Its secrets are derived, and stored nowhere. */
export const webhookEndpoints = pgTable(
  "webhook_endpoints",
  {
    id: uuid("id").notNull().defaultRandom(),
    companyId: uuid("company_id"),
    url: text("url").notNull(),
    /** The types of notifications that it gets; null: all. */
    types: text("types").array(),
    description: text("description").notNull(),
    /** `unverified` until it has answered a test with a 2xx: until then it gets nothing else. */
    state: text("state", { enum: ["unverified", "active", "paused", "disabled"] })
      .notNull()
      .default("unverified"),
    disabledReason: text("disabled_reason", { enum: ["gone", "failures", "address"] }),
    /** When it first answered with a 2xx: since then it is told of every change, at once or when it is active again. */
    verifiedAt: at("verified_at"),
    /** Requests a second at most. */
    perSecond: integer("per_second").notNull(),
    /** The last request may have begun at this time by the rate: the next one begins one interval later. */
    pacedUntil: at("paced_until").notNull().defaultNow(),
    /** Half of the rate until then, because it asked for less. */
    throttledUntil: at("throttled_until"),
    /** Since its last success: when attempts began to fail, how many did, and how many of the last were refused for its address. */
    failingSince: at("failing_since"),
    failures: integer("failures").notNull().default(0),
    addressFailures: integer("address_failures").notNull().default(0),
    /** Of the current secret, and of the one before it until its end. */
    secretNumber: integer("secret_number").notNull().default(1),
    secretKeyVersion: integer("secret_key_version").notNull(),
    previousKeyVersion: integer("previous_key_version"),
    previousUntil: at("previous_until"),
    ...actorColumns(),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "webhook_endpoints_pkey", columns: [t.id] }),
    companyForeignKey("webhook_endpoints_company_fkey", t.companyId),
    index("webhook_endpoints_company").on(t.companyId),
    check("webhook_endpoints_url_check", sql`length(${t.url}) between 1 and 2048`),
    check("webhook_endpoints_state_check", sql`${t.state} in ('unverified', 'active', 'paused', 'disabled')`),
    check(
      "webhook_endpoints_disabled_check",
      sql`(${t.state} = 'disabled') = (${t.disabledReason} is not null) and ${t.disabledReason} in ('gone', 'failures', 'address')`,
    ),
    check("webhook_endpoints_rate_check", sql`${t.perSecond} between 1 and 1000`),
    check(
      "webhook_endpoints_previous_check",
      sql`(${t.previousKeyVersion} is null) = (${t.previousUntil} is null) and ${t.secretNumber} > 0`,
    ),
  ],
);

/** A notification, with the bytes that each attempt sends. Its id is that of the event. */
export const notifications = pgTable(
  "notifications",
  {
    id: uuid("id").notNull(),
    companyId: uuid("company_id"),
    type: text("type").notNull(),
    body: text("body").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "notifications_pkey", columns: [t.id] }),
    companyForeignKey("notifications_company_fkey", t.companyId),
    index("notifications_created").on(t.createdAt),
    check("notifications_body_check", sql`octet_length(${t.body}) between 2 and 4096`),
  ],
);

/** One notification on its way to one endpoint. */
export const webhookDeliveries = pgTable(
  "webhook_deliveries",
  {
    id: uuid("id").notNull().defaultRandom(),
    endpointId: uuid("endpoint_id").notNull(),
    notificationId: uuid("notification_id").notNull(),
    companyId: uuid("company_id"),
    type: text("type").notNull(),
    /** `dead`: given up, and can be replayed. */
    state: text("state", { enum: ["waiting", "delivered", "dead"] })
      .notNull()
      .default("waiting"),
    attempts: integer("attempts").notNull().default(0),
    /** The next attempt begins no earlier. */
    nextAt: at("next_at").notNull().defaultNow(),
    /** A process attempts it until then. A later lease has a higher token. */
    leaseUntil: at("lease_until"),
    leaseToken: bigint("lease_token", { mode: "number" }).notNull().default(0),
    createdAt: at("created_at").notNull().defaultNow(),
    finishedAt: at("finished_at"),
  },
  (t) => [
    primaryKey({ name: "webhook_deliveries_pkey", columns: [t.id] }),
    foreignKey({
      name: "webhook_deliveries_endpoint_fkey",
      columns: [t.endpointId],
      foreignColumns: [webhookEndpoints.id],
    }).onDelete("restrict"),
    foreignKey({
      name: "webhook_deliveries_notification_fkey",
      columns: [t.notificationId],
      foreignColumns: [notifications.id],
    }).onDelete("restrict"),
    index("webhook_deliveries_waiting")
      .on(t.endpointId, t.nextAt)
      .where(sql`${t.state} = 'waiting'`),
    index("webhook_deliveries_leased")
      .on(t.leaseUntil)
      .where(sql`${t.leaseUntil} is not null`),
    index("webhook_deliveries_of_endpoint").on(t.endpointId, t.createdAt, t.id),
    index("webhook_deliveries_notification").on(t.notificationId),
    check("webhook_deliveries_state_check", sql`${t.state} in ('waiting', 'delivered', 'dead')`),
    check(
      "webhook_deliveries_finished_check",
      sql`(${t.state} = 'waiting') = (${t.finishedAt} is null) and (${t.leaseUntil} is null or ${t.state} = 'waiting')`,
    ),
  ],
);

/** The log of attempts. It holds nothing that the other side answered but its status. */
export const webhookAttempts = pgTable(
  "webhook_attempts",
  {
    deliveryId: uuid("delivery_id").notNull(),
    companyId: uuid("company_id"),
    startedAt: at("started_at").notNull(),
    milliseconds: real("milliseconds").notNull(),
    status: smallint("status"),
    /** Why there is no answer with a 2xx, by one of our codes. */
    failure: text("failure"),
  },
  (t) => [
    primaryKey({ name: "webhook_attempts_pkey", columns: [t.deliveryId, t.startedAt] }),
    foreignKey({
      name: "webhook_attempts_delivery_fkey",
      columns: [t.deliveryId],
      foreignColumns: [webhookDeliveries.id],
    }).onDelete("restrict"),
  ],
);
