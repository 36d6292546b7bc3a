import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { actorColumns, at, bytea, wrapColumns, xid8 } from "./columns.ts";
import { masterKeyForeignKey } from "./keys.ts";

/**
 * Keys of the audit log, for the MACs of events and for signing batches, and the key for the MACs of rows that decide who may
 * read (`row`). Likewise the keys of this region: what others encrypt company keys to (`transport`), and what signs copies for them
 * (`copies`). Random, and wrapped. A row key that is `retiring` stays valid while rows get MACs under the next one.
 */
export const auditKeys = pgTable(
  "audit_keys",
  {
    purpose: text("purpose", { enum: ["mac", "signing", "row", "webhook", "transport", "copies"] }).notNull(),
    keyVersion: integer("key_version").notNull(),
    status: text("status", { enum: ["active", "retiring", "retired"] }).notNull(),
    publicKey: text("public_key"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "audit_keys_pkey", columns: [t.purpose, t.keyVersion] }),
    uniqueIndex("audit_keys_one_active")
      .on(t.purpose)
      .where(sql`${t.status} = 'active'`),
    check(
      "audit_keys_purpose_check",
      sql`${t.purpose} in ('mac', 'signing', 'row', 'webhook', 'transport', 'copies')`,
    ),
    check("audit_keys_status_check", sql`${t.status} in ('active', 'retiring', 'retired')`),
  ],
);

export const auditKeyWraps = pgTable(
  "audit_key_wraps",
  {
    purpose: text("purpose").notNull(),
    keyVersion: integer("key_version").notNull(),
    ...wrapColumns(),
  },
  (t) => [
    primaryKey({
      name: "audit_key_wraps_pkey",
      columns: [t.purpose, t.keyVersion, t.region, t.masterKeyVersion],
    }),
    foreignKey({
      name: "audit_key_wraps_key_fkey",
      columns: [t.purpose, t.keyVersion],
      foreignColumns: [auditKeys.purpose, auditKeys.keyVersion],
    }).onDelete("restrict"),
    masterKeyForeignKey("audit_key_wraps_master_key_fkey", t),
  ],
);

/**
 * The audit log. Typed columns only, no values, no free text. `company_id` has no foreign key on purpose: an
 * event must be writable about a company that is gone, and never hold one back.
 */
export const auditEvents = pgTable(
  "audit_events",
  {
    id: uuid("id").notNull(),
    companyId: uuid("company_id"),
    occurredAt: at("occurred_at").notNull(),
    ...actorColumns(),
    action: text("action").notNull(),
    secretKey: text("secret_key"),
    version: integer("version"),
    outcome: text("outcome", { enum: ["success", "denied", "attempted", "failed", "unknown"] }).notNull(),
    reason: text("reason"),
    subject: text("subject"),
    requestId: text("request_id"),
    address: text("address"),
    count: integer("count").notNull().default(1),
    lastAt: at("last_at"),
    /** The process that wrote the event. It numbers its events in sequence, so a missing number reveals a deleted event. */
    writerId: uuid("writer_id"),
    sequenceNo: bigint("sequence_no", { mode: "number" }),
    xid: xid8("xid")
      .notNull()
      .default(sql`pg_current_xact_id()`),
    nonce: bytea("nonce").notNull(),
    macKeyVersion: smallint("mac_key_version").notNull(),
    mac: bytea("mac").notNull(),
    /** The order of arrival, for reading in pages; not part of the MAC. */
    position: bigint("position", { mode: "bigint" }).notNull().generatedAlwaysAsIdentity(),
  },
  (t) => [
    primaryKey({ name: "audit_events_pkey", columns: [t.id] }),
    index("audit_events_company").on(t.companyId, t.position),
    // An id begins with its event's time.
    index("audit_events_company_time").on(t.companyId, t.id),
    index("audit_events_secret").on(t.companyId, t.secretKey, t.position),
    index("audit_events_xid").on(t.xid),
    index("audit_events_prunings")
      .on(t.version)
      .where(sql`${t.action} = 'audit.prune'`),
    check(
      "audit_events_outcome_check",
      sql`${t.outcome} in ('success', 'denied', 'attempted', 'failed', 'unknown')`,
    ),
    check("audit_events_count_check", sql`${t.count} > 0`),
    check(
      "audit_events_sequence_check",
      sql`(${t.writerId} is null) = (${t.sequenceNo} is null) and ${t.sequenceNo} > 0`,
    ),
    check("audit_events_mac_check", sql`octet_length(${t.nonce}) = 16 and octet_length(${t.mac}) = 32`),
  ],
);

