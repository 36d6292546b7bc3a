export { startInfisicalEmulator } from "./start.ts";
export type { InfisicalEmulator, InfisicalEmulatorOptions } from "./start.ts";
export type { Fault, FaultTarget, InfisicalFaults } from "./faults.ts";
export type { RecordedRequest } from "./server.ts";
