// The contract test suites for stores and rotation drivers, and what tests of apps make. They need vitest.
export type { StoreParts } from "../assembly/assembly.ts";
export { encryptedHere } from "../stores/encrypted-secret.ts";
export type { SecretStore } from "../stores/store.ts";
export { driverContract } from "./driver-contract.ts";
export { type DriverWorld, httpWorld } from "./driver-trial.ts";
export { storeContract, type StoreUnderTest } from "./store-contract.ts";
export { newRegion } from "./regions.ts";
