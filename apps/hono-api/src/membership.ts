import type { ServingProcess } from "@repo/tenant-secrets";
import type { Program } from "./program.ts";

/** This process among those that hold keys. */
export interface Membership {
  /** For when the keys are loaded. @throws {TenantSecretsError} DATABASE_UNAVAILABLE; INTERNAL where it is not let in */
  join(): Promise<void>;
  hears(): boolean;
  stop(): Promise<void>;
}

export function createMembership({ env, log, secrets }: Program): Membership {
  let member: ServingProcess | undefined;
  return {
    join: async () => {
      member = await secrets.serve(env.DATABASE_LISTENER_URL, ({ code, message, diagnosis }) =>
        log("error", message, { code, diagnosis }),
      );
    },
    hears: () => member?.hears() === true,
    stop: async () => {
      await member?.stop();
    },
  };
}