/**
 * How much each actor did with each secret of a company in each hour, over the sealed events that are still kept. The sealer
 * adds the events of a batch, and the pruning job takes away those that it removes.
 */
export const auditSummaries = pgTable(
  "audit_summaries",
  {
    companyId: uuid("company_id").notNull(),
    hour: at("hour").notNull(),
    /** Empty for events about no secret. */
    secretKey: text("secret_key").notNull(),
    ...actorColumns(),
    reads: bigint("reads", { mode: "number" }).notNull(),
    reveals: bigint("reveals", { mode: "number" }).notNull(),
    changes: bigint("changes", { mode: "number" }).notNull(),
    denials: bigint("denials", { mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({
      name: "audit_summaries_pkey",
      columns: [t.companyId, t.hour, t.secretKey, t.actorKind, t.actorId],
    }),
    check(
      "audit_summaries_counts_check",
      sql`least(${t.reads}, ${t.reveals}, ${t.changes}, ${t.denials}) >= 0`,
    ),
  ],
);

/** The outcome of each verification of the whole audit log. The event of a verification commits with its row. */
export const auditVerifications = pgTable(
  "audit_verifications",
  {
    id: bigint("id", { mode: "number" }).notNull().generatedAlwaysAsIdentity(),
    startedAt: at("started_at").notNull(),
    finishedAt: at("finished_at").notNull().defaultNow(),
    /** The last batch that was verified; 0 where there was none. */
    throughBatch: integer("through_batch").notNull(),
    findings: integer("findings").notNull(),
  },
  (t) => [primaryKey({ name: "audit_verifications_pkey", columns: [t.id] })],
);

/**
 * Sealed batches of the audit log, each with the events of an interval of transactions: a Merkle tree over them, chained to the
 * batch before, and signed. Never changed.
 */
export const auditCheckpoints = pgTable(
  "audit_checkpoints",
  {
    index: integer("index").notNull(),
    /** The system identifier of the PostgreSQL cluster that it was sealed in: a restore elsewhere shows. */
    cluster: text("cluster").notNull(),
    /** Events up to this position came from a cluster before; the interval of transactions is about those after it. */
    floor: bigint("floor", { mode: "bigint" }).notNull(),
    /** The interval of transactions, from the first on and before the second. */
    fromXid: xid8("from_xid").notNull(),
    toXid: xid8("to_xid").notNull(),
    size: integer("size").notNull(),
    /** For each event in its order, 16 bytes of its id and 32 of its leaf's hash. */
    leaves: bytea("leaves").notNull(),
    /** The signed text: the root, the size and the hash of the previous checkpoint. */
    checkpoint: text("checkpoint").notNull(),
    signature: text("signature").notNull(),
    /** The timeline of the server, and its signature. Null in checkpoints of release 0.1.0. */
    timeline: integer("timeline"),
    timelineSignature: text("timeline_signature"),
    sealedAt: at("sealed_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "audit_checkpoints_pkey", columns: [t.index] }),
    // The batch that an event was sealed in is the first of its floor whose interval ends after the event's transaction.
    index("audit_checkpoints_interval").on(t.floor, t.toXid),
    check("audit_checkpoints_index_check", sql`${t.index} > 0`),
    check("audit_checkpoints_size_check", sql`${t.size} >= 0 and octet_length(${t.leaves}) = 48 * ${t.size}`),
    check("audit_checkpoints_interval_check", sql`${t.fromXid} <= ${t.toXid}`),
  ],
);
