import type { Catalog, SecretStoreName } from "@repo/catalog";
import type { ApprovalGate } from "../companies/approval-gate.ts";
import type { Companies, Company } from "../companies/companies.ts";
import type { Mailing } from "../companies/mailing.ts";
import { createKeyBackups } from "../keys/backup/backup.ts";
import { createStoreBackup, type BackupDestination } from "../keys/backup/destination.ts";
import { createCheckValues } from "../keys/check-values.ts";
import { defineCompanyRotation } from "../keys/company/rotation-run.ts";
import { createCompanyKeyRotation } from "../keys/company/rotation.ts";
import { createExternalKey } from "../keys/external/external-key.ts";
import { createMasterKeyAge } from "../keys/master/master-key-age.ts";
import { createMasterKeyRegistry } from "../keys/master/master-key-registry.ts";
import { createEmergencyRotation } from "../keys/rotation/emergency.ts";
import { createKeyRotation, defineKeyRotation } from "../keys/rotation/rotation.ts";
import { defineDeletion } from "../keys/deletion/deletion-run.ts";
import { createDeletions } from "../keys/deletion/deletions.ts";
import { createShredding } from "../keys/shredding/shredding.ts";
import { defineRenewal, startRenewal } from "../regions/renewal-run.ts";
import type { SecretStore } from "../stores/store.ts";
import type { Base } from "./base.ts";

interface KeyOptions {
  readonly catalog: Catalog;
  readonly companies: Companies;
  readonly stores: Readonly<Record<SecretStoreName, SecretStore>>;
  readonly copies: SecretStore;
  readonly destination: BackupDestination | undefined;
  readonly gate: ApprovalGate;
  /** Drops what this process has cached of a company. */
  readonly forget: (companyId: string) => void;
  /** Undefined where this deployment sends no mail. */
  readonly mailing: Mailing | undefined;
}

/** The operations on keys: their registry, backups, rotations and destruction. */
export function assembleKeys(
  base: Base,
  { catalog, companies, stores, copies, destination, gate, forget, mailing }: KeyOptions,
) {
  const { database, infisical, masterKeys, auditKeys, companyKeys, audit, operations } = base;
  const renewal = defineRenewal(base);
  const keyBackups = createKeyBackups(database, infisical, operations);
  const storeBackup = createStoreBackup(masterKeys.region, keyBackups);
  const withAuditKey = { ...base, loadAuditKey: auditKeys };
  const rotation = defineKeyRotation(withAuditKey, { storeBackup, destination });
  const keyRotation = createKeyRotation(withAuditKey, rotation, destination);
  const companyRotation = defineCompanyRotation(database, companyKeys, audit);
  const companyKeyRotation = createCompanyKeyRotation({
    companies,
    masterKeys,
    companyKeys,
    companyRotation,
    operations,
  });
  const shredding = createShredding({ ...base, gate });
  const deletion = defineDeletion({ ...base, gate, shredding, forget, mailing });
  const list = async (company: Company) => {
    const { secrets, unreachable } = await (
      company.home === undefined ? stores[company.secretStore] : copies
    ).list(company);
    if (unreachable !== undefined) throw unreachable;
    return secrets;
  };
  return {
    services: {
      masterKeys: createMasterKeyRegistry({ ...withAuditKey, rotation, gate }),
      masterKeyAge: createMasterKeyAge(base),
      keyRotation,
      keyBackups,
      storeBackup,
      checkValues: createCheckValues(base),
      companyKeyRotation,
      externalKey: createExternalKey({ ...base, companies, companyKeyRotation }),
      emergencyRotation: createEmergencyRotation({
        ...base,
        gate,
        catalog,
        keyRotation,
        rotation,
        companyKeyRotation,
        list,
        renewCopies: (statements, asked) => startRenewal(renewal, statements, { ...asked, region: null }),
      }),
      shredding,
      deletions: createDeletions({ ...base, gate, shredding, run: deletion, forget, mailing }),
    },
    renewal,
    runs: [rotation, companyRotation, renewal, deletion],
  } as const;
}
