import { createGate, type VaultParts } from "./authorize.ts";
import { createReads, type Reads } from "./reads.ts";
import { createVersions, type Versions } from "./versions.ts";
import { createWrites, type Writes } from "./writes.ts";

/**
 * The one way to a company's secrets. Every call finds the company, checks the caller against it, asks the store and
 * writes to the audit log, in that order. A value that a person asked for leaves only after its event is committed, one for a
 * service or a job after its event was taken.
 */
export interface Vault extends Reads, Writes, Versions {}

export function createVault(parts: VaultParts): Vault {
  const gate = createGate(parts);
  return { ...createReads(parts, gate), ...createWrites(parts, gate), ...createVersions(parts, gate) };
}
