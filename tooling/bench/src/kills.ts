import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemCaller, type Caller } from "@repo/tenant-secrets";
import postgres from "postgres";
import { z } from "zod";
import { startDeployment, type Deployment } from "./deployment.ts";
import type { Row } from "./row.ts";

const durationMs = 60_000;
const operator: Caller = { actor: { kind: "operator", id: "bench" } };
const writer = systemCaller("bench", { verbs: ["use", "write"], secretKeys: ["*"] });

const Report = z.object({
  succeeded: z.int(),
  cleanErrors: z.int(),
  foreign: z.int(),
  hung: z.int(),
  /** Errors that are none of ours, by what they are called. */
  others: z.record(z.string(), z.int()),
});

/**
 * 24 workers of two companies read, write and scan through the library, in a process of their own, while connections are
 * ended at random for a minute. Prints what became of the calls; it is no comparison, so there is no row.
 */
export async function benchKills(): Promise<Row[]> {
  const deployment = await startDeployment();
  try {
    const companies = [];
    for (const subdomain of ["codewiser", "acmecorp"]) {
      const { id } = await deployment.secrets.companies.create(operator, {
        subdomain,
        secretStore: "database",
      });
      await deployment.secrets.company(subdomain, writer).set("CUSTOM_KEY", `fake value of ${subdomain}`);
      companies.push({ id, subdomain });
    }
    const { urls, infisical } = deployment;
    const child = fork(fileURLToPath(new URL("kills-process.ts", import.meta.url)), {
      serialization: "json",
    });
    const ended = once(child, "exit");
    let report: unknown;
    child.on("message", (message) => (report = message));
    child.send({ urls, infisical, companies, durationMs });
    const killed = await killAtRandom(deployment, durationMs);
    const [exitCode]: unknown[] = await ended;
    print(killed, exitCode, Report.safeParse(report).data);
    return [];
  } finally {
    await deployment.stop();
  }
}

async function killAtRandom({ superuserUrl }: Deployment, forMs: number): Promise<number> {
  const superuser = postgres(superuserUrl, { max: 1, onnotice: () => {} });
  let killed = 0;
  for (const end = performance.now() + forMs; performance.now() < end; await sleep(Math.random() * 200)) {
    const rows = await superuser`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name like 'tenant-secrets%' order by random() limit 1`;
    killed += rows.length;
  }
  await superuser.end();
  return killed;
}

function print(killed: number, exitCode: unknown, report: z.infer<typeof Report> | undefined): void {
  const crashed = exitCode !== 0 || report === undefined;
  const others = Object.entries(report?.others ?? {}).map(([name, count]) => `${count} ${name}`);
  console.log(
    `24 workers, two companies, ${durationMs / 1000} s, ${killed} connections ended: ` +
      `${report?.succeeded ?? "?"} calls succeeded, ${report?.cleanErrors ?? "?"} clean errors, ` +
      `${others.join(", ") || "no"} other errors, ${report?.foreign ?? "?"} reads of another company's, ` +
      `${report?.hung ?? "?"} hangs, ${crashed ? `crashed (${String(exitCode)})` : "no crash"}`,
  );
  const isGood = !crashed && report.foreign === 0 && report.hung === 0 && others.length === 0;
  if (!isGood) process.exitCode = 1;
}
