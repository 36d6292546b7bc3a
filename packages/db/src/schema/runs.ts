import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  real,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at } from "./columns.ts";

/**
 * Long-running work: a key rotation, an import, a migration. One process at a time drives a run, and another process can
 * resume it from the row alone. docs/runs.md describes the states.
 */
export const runs = pgTable(
  "runs",
  {
    id: uuid("id").notNull().defaultRandom(),
    kind: text("kind").notNull(),
    /** What the run is about, such as a region or the id of a company: one unfinished run of a kind for each. */
    subject: text("subject").notNull(),
    /** The company that it concerns; null of the platform's. */
    companyId: uuid("company_id"),
    /**
     * `failed`: the job queue has stopped retrying. Starting or resuming the run continues it. `cancelling`: its clean-up is
     * not finished.
     */
    state: text("state", { enum: ["running", "paused", "failed", "cancelling", "done", "cancelled"] })
      .notNull()
      .default("running"),
    phase: text("phase").notNull(),
    /** What the run was started with, and what its phases have found out. Never a value or a key. */
    input: jsonb("input").notNull(),
    facts: jsonb("facts").notNull(),
    /** Where the phase is in what it walks through. */
    cursor: jsonb("cursor"),
    /** Of the phase: items that are done, all items, and items in a second. */
    done: integer("done").notNull().default(0),
    total: integer("total"),
    rate: real("rate"),
    leaseHolder: uuid("lease_holder"),
    leaseUntil: at("lease_until"),
    /** The run waits until then, without a lease. A job continues it. */
    notBefore: at("not_before"),
    /** Higher with each lease: what an earlier holder still has under way is refused by it. */
    fence: bigint("fence", { mode: "number" }).notNull().default(0),
    /** Attempts that failed since the run last came to another step. */
    attempts: integer("attempts").notNull().default(0),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    requestedByKind: text("requested_by_kind").notNull(),
    requestedById: text("requested_by_id").notNull(),
    report: text("report"),
    reportMac: text("report_mac"),
    startedAt: at("started_at").notNull().defaultNow(),
    updatedAt: at("updated_at").notNull().defaultNow(),
    finishedAt: at("finished_at"),
  },
  (t) => [
    primaryKey({ name: "runs_pkey", columns: [t.id] }),
    uniqueIndex("runs_one_unfinished")
      .on(t.kind, t.subject)
      .where(sql`${t.finishedAt} is null`),
    index("runs_started_at").on(t.startedAt, t.id),
    index("runs_of_subject").on(t.subject, t.startedAt, t.id),
    index("runs_of_company").on(t.companyId, t.startedAt, t.id),
    index("runs_finished_at").on(t.finishedAt),
    check(
      "runs_state_check",
      sql`${t.state} in ('running', 'paused', 'failed', 'cancelling', 'done', 'cancelled')`,
    ),
    check("runs_finished_check", sql`(${t.state} in ('done', 'cancelled')) = (${t.finishedAt} is not null)`),
  ],
);

/** The tasks that the application's role may enqueue: each process that runs jobs adds the names of its own. */
export const jobTasks = pgTable("job_tasks", { name: text("name").notNull() }, (t) => [
  primaryKey({ name: "job_tasks_pkey", columns: [t.name] }),
]);
