import type { Catalog, SecretStoreName } from "@repo/catalog";
import type { Outbound } from "@repo/outbound";
import type { Companies } from "../companies/companies.ts";
import type { CompanyRows } from "../companies/company-rows.ts";
import type { CredentialChecks } from "../providers/credential-check.ts";
import { startDueRotations, wakeRefused } from "../rotation/begin.ts";
import type { RotationDrivers } from "../rotation/drivers/driver.ts";
import { measureRotations } from "../rotation/measure.ts";
import { createCompromise } from "../rotation/compromise.ts";
import { createEndOrphan } from "../rotation/orphans.ts";
import { createPeopleInRotations } from "../rotation/people.ts";
import { createPolicies } from "../rotation/policies.ts";
import { remindOfStuck } from "../rotation/reminding.ts";
import { createRotationLists } from "../rotation/rotation-lists.ts";
import { defineRotation } from "../rotation/rotation-run.ts";
import type { DatabaseStore } from "../stores/database/port.ts";
import type { SecretStore } from "../stores/store.ts";
import type { Quotas } from "../stores/database/quotas.ts";
import type { Vault } from "../vault/vault.ts";
import type { Base } from "./base.ts";

interface RotationOptions {
  readonly catalog: Catalog;
  readonly companies: Companies;
  readonly rows: CompanyRows;
  readonly vault: Vault;
  readonly stores: Readonly<Record<SecretStoreName, SecretStore>>;
  readonly databaseStore: DatabaseStore;
  readonly quotas: Quotas;
  readonly drivers: RotationDrivers;
  readonly checks: CredentialChecks;
  readonly outbound: Outbound;
  readonly leastSeconds: number | undefined;
}

/** How secrets are rotated, and the runs that do it. */
export function assembleRotation(base: Base, options: RotationOptions) {
  const { database } = base;
  const rotation = defineRotation({ ...base, ...options });
  return {
    service: {
      ...createPolicies({ ...base, ...options, rotation }),
      ...createRotationLists({ ...base, ...options, rotation }),
      rotateCompromised: createCompromise({ ...base, ...options, rotation }),
      endOrphan: createEndOrphan({ ...base, ...options }),
      people: createPeopleInRotations({ ...base, ...options, rotation }),
      measure: () => measureRotations(database),
      /** Starts what is due, for a job. */
      startDue: async (signal: AbortSignal) => {
        const due = await startDueRotations(base, rotation, signal);
        const woken = await wakeRefused(database, rotation);
        return { ...due, woken, reminded: await remindOfStuck(base, signal) };
      },
    },
    run: rotation,
  };
}
