import { customType, integer, pgSequence, smallint, text, timestamp } from "drizzle-orm/pg-core";

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => "bytea" });
export const xid8 = customType<{ data: string; driverData: string }>({ dataType: () => "xid8" });
export const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** Revisions of the rows that decide who may read: each state of any such row has a higher one than all earlier states. */
export const rowRevisions = pgSequence("row_revisions", { startWith: 1, maxValue: 2_147_483_647 });

/** Of a row that decides who may read: its revision, and a MAC over its state by the process that wrote it. */
export const authenticated = () => ({
  revision: integer("revision").notNull(),
  macKeyVersion: smallint("mac_key_version").notNull(),
  mac: bytea("mac").notNull(),
});

/** A key wrapped by one version of one region's master key. */
export const wrapColumns = () => ({
  region: text("region").notNull(),
  masterKeyVersion: integer("master_key_version").notNull(),
  wrapped: text("wrapped").notNull(),
  createdAt: at("created_at").notNull().defaultNow(),
});

/** The actor of the row. */
export const actorColumns = () => ({
  actorKind: text("actor_kind").notNull(),
  actorId: text("actor_id").notNull(),
});
