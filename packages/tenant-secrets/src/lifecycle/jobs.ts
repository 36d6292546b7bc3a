import { sql, type SQL } from "drizzle-orm";
import type { Database } from "@repo/db";
import type { JobLog, Schedule, Task, TaskHelpers, Tasks } from "@repo/db/jobs";
import { z } from "zod";
import { TenantSecretsError } from "../vocabulary/errors.ts";

export interface TaskDependencies {
  readonly database: Database;
  readonly log: JobLog;
}

/** When tasks run by themselves, in UTC. */
export const schedule: Schedule = {
  "forget-write-requests": "7 * * * *",
  "forget-processes": "37 * * * *",
  "check-master-key-age": "17 6 * * *",
};

/** What each job does. A task is an entry here and, where it runs by itself, one in the schedule. */
export function createTasks({ database, log }: TaskDependencies): Tasks {
  return {
    /** Requests are remembered for a day. A writer forgets some of its own company's; this one forgets the rest. */
    "forget-write-requests": task(NoPayload, (_, { signal }) =>
      deleteInBatches(database, signal, sql`write_requests`, sql`created_at <= now() - interval '24 hours'`),
    ),
    /** A process that ends takes its row along; one that was killed leaves it. */
    "forget-processes": task(NoPayload, (_, { signal }) =>
      deleteInBatches(database, signal, sql`processes`, sql`seen_at <= now() - interval '1 day'`),
    ),
    "check-master-key-age": task(NoPayload, async () => {
      for (const { region, version } of await findDueMasterKeys(database)) {
        log(
          "warn",
          `version ${version} of the master key of region ${region} has been active for more than 90 days: rotate it`,
          { code: "MASTER_KEY_DUE" },
        );
      }
    }),
  };
}

const NoPayload = z.strictObject({});

function task<Payload>(
  schema: z.ZodType<Payload>,
  run: (payload: Payload, helpers: TaskHelpers) => Promise<void>,
): Task {
  return async (payload, helpers) => {
    const parsed = schema.safeParse(payload);
    if (!parsed.success) {
      throw new TenantSecretsError("INVALID_INPUT", "The payload of this job is not one of its task.");
    }
    await run(parsed.data, helpers);
  };
}

/** What is left when the process stops, the next job deletes. A row that was renewed meanwhile stays. */
async function deleteInBatches(
  database: Database,
  signal: AbortSignal,
  table: SQL,
  condition: SQL,
): Promise<void> {
  const size = 5000;
  let deleted = size;
  while (deleted === size && !signal.aborted) {
    deleted = await database.acrossCompanies(async (statements) => {
      const rows = await statements.execute(sql`
        delete from ${table} where ${condition}
          and ctid in (select ctid from ${table} where ${condition} limit ${size})
        returning 1`);
      return rows.length;
    });
  }
}

const DueMasterKeys = z.array(z.object({ region: z.string(), version: z.int() }));

function findDueMasterKeys(database: Database): Promise<z.infer<typeof DueMasterKeys>> {
  return database.acrossCompanies(async (statements) => {
    const rows = await statements.execute(sql`
      select region, version from master_keys
      where status = 'active' and activated_at <= now() - interval '90 days' order by region`);
    return DueMasterKeys.parse([...rows]);
  });
}
