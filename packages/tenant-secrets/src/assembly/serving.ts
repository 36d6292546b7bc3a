import { throwTenantSecretsError } from "@repo/audit-log";
import type { Catalog } from "@repo/catalog";
import { type Change, nameTagOf } from "@repo/db";
import type { Retention } from "../access/retention.ts";
import type { Authentication } from "../companies/authenticate.ts";
import type { CompanyRows } from "../companies/company-rows.ts";
import type { Stamps } from "../companies/stamps.ts";
import { joinProcesses } from "../keys/rotation/process-registry.ts";
import type { ShadowReads } from "../migration/shadow-reads.ts";
import type { Adoption } from "../regions/adoption.ts";
import type { SecretCache } from "../vault/secret-cache.ts";
import type { Assembly } from "./assembly.ts";
import type { Base } from "./base.ts";

interface Caches {
  readonly adoption: Pick<Adoption, "adopt">;
  readonly rows: CompanyRows;
  readonly authentication: Authentication;
  readonly cache: SecretCache;
  readonly stamps: Stamps;
  readonly shadowReads: Pick<ShadowReads, "start" | "stop">;
}

/** Joins the serving processes, caches while a member, and invalidates what other processes change. */
export function createServe(
  base: Base & { readonly retention: Pick<Retention, "told"> },
  caches: Caches,
): Assembly<Catalog>["serve"] {
  const { database, masterKeys, raiseAlarmsTo, retention } = base;
  const { rows, authentication, cache, shadowReads } = caches;
  const onChange = invalidateOnChange(base, caches);
  return async (listenerUrl, onAlarm) => {
    raiseAlarmsTo(onAlarm);
    const member = await joinProcesses(database, masterKeys, {
      listenerUrl,
      onAlarm,
      onChange,
      retention: retention.told,
    }).catch(throwTenantSecretsError);
    rows.start();
    cache.start();
    authentication.startCaching();
    shadowReads.start();
    return {
      ...member,
      stop: async () => {
        await shadowReads.stop();
        authentication.stopCaching();
        rows.stop();
        cache.stop();
        await member.stop();
      },
    };
  };
}

/** An undefined change: changes may have been missed, and every entry may be out of date. */
function invalidateOnChange(
  { auditKeys, rowKeys, companyKeys, copiedKeys, signedCopies }: Base,
  { adoption, rows, authentication, cache, stamps }: Caches,
): (change: Change | undefined) => void {
  const markAllStale = (): void => {
    companyKeys.invalidate();
    copiedKeys.invalidate();
    rows.markStale();
    cache.markStale();
    authentication.markStale();
    auditKeys.invalidate();
    rowKeys.invalidate();
    signedCopies.invalidate();
  };
  return (change) => {
    stamps.count(change);
    switch (change?.subject) {
      case undefined:
        return markAllStale();
      case "credentials":
        return authentication.invalidate();
      case "master-keys":
        auditKeys.invalidate();
        signedCopies.invalidate();
        return rowKeys.invalidate();
      case "regions":
        return signedCopies.invalidate();
      case "company-members":
      case "company-api-keys":
        return;
      case "company-secret": {
        const { companyId, nameTag } = change;
        return cache.invalidateMatching(companyId, (key) => nameTagOf(companyId, key) === nameTag);
      }
      case "company":
        rows.invalidate(change.companyId);
        // What fails here, the job does a minute later.
        adoption.adopt(change.companyId).catch(() => {});
        break;
      case "company-keys":
        companyKeys.invalidate(change.companyId);
        copiedKeys.invalidate(change.companyId);
        break;
      case "company-secrets":
    }
    cache.invalidate(change.companyId);
  };
}
