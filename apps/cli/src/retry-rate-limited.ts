import { setTimeout as sleep } from "node:timers/promises";

/** Makes a call and repeats it after each rate limit, at the time that the response names. For paginated reads. */
export async function retryRateLimited<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { errorOfAnswer, TenantSecretsError } = await import("@repo/tenant-secrets/client");
      const known = errorOfAnswer(error);
      if (!(known instanceof TenantSecretsError) || known.code !== "RATE_LIMITED") throw error;
      await sleep(known.retryAfterMs ?? 1000);
    }
  }
}
