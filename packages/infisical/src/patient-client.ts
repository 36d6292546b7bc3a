import { setTimeout as sleep } from "node:timers/promises";
import type { InfisicalClient } from "./client.ts";
import { InfisicalError } from "./errors.ts";

// A minute of the server's, and two more where others share its limit.
const longestMs = 180_000;

async function patiently<Result>(call: () => Promise<Result>): Promise<Result> {
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
export function patient(client: InfisicalClient): InfisicalClient {
  return {
    ...client,
    listFolders: (path) => patiently(() => client.listFolders(path)),
    createFolder: (path) => patiently(() => client.createFolder(path)),
    deleteFolder: (path) => patiently(() => client.deleteFolder(path)),
    listSecrets: (path) => patiently(() => client.listSecrets(path)),
    listSecretSummaries: (path) => patiently(() => client.listSecretSummaries(path)),
    findSecret: (path, name) => patiently(() => client.findSecret(path, name)),
    putSecret: (path, name, value) => patiently(() => client.putSecret(path, name, value)),
    deleteSecret: (path, name) => patiently(() => client.deleteSecret(path, name)),
    ping: () => patiently(() => client.ping()),
  };
}
