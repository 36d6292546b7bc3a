import { type BulkClient, InfisicalError, type InfisicalSecret, type SurveyedSummary } from "@repo/infisical";
import type { Counters } from "../access/counters.ts";
import type { Company } from "../companies/companies.ts";
import { mapInfisicalErrors } from "../stores/infisical/infisical-errors.ts";
import { type Folder, folderOf } from "./folder.ts";
import { pause } from "../runs/pause.ts";

/** The folders of companies in Infisical, read and written at the rate of a migration. All methods throw as `mapInfisicalErrors`. */
export interface BulkFolders {
  read(company: Company): Promise<Folder>;
  /** @returns undefined for a missing folder */
  summaries(company: Company): Promise<readonly SurveyedSummary[] | undefined>;
  /** One secret, of several of one name the one that reads are served. */
  find(company: Company, secretKey: string): Promise<InfisicalSecret | undefined>;
  /** @returns undefined if this service may not see the imports of folders */
  countImports(company: Company): Promise<number | undefined>;
  /** The folders in /tenants at any depth. */
  all(): ReturnType<BulkClient["listFoldersBelow"]>;
  put(company: Company, secretKey: string, value: string): Promise<void>;
  erase(company: Company, secretKey: string): Promise<void>;
  remove(company: Company): Promise<void>;
}

interface Parts {
  readonly bulk: BulkClient;
  readonly counters: Counters;
  /** Requests a minute of all migrations and mirrors together; null: no limit of ours. */
  readonly ratePerMinute: number | null;
  /** Called at least every ten seconds of a wait; an error ends it. */
  readonly whileWaiting: () => Promise<void>;
  /** Ends a wait: `whileWaiting` refuses to go on then. */
  readonly signal: AbortSignal | undefined;
}

const windowMs = 60_000;
const longestWaitMs = 10_000;
/** How often a request is repeated that Infisical refused for its rate. */
const maxRefusals = 10;

export function createBulkFolders({ bulk, counters, ratePerMinute, ...waiting }: Parts): BulkFolders {
  const { whileWaiting, signal } = waiting;
  /** The part of the rate that is used: halved by a refusal, and raised again with each minute. */
  let share = 1;
  let raisedAt = performance.now();
  let lastAt = -Infinity;

  const wait = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= longestWaitMs) {
      await pause({ signal }, Math.min(left, longestWaitMs));
      await whileWaiting();
    }
  };

  const takeTurn = async (): Promise<void> => {
    if (ratePerMinute === null) return;
    const minutes = Math.floor((performance.now() - raisedAt) / windowMs);
    if (minutes > 0) {
      share = Math.min(1, share + minutes / 10);
      raisedAt = performance.now();
    }
    const rate = Math.max(1, Math.floor(ratePerMinute * share));
    // A fifth of the even distance, so that a burst does not use up a minute's budget in its first second.
    await wait(lastAt + windowMs / rate / 5 - performance.now());
    for (;;) {
      const { points, endsInMs } = await counters.add("infisical bulk", windowMs);
      lastAt = performance.now();
      if (points <= rate) return;
      // At random, so that processes do not come back together.
      await wait(endsInMs + 250 * Math.random());
    }
  };

  const request = async <T>(send: () => Promise<T>): Promise<T> => {
    for (let refusals = 0; ; refusals += 1) {
      await takeTurn();
      try {
        return await send();
      } catch (error) {
        const isRateLimited = error instanceof InfisicalError && error.code === "RATE_LIMITED";
        if (!isRateLimited || refusals >= maxRefusals) throw error;
        share /= 2;
        raisedAt = performance.now();
        await wait((error.retryAfterMs ?? windowMs) + 1000 * Math.random());
      }
    }
  };

  const once = <T>(send: () => Promise<T>): Promise<T> => mapInfisicalErrors(() => request(send));

  return {
    read: async (company) => folderOf(await once(() => bulk.survey(pathOf(company)))),
    summaries: (company) => once(() => bulk.surveySummaries(pathOf(company))),
    find: (company, secretKey) => once(() => bulk.findSecret(pathOf(company), secretKey)),
    all: () => mapInfisicalErrors(() => bulk.listFoldersBelow("/tenants", { each: request })),
    countImports: (company) => once(() => bulk.countImports(pathOf(company)).catch(unlessForbidden)),
    put: (company, secretKey, value) =>
      once(async () => {
        await bulk.putSoleSecret(pathOf(company), secretKey, value);
      }),
    erase: (company, secretKey) =>
      once(async () => {
        await bulk.deleteSecret(pathOf(company), secretKey);
      }),
    remove: (company) => once(() => bulk.deleteFolder(pathOf(company))),
  };
}

function unlessForbidden(error: unknown): undefined {
  if (error instanceof InfisicalError && error.code === "FORBIDDEN") return undefined;
  throw error;
}

export function pathOf({ infisicalFolder }: Company): string {
  return `/tenants/${infisicalFolder}`;
}
