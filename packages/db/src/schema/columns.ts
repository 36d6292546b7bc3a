import { customType, timestamp } from "drizzle-orm/pg-core";

export const bytea = customType<{ data: Buffer; driverData: Buffer }>({ dataType: () => "bytea" });
export const xid8 = customType<{ data: string; driverData: string }>({ dataType: () => "xid8" });
export const at = (name: string) => timestamp(name, { withTimezone: true, precision: 3 });
