import type { ServingProcess } from "@repo/tenant-secrets";
import type { Runtime } from "./bootstrap.ts";

/** The registration of this process among those that hold keys, and its subscription to their notifications. */
export interface ProcessRegistration {
  /** Call it once the keys are loaded. @throws {TenantSecretsError} DATABASE_UNAVAILABLE; INTERNAL where the listener's role is denied */
  register(): Promise<void>;
  /** Whether notifications of other processes arrive. */
  isListening(): boolean;
  stop(): Promise<void>;
}

export function createProcessRegistration({ env, log, secrets }: Runtime): ProcessRegistration {
  let registered: ServingProcess | undefined;
  return {
    register: async () => {
      registered = await secrets.serve(env.DATABASE_LISTENER_URL, ({ code, message, diagnosis }) =>
        log("error", message, { code, diagnosis }),
      );
    },
    isListening: () => registered?.isListening() === true,
    stop: async () => {
      await registered?.stop();
    },
  };
}
