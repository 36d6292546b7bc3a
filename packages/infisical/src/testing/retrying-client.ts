import { setTimeout as sleep } from "node:timers/promises";
import type { InfisicalClient } from "../client.ts";
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

/** For tests against a server that limits the rate of requests: waits as long as it asks, and tries again. */
export function retrying(client: InfisicalClient): InfisicalClient {
  return {
    ...client,
    listFolders: (path) => retryRateLimited(() => client.listFolders(path)),
    createFolder: (path) => retryRateLimited(() => client.createFolder(path)),
    deleteFolder: (path) => retryRateLimited(() => client.deleteFolder(path)),
    listSecrets: (path) => retryRateLimited(() => client.listSecrets(path)),
    listSecretSummaries: (path) => retryRateLimited(() => client.listSecretSummaries(path)),
    findSecret: (path, name) => retryRateLimited(() => client.findSecret(path, name)),
    putSecret: (path, name, value) => retryRateLimited(() => client.putSecret(path, name, value)),
    putSoleSecret: (path, name, value) => retryRateLimited(() => client.putSoleSecret(path, name, value)),
    deleteSecret: (path, name) => retryRateLimited(() => client.deleteSecret(path, name)),
    ping: () => retryRateLimited(() => client.ping()),
  };
}
