import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  customType,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  smallint,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";

const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => "bytea" });
const xid8 = customType<{ data: string; driverData: string }>({ dataType: () => "xid8" });
const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** A tenant. Never deleted from the table: a subdomain may be freed, the Infisical folder is reserved for ever. */
export const companies = pgTable(
  "companies",
  {
    id: uuid("id").notNull().defaultRandom(),
    subdomain: text("subdomain").notNull(),
    infisicalFolder: text("infisical_folder").notNull(),
    secretStore: text("secret_store", { enum: ["infisical", "hybrid", "database"] }).notNull(),
    /** Raised by every change of `secret_store`, so that work begun under the old one can be noticed. */
    storeEpoch: integer("store_epoch").notNull().default(1),
    status: text("status", { enum: ["active", "suspended", "deleted"] })
      .notNull()
      .default("active"),
    homeRegion: text("home_region").notNull().default("default"),
    /** How long a removed secret can be restored. */
    recoveryDays: integer("recovery_days").notNull().default(30),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
    deletedAt: at("deleted_at"),
  },
  (t) => [
    primaryKey({ name: "companies_pkey", columns: [t.id] }),
    uniqueIndex("companies_subdomain_key")
      .on(t.subdomain)
      .where(sql`${t.deletedAt} is null`),
    unique("companies_infisical_folder_key").on(t.infisicalFolder),
    check("companies_subdomain_check", sql`${t.subdomain} ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'`),
    check("companies_infisical_folder_check", sql`${t.infisicalFolder} ~ '^[A-Za-z0-9_-]{1,255}$'`),
    check("companies_secret_store_check", sql`${t.secretStore} in ('infisical', 'hybrid', 'database')`),
    check("companies_status_check", sql`${t.status} in ('active', 'suspended', 'deleted')`),
    check("companies_recovery_days_check", sql`${t.recoveryDays} between 7 and 90`),
    check("companies_deleted_check", sql`(${t.status} = 'deleted') = (${t.deletedAt} is not null)`),
  ],
);

/** The registry of master keys. The keys themselves live in Infisical. */
export const masterKeys = pgTable(
  "master_keys",
  {
    region: text("region").notNull(),
    version: integer("version").notNull(),
    status: text("status", { enum: ["pending", "active", "retiring", "retired", "destroyed"] }).notNull(),
    derivation: text("derivation", { enum: ["hkdf-sha256", "argon2id"] }).notNull(),
    /** Salt and cost of a passphrase's derivation; empty for HKDF of 256 random bits. */
    parameters: jsonb("parameters").notNull().default({}),
    checkValue: text("check_value").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    activatedAt: at("activated_at"),
    retiredAt: at("retired_at"),
  },
  (t) => [
    primaryKey({ name: "master_keys_pkey", columns: [t.region, t.version] }),
    uniqueIndex("master_keys_one_active")
      .on(t.region)
      .where(sql`${t.status} = 'active'`),
    check("master_keys_region_check", sql`${t.region} ~ '^[a-z][a-z0-9-]{0,31}$'`),
    check("master_keys_version_check", sql`${t.version} > 0`),
    check(
      "master_keys_status_check",
      sql`${t.status} in ('pending', 'active', 'retiring', 'retired', 'destroyed')`,
    ),
    check("master_keys_derivation_check", sql`${t.derivation} in ('hkdf-sha256', 'argon2id')`),
  ],
);

