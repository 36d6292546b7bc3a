export { startInfisicalEmulator } from "./start.ts";
export type {
  GenerationName,
  InfisicalEmulator,
  InfisicalEmulatorOptions,
  InfisicalIdentityOptions,
  InfisicalRight,
} from "./start.ts";
export type { Fault, FaultTarget, InfisicalFaults } from "./faults.ts";
export type { InfisicalWebhook } from "./webhook.ts";
export type { RecordedRequest } from "./server.ts";
