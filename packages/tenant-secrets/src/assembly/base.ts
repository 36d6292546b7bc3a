import { createAwsKms } from "@repo/external-keys";
import { createAuditLog, type LostEvent } from "@repo/audit-log";
import { type Catalog, TenantSecretsError } from "@repo/catalog";
import { oncePerMinute, type RaiseAlarm } from "../access/alarms.ts";
import { createAuthenticRows } from "../access/authentic-rows.ts";
import { createOperations } from "../access/operation.ts";
import { createAuditKeys, createSigningKeys } from "../keys/audit-keys.ts";
import { createCompanyKeys } from "../keys/company/company-keys.ts";
import { createExternalFailures } from "../keys/external/failures.ts";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { createRegionKeys } from "../keys/region-keys.ts";
import { createRowKeys } from "../keys/row-keys.ts";
import { createCopiedKeys } from "../regions/copied-keys.ts";
import { createCopyAges } from "../regions/copy-ages.ts";
import { createRegionRegistry } from "../regions/registry.ts";
import { createSignedCopies } from "../regions/signed-copies.ts";
import type { AssemblyOptions, Replacements } from "./assembly.ts";

export type Base = ReturnType<typeof assembleBase>;

/** What every other part is made of: the connections, the keys, the audit log, and the operations on authentic rows. */
export function assembleBase(
  {
    database,
    infisical,
    region = "default",
    externalKeys = createAwsKms(),
    externalKeyTtlMs: externalTtlMs,
  }: Pick<
    AssemblyOptions<Catalog>,
    "database" | "infisical" | "region" | "externalKeys" | "externalKeyTtlMs"
  >,
  openAuditLog: Replacements["openAuditLog"] = createAuditLog,
) {
  let eventsLost = 0;
  let alarm: RaiseAlarm = () => {};
  const onAlarm = oncePerMinute((error) => alarm(error));
  const masterKeys = createMasterKeys(database, infisical, region);
  const auditKeys = createAuditKeys(database, masterKeys);
  const audit = openAuditLog(database, auditKeys, (lost) => {
    eventsLost += 1;
    alarm(eventLost(lost));
  });
  const rowKeys = createRowKeys(database, masterKeys);
  const authentic = createAuthenticRows({ database, audit }, rowKeys, onAlarm);
  const regionKeys = createRegionKeys(database, masterKeys);
  const registry = createRegionRegistry(database, authentic);
  const addressOf = async (name: string) => (await registry.find(name))?.address;
  const signedCopies = createSignedCopies({ registry, regionKeys, rowKeys, onAlarm });
  const externalFailures = createExternalFailures({ audit, onAlarm });
  return {
    database,
    infisical,
    externalKeys,
    externalFailures,
    /** The region of this deployment. */
    ownRegion: region,
    masterKeys,
    auditKeys,
    loadSigningKey: createSigningKeys(database, masterKeys),
    companyKeys: createCompanyKeys({
      database,
      masterKeys,
      audit,
      signedCopies,
      externalKeys,
      externalTtlMs,
      onExternalFailure: externalFailures.note,
    }),
    rowKeys,
    regionKeys,
    registry,
    signedCopies,
    copiedKeys: createCopiedKeys({ database, regionKeys, registry, ownRegion: region, onAlarm }),
    copyAges: createCopyAges(database, region),
    audit,
    authentic,
    operations: createOperations({ database, authentic, audit, signedCopies, addressOf }),
    /** For parts that may raise the same alarm at every use. */
    onAlarm,
    /** Where alarms go from now on; until the first call, nowhere. */
    raiseAlarmsTo: (raise: RaiseAlarm): void => {
      alarm = raise;
    },
    eventsLost: () => eventsLost,
  };
}

function eventLost({ action, code }: LostEvent): TenantSecretsError {
  return new TenantSecretsError(
    "INTERNAL",
    `The database rejected an event of the audit log (${action}). The event is lost, and its number is in a audit.unused-sequence-numbers. Report this with the diagnosis.`,
    { diagnosis: `database error ${code}` },
  );
}