/** The data keys of a company, numbered. Their bytes exist only wrapped, in `company_key_wraps`. */
export const companyKeys = pgTable(
  "company_keys",
  {
    companyId: uuid("company_id").notNull(),
    no: integer("no").notNull(),
    status: text("status", { enum: ["active", "retiring", "retired", "destroyed"] }).notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    destroyedAt: at("destroyed_at"),
  },
  (t) => [
    primaryKey({ name: "company_keys_pkey", columns: [t.companyId, t.no] }),
    foreignKey({
      name: "company_keys_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
    uniqueIndex("company_keys_one_active")
      .on(t.companyId)
      .where(sql`${t.status} = 'active'`),
    check("company_keys_no_check", sql`${t.no} > 0`),
    check("company_keys_status_check", sql`${t.status} in ('active', 'retiring', 'retired', 'destroyed')`),
  ],
);

/** A company key, sealed under one version of one region's master key. The application may only add. */
export const companyKeyWraps = pgTable(
  "company_key_wraps",
  {
    companyId: uuid("company_id").notNull(),
    no: integer("no").notNull(),
    region: text("region").notNull(),
    masterKeyVersion: integer("master_key_version").notNull(),
    wrapped: text("wrapped").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({
      name: "company_key_wraps_pkey",
      columns: [t.companyId, t.no, t.region, t.masterKeyVersion],
    }),
    foreignKey({
      name: "company_key_wraps_key_fkey",
      columns: [t.companyId, t.no],
      foreignColumns: [companyKeys.companyId, companyKeys.no],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_key_wraps_master_key_fkey",
      columns: [t.region, t.masterKeyVersion],
      foreignColumns: [masterKeys.region, masterKeys.version],
    }).onDelete("restrict"),
  ],
);

/**
 * The head of a secret: permanent (a tombstone is a state of it), and the only place of the current version's
 * sealed value. `last_version` 0 is a tombstone of a secret that this database never held.
 */
export const companySecrets = pgTable(
  "company_secrets",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    id: uuid("id").notNull().defaultRandom(),
    secretValueEncrypted: text("secret_value_encrypted"),
    companyKeyNo: integer("company_key_no"),
    currentVersion: integer("current_version"),
    pendingVersion: integer("pending_version"),
    previousVersion: integer("previous_version"),
    previousUntil: at("previous_until"),
    lastVersion: integer("last_version").notNull(),
    origin: text("origin", { enum: ["written", "infisical", "legacy"] }).notNull(),
    expiresAt: at("expires_at"),
    /** At how many days before `expires_at` somebody is reminded, and the fewest for which that was done. */
    reminderDays: integer("reminder_days").array().notNull().default([30, 7, 1]),
    remindedDays: integer("reminded_days"),
    deletedAt: at("deleted_at"),
    recoverUntil: at("recover_until"),
    purgedAt: at("purged_at"),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "company_secrets_pkey", columns: [t.companyId, t.secretKey] }),
    unique("company_secrets_id_key").on(t.companyId, t.id),
    foreignKey({
      name: "company_secrets_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_secrets_key_fkey",
      columns: [t.companyId, t.companyKeyNo],
      foreignColumns: [companyKeys.companyId, companyKeys.no],
    }).onDelete("restrict"),
    check("company_secrets_secret_key_check", sql`${t.secretKey} ~ '^[A-Za-z][A-Za-z0-9_]{0,99}$'`),
    check("company_secrets_origin_check", sql`${t.origin} in ('written', 'infisical', 'legacy')`),
    check(
      "company_secrets_sealed_check",
      sql`(${t.secretValueEncrypted} is null) = (${t.companyKeyNo} is null) and (${t.secretValueEncrypted} is null or ${t.currentVersion} is not null)`,
    ),
    check(
      "company_secrets_versions_check",
      sql`${t.lastVersion} >= 0 and coalesce(${t.currentVersion}, 0) between 0 and ${t.lastVersion} and coalesce(${t.pendingVersion}, 0) between 0 and ${t.lastVersion} and coalesce(${t.previousVersion}, 0) between 0 and ${t.lastVersion}`,
    ),
    check(
      "company_secrets_live_check",
      sql`${t.deletedAt} is not null or ${t.pendingVersion} is not null or ${t.secretValueEncrypted} is not null`,
    ),
  ],
);

