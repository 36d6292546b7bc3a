import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  pgSequence,
  pgTable,
  primaryKey,
  text,
  uuid,
} from "drizzle-orm/pg-core";
import { at, authenticated, bytea } from "./columns.ts";
import { companyForeignKey } from "./companies.ts";

/** Each state of a copy has a higher one than all earlier states. */
export const copyRevisions = pgSequence("copy_revisions", { startWith: 1 });

/** The other regions, as an operator made them known here. Their keys are public halves, in base64url. */
export const regions = pgTable(
  "regions",
  {
    region: text("region").notNull(),
    /** Of its API, where writes of companies at home there go. */
    address: text("address").notNull(),
    transportKeyVersion: integer("transport_key_version").notNull(),
    transportKey: text("transport_key").notNull(),
    signingKeyVersion: integer("signing_key_version").notNull(),
    signingKey: text("signing_key").notNull(),
    createdAt: at("created_at").notNull().defaultNow(),
    removedAt: at("removed_at"),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "regions_pkey", columns: [t.region] }),
    // Two of them, and what tells them apart, make the name of a subscription, which has at most 63 characters.
    check("regions_region_check", sql`${t.region} ~ '^[a-z][a-z0-9-]{0,19}$'`),
    check("regions_transport_key_check", sql`${t.transportKey} ~ '^[A-Za-z0-9_-]{43}$'`),
    check("regions_signing_key_check", sql`${t.signingKey} ~ '^[A-Za-z0-9_-]{43}$'`),
    check("regions_versions_check", sql`${t.transportKeyVersion} > 0 and ${t.signingKeyVersion} > 0`),
  ],
);

/** The regions that a company is copied to, besides its home. Where it may be, and nothing else says so. */
export const companyRegions = pgTable(
  "company_regions",
  {
    companyId: uuid("company_id").notNull(),
    region: text("region").notNull(),
    since: at("since").notNull().defaultNow(),
    ...authenticated(),
  },
  (t) => [
    primaryKey({ name: "company_regions_pkey", columns: [t.companyId, t.region] }),
    companyForeignKey("company_regions_company_fkey", t.companyId),
    foreignKey({
      name: "company_regions_region_fkey",
      columns: [t.region],
      foreignColumns: [regions.region],
    }).onDelete("restrict"),
  ],
);

/**
 * What a company has in other regions, at its home; and what others have brought here, in the other regions. The one table that is
 * ever published. Rows for another region are made here, rows for this one come by its subscriptions alone.
 */
export const regionCopies = pgTable(
  "region_copies",
  {
    targetRegion: text("target_region").notNull(),
    companyId: uuid("company_id").notNull(),
    kind: text("kind", { enum: ["company", "key", "secret", "move"] }).notNull(),
    /** Of a secret its secret key, of a company key its number, of a move the number of the part; empty for the company itself. */
    name: text("name").notNull(),
    homeRegion: text("home_region").notNull(),
    homeEpoch: integer("home_epoch").notNull(),
    revision: bigint("revision", { mode: "bigint" }).notNull(),
    /** JSON with its `format`; of a key, the key encrypted to the region. */
    body: text("body").notNull(),
    /** The home's, over all of the above. A secret has none: its body is authenticated by the company key. */
    signature: bytea("signature"),
  },
  (t) => [
    // A publication for one region filters by it, and may do so by columns of this key alone.
    primaryKey({ name: "region_copies_pkey", columns: [t.targetRegion, t.companyId, t.kind, t.name] }),
    check("region_copies_kind_check", sql`${t.kind} in ('company', 'key', 'secret', 'move')`),
    check("region_copies_signature_check", sql`(${t.kind} = 'secret') = (${t.signature} is null)`),
    check("region_copies_home_check", sql`${t.targetRegion} <> ${t.homeRegion} and ${t.homeEpoch} > 0`),
    // For all that is of one company: its removal from all regions.
    index("region_copies_company").on(t.companyId),
  ],
);

/** When each home last wrote to each region, by the home's clock: what has arrived there is at most as old as that. */
export const regionBeats = pgTable(
  "region_beats",
  {
    targetRegion: text("target_region").notNull(),
    homeRegion: text("home_region").notNull(),
    beatAt: at("beat_at").notNull(),
  },
  (t) => [primaryKey({ name: "region_beats_pkey", columns: [t.targetRegion, t.homeRegion] })],
);

/**
 * Where companies of other regions are at home, as the copies say: the fence. The company of a copy has no row here, hence no
 * foreign key.
 */
export const companyHomes = pgTable(
  "company_homes",
  {
    companyId: uuid("company_id").notNull(),
    homeRegion: text("home_region").notNull(),
    /** Raised by each move of the home. */
    homeEpoch: integer("home_epoch").notNull(),
    /** When the home deleted the copy of the company; null while it is here, and while it has not come. */
    withdrawnAt: at("withdrawn_at"),
    since: at("since")
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [primaryKey({ name: "company_homes_pkey", columns: [t.companyId] })],
);

/** Copies that arrived and were refused, each place once. They do not stop what comes behind them. */
export const regionRefusals = pgTable(
  "region_refusals",
  {
    companyId: uuid("company_id").notNull(),
    kind: text("kind").notNull(),
    name: text("name").notNull(),
    /** The subscription that brought it. */
    subscription: text("subscription").notNull(),
    operation: text("operation", { enum: ["INSERT", "UPDATE", "DELETE"] }).notNull(),
    /** Of another place, by a region that is not the home, of an earlier home, or older than what is here. */
    reason: text("reason", { enum: ["place", "home", "epoch", "revision"] }).notNull(),
    /** Of the refused copy; of a deletion, of what it would have deleted. */
    homeEpoch: integer("home_epoch").notNull(),
    revision: bigint("revision", { mode: "bigint" }).notNull(),
    count: integer("count").notNull().default(1),
    firstAt: at("first_at")
      .notNull()
      .default(sql`clock_timestamp()`),
    lastAt: at("last_at")
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [
    primaryKey({
      name: "region_refusals_pkey",
      columns: [t.companyId, t.kind, t.name, t.subscription],
    }),
    index("region_refusals_last_at").on(t.lastAt),
  ],
);

/** What this region has signed of companies that are gone from it: their last copy and all that was its own of them. */
export const regionReceipts = pgTable(
  "region_receipts",
  {
    companyId: uuid("company_id").notNull(),
    homeRegion: text("home_region").notNull(),
    goneAt: at("gone_at").notNull(),
    receipt: text("receipt").notNull(),
    signature: text("signature").notNull(),
  },
  (t) => [
    primaryKey({ name: "region_receipts_pkey", columns: [t.companyId, t.goneAt] }),
    index("region_receipts_gone_at").on(t.goneAt),
  ],
);
