import { setTimeout as sleep } from "node:timers/promises";

/** Makes a call, and makes it again each time that it came too soon, when the answer says. For what has many pages. */
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
