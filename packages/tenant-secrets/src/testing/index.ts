// The contract test suite for stores. It needs vitest.
export type { StoreParts } from "../assembly/assembly.ts";
export { encryptedHere } from "../stores/encrypted-secret.ts";
export type { SecretStore } from "../stores/store.ts";
export { storeContract, type StoreUnderTest } from "./store-contract.ts";