/** One row for every version, for ever; it holds the sealed value only while the version is not the current one. */
export const companySecretVersions = pgTable(
  "company_secret_versions",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    version: integer("version").notNull(),
    id: uuid("id").notNull().defaultRandom(),
    previousVersionId: uuid("previous_version_id"),
    sealed: text("sealed"),
    companyKeyNo: integer("company_key_no"),
    fingerprint: text("fingerprint"),
    hint: text("hint"),
    note: text("note"),
    actorKind: text("actor_kind").notNull(),
    actorId: text("actor_id").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    /** What its provider last said of it: `unknown` where the provider could not be asked. */
    checkResult: text("check_result", { enum: ["accepted", "rejected", "unknown"] }),
    checkedAt: at("checked_at"),
    destroyedAt: at("destroyed_at"),
  },
  (t) => [
    primaryKey({ name: "company_secret_versions_pkey", columns: [t.companyId, t.secretKey, t.version] }),
    unique("company_secret_versions_id_key").on(t.companyId, t.id),
    foreignKey({
      name: "company_secret_versions_secret_fkey",
      columns: [t.companyId, t.secretKey],
      foreignColumns: [companySecrets.companyId, companySecrets.secretKey],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_secret_versions_previous_fkey",
      columns: [t.companyId, t.previousVersionId],
      foreignColumns: [t.companyId, t.id],
    }).onDelete("restrict"),
    foreignKey({
      name: "company_secret_versions_key_fkey",
      columns: [t.companyId, t.companyKeyNo],
      foreignColumns: [companyKeys.companyId, companyKeys.no],
    }).onDelete("restrict"),
    check("company_secret_versions_version_check", sql`${t.version} > 0`),
    check("company_secret_versions_note_check", sql`length(${t.note}) <= 500`),
    check(
      "company_secret_versions_check_check",
      sql`(${t.checkResult} is null) = (${t.checkedAt} is null) and ${t.checkResult} in ('accepted', 'rejected', 'unknown')`,
    ),
  ],
);

