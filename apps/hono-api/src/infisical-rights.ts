import { setTimeout as sleep } from "node:timers/promises";
import { asTenantSecretsError } from "@repo/tenant-secrets";
import type { Program } from "./program.ts";

const everyMs = 60_000;

/**
 * Tries once, for when the start is complete, whether Infisical lets this service do what it needs, and again every minute
 * while something is wrong there, so that the log says when it was mended. The client of Infisical says what is missing.
 *
 * @returns when the process is told to stop
 */
export async function watchInfisicalRights({
  secrets,
  infisical,
  log,
  stopping,
}: Pick<Program, "secrets" | "infisical" | "log" | "stopping">): Promise<void> {
  let isKnown = false;
  while (!stopping.aborted) {
    if (!isKnown || infisical.troubles().length > 0) {
      try {
        const missing = await secrets.tryInfisicalRights();
        if (!isKnown && missing.length === 0) log("info", "Infisical lets this service do what it needs");
        isKnown = true;
      } catch (error) {
        log("debug", "whether Infisical denies a right is not known yet", {
          code: asTenantSecretsError(error).code,
        });
      }
    }
    await sleep(everyMs, undefined, { signal: stopping }).catch(() => {});
  }
}
