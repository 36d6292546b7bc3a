import { sql } from "drizzle-orm";
import { check, index, jsonb, pgTable, primaryKey, text } from "drizzle-orm/pg-core";
import { actorColumns, at } from "./columns.ts";

/** Request ids of changes to companies, members and API keys, stored for a day, so that a retried request applies once. */
export const managementRequests = pgTable(
  "management_requests",
  {
    ...actorColumns(),
    requestId: text("request_id").notNull(),
    /** SHA-256 of the request. */
    digest: text("digest").notNull(),
    /** The response without its credential. Null until the transaction of the change commits. */
    answer: jsonb("answer"),
    createdAt: at("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "management_requests_pkey", columns: [t.actorKind, t.actorId, t.requestId] }),
    check("management_requests_request_id_check", sql`length(${t.requestId}) between 1 and 100`),
    index("management_requests_created_at").on(t.createdAt),
  ],
);
