import { withApi } from "../api.ts";
import { defineCommand } from "../command.ts";
import { minute, print, printJson, table } from "../output.ts";

export const healthCommand = defineCommand({
  positionals: [],
  options: {},
  details: `Shows what works now: the database, Infisical, the processes that hold keys, the jobs that wait or have failed, and the
audit log with its alarms. For operators.`,
  examples: ["health", "health --json"],
  run: async ({ json }) => {
    const health = await withApi("TENANT_SECRETS_OPERATOR_TOKEN", (api) => api.system.health.query());
    if (json) return printJson(health);
    const { status, database, masterKey, infisical, breaker, notifications, processes, jobs, audit } = health;
    const untold = "not known: the database does not tell";
    print(
      table(
        ["PART", "STATE"],
        [
          ["System", status],
          ["Database", database],
          ["Master key", masterKey],
          ["Infisical", breaker === "closed" ? infisical : `${infisical}, calls are ${breaker}`],
          ["Notifications", notifications],
          ["Processes", processes === undefined ? untold : String(processes.length)],
          ["Workers", jobs === undefined ? untold : String(jobs.workers)],
          ["Audit log", audit === undefined ? untold : auditText(audit)],
          ["Verified", audit === undefined ? untold : verifiedText(audit)],
        ],
      ),
    );
    if (audit?.failover !== undefined) print(`\n${failoverText(audit.failover)}`);
    if (jobs === undefined || jobs.tasks.length === 0) return;
    print("");
    print(
      table(
        ["JOB", "WAITING", "RUNNING", "RETRYING", "DEAD"],
        jobs.tasks.map(({ task, waiting, running, retrying, dead }) => [
          task,
          ...[waiting, running, retrying, dead].map(String),
        ]),
      ),
    );
  },
});

function failoverText({ afterBatch, at }: { readonly afterBatch: number; readonly at: Date }): string {
  return `The database was failed over, or restored to a point in time, after batch ${afterBatch} of the audit log, which goes on since ${minute(at)}.
No operator has acknowledged it. If it was meant: audit acknowledge-failover --checkpoints api.log`;
}

interface Audit {
  readonly unsealed: number;
  readonly lagSeconds: number;
  readonly alarms: readonly string[];
  readonly verification?: { readonly finishedAt: Date; readonly outcome: string } | undefined;
}

function auditText({ unsealed, lagSeconds, alarms }: Audit): string {
  const waiting = `${unsealed} events wait to be sealed, for ${lagSeconds} s`;
  return alarms.length === 0 ? waiting : `${alarms.join(", ")}: ${waiting}`;
}

function verifiedText({ verification }: Audit): string {
  return verification === undefined ? "never" : `${minute(verification.finishedAt)}, ${verification.outcome}`;
}
