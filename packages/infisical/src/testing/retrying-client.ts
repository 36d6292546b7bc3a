import { setTimeout as sleep } from "node:timers/promises";
import type { BulkClient } from "../bulk.ts";
import type { InfisicalClient } from "../client.ts";
import type { SingleCalls } from "../single-calls.ts";
import { InfisicalError } from "../errors.ts";

// Milliseconds. The server's window is a minute; two more allow for other clients that share its limit.
const longestMs = 180_000;

async function retryRateLimited<Result>(call: () => Promise<Result>): Promise<Result> {
  const giveUpAt = performance.now() + longestMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const isLimited = error instanceof InfisicalError && error.code === "RATE_LIMITED";
      if (!isLimited || performance.now() > giveUpAt) throw error;
      await sleep((error.retryAfterMs ?? 1_000) * (1 + Math.random() / 10) + 50);
    }
  }
}

function retryingSingleCalls(calls: SingleCalls): SingleCalls {
  return {
    createFolder: (path) => retryRateLimited(() => calls.createFolder(path)),
    deleteFolder: (path) => retryRateLimited(() => calls.deleteFolder(path)),
    findSecret: (path, name) => retryRateLimited(() => calls.findSecret(path, name)),
    putSecret: (path, name, value) => retryRateLimited(() => calls.putSecret(path, name, value)),
    putSoleSecret: (path, name, value) => retryRateLimited(() => calls.putSoleSecret(path, name, value)),
    deleteSecret: (path, name) => retryRateLimited(() => calls.deleteSecret(path, name)),
  };
}

function retryingBulk(client: BulkClient): BulkClient {
  return {
    ...client,
    ...retryingSingleCalls(client),
    survey: (path) => retryRateLimited(() => client.survey(path)),
    surveySummaries: (path) => retryRateLimited(() => client.surveySummaries(path)),
    countImports: (path) => retryRateLimited(() => client.countImports(path)),
    listFoldersBelow: (path, options) => retryRateLimited(() => client.listFoldersBelow(path, options)),
  };
}

/** For tests against a server that limits the rate of requests: waits as long as it asks, and tries again. */
export function retrying(client: InfisicalClient): InfisicalClient {
  return {
    ...client,
    ...retryingSingleCalls(client),
    listFolders: (path) => retryRateLimited(() => client.listFolders(path)),
    listSecrets: (path) => retryRateLimited(() => client.listSecrets(path)),
    listSecretSummaries: (path) => retryRateLimited(() => client.listSecretSummaries(path)),
    ping: () => retryRateLimited(() => client.ping()),
    bulk: (options) => retryingBulk(client.bulk(options)),
  };
}
