import { setTimeout as sleep } from "node:timers/promises";
import type { MigrationCompaniesQuery, MigrationRequest } from "@repo/catalog";
import type { Administration, Caller, Catalog } from "@repo/tenant-secrets";
import type { RunDescription, RunProgress } from "@repo/tenant-secrets/operator";
import { type Api, withApi } from "../api.ts";
import { readApiUrl } from "../env.ts";
import { asOperator } from "../in-process.ts";
import { retryRateLimited } from "../retry-rate-limited.ts";

export type MigrationPage = Awaited<ReturnType<Administration<Catalog>["migrations"]["companies"]>>;

/** Where a run is: how far, and why it does not go on. */
export type RunNow = Pick<RunDescription, "state" | "error"> & RunProgress;

export interface Follow {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RunProgress) => Promise<void>;
}

/** How this program begins a migration and follows it. */
export interface MigrationDoor {
  /** @returns the run, and the number of its companies */
  begin(request: MigrationRequest): Promise<{ readonly run: string; readonly total: number }>;
  /** Until the run ends, is paused or has failed, or the signal says to stop. */
  follow(run: string, follow: Follow): Promise<RunNow>;
  companies(query: MigrationCompaniesQuery): Promise<MigrationPage>;
  /** What a Ctrl-C does. */
  readonly interruption: string;
  /** How a run that is not finished goes on. */
  goesOn(run: string): string;
}

const pollMs = 2000;
const operatorToken = "TENANT_SECRETS_OPERATOR_TOKEN";

/**
 * Through the API at TENANT_SECRETS_URL, whose server works on the run; or without that in this process, which does it itself.
 *
 * @throws {UsageError} when the environment does not fit
 */
export function withMigrations<T>(work: (door: MigrationDoor) => Promise<T>): Promise<T> {
  return readApiUrl() === undefined
    ? asOperator((secrets, caller) => work(inProcess(secrets, caller)))
    : withApi(operatorToken, (api) => work(overApi(api)));
}

function overApi(api: Api): MigrationDoor {
  const get = (run: string) => retryRateLimited(() => api.runs.get.query({ run }));
  return {
    begin: async (request) => {
      const { run } = await beginOver(api, request);
      const { total = 0 } = await get(run);
      return { run, total };
    },
    follow: (run, follow) => poll(() => get(run), follow),
    companies: (query) => retryRateLimited(() => api.migrations.companies.query(query)),
    interruption: "Not followed any more: the run goes on without this command.",
    goesOn: (run) =>
      `"runs show ${run}" shows how far the server is; "runs resume ${run}" continues it where it stopped.`,
  };
}

function beginOver({ migrations }: Api, request: MigrationRequest): Promise<{ readonly run: string }> {
  switch (request.verb) {
    case "plan":
      return migrations.plan.mutate(inputOf(request));
    case "copy":
      return migrations.copy.mutate(inputOf(request));
    case "verify":
      return migrations.verify.mutate(inputOf(request));
    case "switch":
      return migrations.switch.mutate(inputOf(request));
    case "rollback":
      return migrations.rollback.mutate(inputOf(request));
    case "cleanup":
      return migrations.cleanup.mutate(inputOf(request));
  }
}

function inputOf<R extends MigrationRequest>(request: R): Omit<R, "verb"> {
  const { verb: _, ...input } = request;
  return input;
}

function inProcess({ migrations, runs }: Administration<Catalog>, caller: Caller): MigrationDoor {
  let begun: Awaited<ReturnType<typeof migrations.beginHere>> | undefined;
  return {
    begin: async (request) => {
      begun = await migrations.beginHere(caller, request);
      return { run: begun.id, total: begun.total ?? 0 };
    },
    follow: async (run, follow) => {
      const { signal, onProgress } = follow;
      const { RunStopped } = await import("@repo/tenant-secrets/operator");
      const drive = {
        caller,
        signal,
        tools: { sliceMs: Infinity },
        onStep: ([, , progress]: readonly [string, string, RunProgress]) => onProgress(progress),
      };
      let leased: Parameters<typeof migrations.run.drive>[0] = begun ?? run;
      for (;;) {
        try {
          await migrations.run.drive(leased, drive);
        } catch (error) {
          if (signal.aborted) return await runs.get(caller, run);
          const { row } = await migrations.run.get(run);
          const isElsewhere = row.leaseUntil !== null || row.notBefore !== null || row.finishedAt !== null;
          // A job of a server may continue a run that waited.
          if (isElsewhere) return await poll(() => runs.get(caller, run), follow);
          if (error instanceof RunStopped) return await runs.get(caller, run);
          throw error;
        }
        leased = run;
        const { row } = await migrations.run.get(run);
        if (row.finishedAt !== null) return await runs.get(caller, run);
        await pause((row.notBefore?.getTime() ?? 0) - Date.now(), signal);
        if (signal.aborted) return await runs.get(caller, run);
      }
    },
    companies: (query) => migrations.companies(caller, query),
    interruption:
      "Stopping after this step. A second Ctrl-C ends at once, and the run can be resumed all the same.",
    goesOn: (run) => `"runs resume ${run}" continues it.`,
  };
}

async function poll(get: () => Promise<RunDescription>, { signal, onProgress }: Follow): Promise<RunNow> {
  for (;;) {
    const now = await get();
    if (now.state !== "running" || signal.aborted) return now;
    await onProgress(now);
    await pause(pollMs, signal);
  }
}

/** Until the time is over, or the signal says to stop. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => {});
}