/** When a secret was last used, to the hour. Apart from its head, so that a read neither locks nor invalidates that one. */
export const secretUses = pgTable(
  "secret_uses",
  {
    companyId: uuid("company_id").notNull(),
    secretKey: text("secret_key").notNull(),
    lastUsedAt: at("last_used_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "secret_uses_pkey", columns: [t.companyId, t.secretKey] }),
    foreignKey({
      name: "secret_uses_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
  ],
);

/** Request ids of writes, kept for a day, so that a retried request applies once. */
export const writeRequests = pgTable(
  "write_requests",
  {
    companyId: uuid("company_id").notNull(),
    actorKind: text("actor_kind").notNull(),
    actorId: text("actor_id").notNull(),
    requestId: text("request_id").notNull(),
    bodyMac: text("body_mac").notNull(),
    version: integer("version").notNull(),
    /** Of several secrets at once: the versions that it made, in the order of the secret keys. */
    versions: integer("versions").array(),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({
      name: "write_requests_pkey",
      columns: [t.companyId, t.actorKind, t.actorId, t.requestId],
    }),
    foreignKey({
      name: "write_requests_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
    check("write_requests_request_id_check", sql`length(${t.requestId}) between 1 and 100`),
    index("write_requests_created_at").on(t.companyId, t.createdAt),
  ],
);

/** People or machines that run the platform. They read no value. */
export const operators = pgTable(
  "operators",
  {
    id: uuid("id").notNull().defaultRandom(),
    name: text("name").notNull(),
    tokenPrefix: text("token_prefix").notNull(),
    tokenHash: text("token_hash").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    revokedAt: at("revoked_at"),
  },
  (t) => [
    primaryKey({ name: "operators_pkey", columns: [t.id] }),
    unique("operators_token_prefix_key").on(t.tokenPrefix),
  ],
);

/** People. They belong to companies by memberships; how they sign in is kept elsewhere. */
export const users = pgTable(
  "users",
  {
    id: uuid("id").notNull().defaultRandom(),
    /** Lower case: the name by which a person is added to a company. */
    email: text("email").notNull(),
    name: text("name").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    disabledAt: at("disabled_at"),
  },
  (t) => [
    primaryKey({ name: "users_pkey", columns: [t.id] }),
    unique("users_email_key").on(t.email),
    check(
      "users_email_check",
      sql`${t.email} = lower(${t.email}) and length(${t.email}) between 3 and 254 and ${t.email} ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'`,
    ),
    check("users_name_check", sql`length(${t.name}) between 1 and 100`),
  ],
);

/** What a person is in a company. */
export const memberships = pgTable(
  "memberships",
  {
    companyId: uuid("company_id").notNull(),
    userId: uuid("user_id").notNull(),
    role: text("role", { enum: ["owner", "admin", "member", "auditor"] }).notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "memberships_pkey", columns: [t.companyId, t.userId] }),
    foreignKey({
      name: "memberships_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
    foreignKey({
      name: "memberships_user_fkey",
      columns: [t.userId],
      foreignColumns: [users.id],
    }).onDelete("restrict"),
    index("memberships_user").on(t.userId),
    check("memberships_role_check", sql`${t.role} in ('owner', 'admin', 'member', 'auditor')`),
  ],
);

/** Credentials of services. `company_id` null is a platform key, whose companies are in `api_key_companies`. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: uuid("id").notNull().defaultRandom(),
    companyId: uuid("company_id"),
    name: text("name").notNull(),
    prefix: text("prefix").notNull(),
    hash: text("hash").notNull(),
    verbs: text("verbs").array().notNull(),
    keyPatterns: text("key_patterns").array().notNull(),
    addresses: text("addresses").array(),
    createdByKind: text("created_by_kind").notNull(),
    createdById: text("created_by_id").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    expiresAt: at("expires_at").notNull(),
    lastUsedAt: at("last_used_at"),
    revokedAt: at("revoked_at"),
  },
  (t) => [
    primaryKey({ name: "api_keys_pkey", columns: [t.id] }),
    unique("api_keys_prefix_key").on(t.prefix),
    foreignKey({
      name: "api_keys_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
    index("api_keys_company").on(t.companyId),
    check(
      "api_keys_verbs_check",
      sql`cardinality(${t.verbs}) > 0 and ${t.verbs} <@ '{describe,use,write,delete,export}'`,
    ),
    check("api_keys_key_patterns_check", sql`cardinality(${t.keyPatterns}) > 0`),
  ],
);

/** The companies that a platform key may act for. */
export const apiKeyCompanies = pgTable(
  "api_key_companies",
  {
    companyId: uuid("company_id").notNull(),
    apiKeyId: uuid("api_key_id").notNull(),
  },
  (t) => [
    primaryKey({ name: "api_key_companies_pkey", columns: [t.companyId, t.apiKeyId] }),
    foreignKey({
      name: "api_key_companies_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
    foreignKey({
      name: "api_key_companies_api_key_fkey",
      columns: [t.apiKeyId],
      foreignColumns: [apiKeys.id],
    }).onDelete("restrict"),
    index("api_key_companies_api_key").on(t.apiKeyId),
  ],
);

/** Keys of the record: a MAC key for events now, signing pairs for batches later. Random, and wrapped. */
export const auditKeys = pgTable(
  "audit_keys",
  {
    purpose: text("purpose", { enum: ["mac", "signing"] }).notNull(),
    no: integer("no").notNull(),
    status: text("status", { enum: ["active", "retired"] }).notNull(),
    publicKey: text("public_key"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "audit_keys_pkey", columns: [t.purpose, t.no] }),
    uniqueIndex("audit_keys_one_active")
      .on(t.purpose)
      .where(sql`${t.status} = 'active'`),
    check("audit_keys_purpose_check", sql`${t.purpose} in ('mac', 'signing')`),
    check("audit_keys_status_check", sql`${t.status} in ('active', 'retired')`),
  ],
);

export const auditKeyWraps = pgTable(
  "audit_key_wraps",
  {
    purpose: text("purpose").notNull(),
    no: integer("no").notNull(),
    region: text("region").notNull(),
    masterKeyVersion: integer("master_key_version").notNull(),
    wrapped: text("wrapped").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "audit_key_wraps_pkey", columns: [t.purpose, t.no, t.region, t.masterKeyVersion] }),
    foreignKey({
      name: "audit_key_wraps_key_fkey",
      columns: [t.purpose, t.no],
      foreignColumns: [auditKeys.purpose, auditKeys.no],
    }).onDelete("restrict"),
    foreignKey({
      name: "audit_key_wraps_master_key_fkey",
      columns: [t.region, t.masterKeyVersion],
      foreignColumns: [masterKeys.region, masterKeys.version],
    }).onDelete("restrict"),
  ],
);

/**
 * The record. Typed columns only, no values, no free text. `company_id` has no foreign key on purpose: an
 * event must be writable about a company that is gone, and never hold one back.
 */
export const auditEvents = pgTable(
  "audit_events",
  {
    id: uuid("id").notNull(),
    companyId: uuid("company_id"),
    occurredAt: at("occurred_at").notNull(),
    actorKind: text("actor_kind").notNull(),
    actorId: text("actor_id").notNull(),
    action: text("action").notNull(),
    secretKey: text("secret_key"),
    version: integer("version"),
    outcome: text("outcome", { enum: ["allowed", "refused", "attempted", "failed", "unknown"] }).notNull(),
    reason: text("reason"),
    subject: text("subject"),
    requestId: text("request_id"),
    address: text("address"),
    count: integer("count").notNull().default(1),
    lastAt: at("last_at"),
    /** The process that wrote it, which numbers its events: a number that is missing is an event that was taken away. */
    stream: uuid("stream"),
    streamNo: bigint("stream_no", { mode: "number" }),
    xid: xid8("xid")
      .notNull()
      .default(sql`pg_current_xact_id()`),
    nonce: bytea("nonce").notNull(),
    macKeyNo: smallint("mac_key_no").notNull(),
    mac: bytea("mac").notNull(),
    /** The order of arrival, for reading in pages; not part of the MAC. */
    position: bigint("position", { mode: "bigint" }).notNull().generatedAlwaysAsIdentity(),
  },
  (t) => [
    primaryKey({ name: "audit_events_pkey", columns: [t.id] }),
    index("audit_events_company").on(t.companyId, t.position),
    index("audit_events_xid").on(t.xid),
    check(
      "audit_events_outcome_check",
      sql`${t.outcome} in ('allowed', 'refused', 'attempted', 'failed', 'unknown')`,
    ),
    check("audit_events_count_check", sql`${t.count} > 0`),
    check(
      "audit_events_stream_check",
      sql`(${t.stream} is null) = (${t.streamNo} is null) and ${t.streamNo} > 0`,
    ),
    check("audit_events_mac_check", sql`octet_length(${t.nonce}) = 16 and octet_length(${t.mac}) = 32`),
  ],
);

/**
 * Sealed batches of the record, each with the events of an interval of transactions: a Merkle tree over them, chained to the
 * batch before, and signed. Never changed.
 */
export const auditBatches = pgTable(
  "audit_batches",
  {
    no: integer("no").notNull(),
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
    /** What is signed: a text that holds the root, the size and the hash of the head before. */
    head: text("head").notNull(),
    signature: text("signature").notNull(),
    sealedAt: at("sealed_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "audit_batches_pkey", columns: [t.no] }),
    check("audit_batches_no_check", sql`${t.no} > 0`),
    check("audit_batches_size_check", sql`${t.size} >= 0 and octet_length(${t.leaves}) = 48 * ${t.size}`),
    check("audit_batches_interval_check", sql`${t.fromXid} <= ${t.toXid}`),
  ],
);

/** Counters that hold across processes and restarts: failures, and what else is limited strictly. */
export const rateLimits = pgTable(
  "rate_limits",
  {
    key: text("key").notNull(),
    points: integer("points").notNull(),
    /** In milliseconds since 1970, as the library that counts writes it; its statements name no column but these three. */
    expire: bigint("expire", { mode: "number" }),
  },
  (t) => [
    primaryKey({ name: "rate_limits_pkey", columns: [t.key] }),
    index("rate_limits_expire").on(t.expire),
    check("rate_limits_key_check", sql`length(${t.key}) between 1 and 200`),
  ],
);

/** The processes that hold keys, and which versions each has loaded: what a rotation waits for. */
export const processes = pgTable(
  "processes",
  {
    id: uuid("id").notNull(),
    region: text("region").notNull(),
    masterKeyVersions: integer("master_key_versions").array().notNull(),
    startedAt: at("started_at").notNull().defaultNow(),
    seenAt: at("seen_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "processes_pkey", columns: [t.id] }),
    index("processes_seen_at").on(t.region, t.seenAt),
  ],
);

/** Rotations of master keys. One at a time in a region; whoever drives it holds a lease on it. */
export const keyRotations = pgTable(
  "key_rotations",
  {
    id: uuid("id").notNull().defaultRandom(),
    region: text("region").notNull(),
    fromVersion: integer("from_version").notNull(),
    toVersion: integer("to_version").notNull(),
    phase: text("phase", {
      enum: ["stage", "backup", "distribute", "activate", "rewrap", "verify", "retire", "report", "done"],
    })
      .notNull()
      .default("stage"),
    startedByKind: text("started_by_kind").notNull(),
    startedById: text("started_by_id").notNull(),
    leaseHolder: uuid("lease_holder"),
    leaseUntil: at("lease_until"),
    /** What the report needs of the time before. */
    before: jsonb("before").notNull(),
    backupChecksum: text("backup_checksum"),
    report: text("report"),
    reportMac: text("report_mac"),
    startedAt: at("started_at").notNull().defaultNow(),
    finishedAt: at("finished_at"),
  },
  (t) => [
    primaryKey({ name: "key_rotations_pkey", columns: [t.id] }),
    uniqueIndex("key_rotations_one_running")
      .on(t.region)
      .where(sql`${t.finishedAt} is null`),
    check("key_rotations_versions_check", sql`${t.toVersion} > ${t.fromVersion}`),
    check("key_rotations_done_check", sql`(${t.phase} = 'done') = (${t.finishedAt} is not null)`),
    foreignKey({
      name: "key_rotations_from_fkey",
      columns: [t.region, t.fromVersion],
      foreignColumns: [masterKeys.region, masterKeys.version],
    }).onDelete("restrict"),
  ],
);

/** Companies whose keys were destroyed for good, each with its signed receipt. */
export const shreddings = pgTable(
  "shreddings",
  {
    companyId: uuid("company_id").notNull(),
    receipt: text("receipt").notNull(),
    signature: text("signature").notNull(),
    shreddedAt: at("shredded_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "shreddings_pkey", columns: [t.companyId] }),
    foreignKey({
      name: "shreddings_company_fkey",
      columns: [t.companyId],
      foreignColumns: [companies.id],
    }).onDelete("restrict"),
  ],
);

/**
 * Every column that holds something sealed: a wrapped key, or a value. Rotation, its report and shredding go through this
 * list, and a test holds it against what is found in the tables.
 */
export const encryptedColumns = [
  { table: "company_key_wraps", column: "wrapped", wraps: true },
  { table: "audit_key_wraps", column: "wrapped", wraps: true },
  { table: "company_secrets", column: "secret_value_encrypted", wraps: false },
  { table: "company_secret_versions", column: "sealed", wraps: false },
] as const;
