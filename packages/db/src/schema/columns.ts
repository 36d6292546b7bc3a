import { customType, integer, pgSequence, smallint, timestamp } from "drizzle-orm/pg-core";

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => "bytea" });
export const xid8 = customType<{ data: string; driverData: string }>({ dataType: () => "xid8" });
export const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });

/** Numbers the states of rows that decide who may read, each state of any of them with a higher one than those before. */
export const rowRevisions = pgSequence("row_revisions", { startWith: 1, maxValue: 2_147_483_647 });

/** Of a row that decides who may read: the number of its state, and a MAC over the state by the process that wrote it. */
export const authenticated = () => ({
  revision: integer("revision").notNull(),
  macKeyVersion: smallint("mac_key_version").notNull(),
  mac: bytea("mac").notNull(),
});
