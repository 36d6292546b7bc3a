import { and, asc, inArray, isNotNull, isNull, lte, notInArray, sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { tables, type Statements } from "@repo/db";
import type { AuditAction } from "@repo/audit-log";
import { systemCaller, maxReminderDays, TenantSecretsError } from "@repo/catalog";
import type { Retention } from "../access/retention.ts";
import { companyIdOf } from "../companies/company-id.ts";
import { ifDestroyed, withCurrentKeys } from "../keys/company/company-keys.ts";
import { purgeValues } from "../stores/database/removal.ts";
import { HeadChanged, type DatabaseParts, type HeadKeys } from "../stores/database/transaction.ts";
import { genuineHead, headColumns, type Head, type HeadRow } from "../stores/database/secret-head.ts";
import { destroyOldVersions } from "./old-versions.ts";

const { companies, companySecrets, companySecretVersions } = tables;

/** Secrets locked by one transaction. */
const batchSize = 100;

const maintenanceCaller = systemCaller("maintenance", { verbs: [], secretKeys: [] });

/** Scheduled work on the secrets of all companies, by the database's clock. Concurrent and repeated runs do nothing twice. */
export interface SecretMaintenance {
  /**
   * Destroys the values of versions that are inactive, were replaced longer ago than they are kept, and are not among the latest
   * versions that are kept. A secret whose rotation is not over keeps all.
   *
   * @returns the number of secrets; one with more values than a batch destroys counts in each
   */
  destroyOldVersions(signal: AbortSignal): Promise<number>;
  /**
   * Purges removed secrets whose recovery window is over. If a company's key does not decrypt, its secrets stay and an alarm is
   * raised.
   *
   * @returns the number of secrets
   */
  purgeRemovedSecrets(signal: AbortSignal): Promise<number>;
  /**
   * Audits current versions that expire soon, once per reminder day, and those that have expired. A missed reminder is skipped
   * once a later one is due.
   *
   * @returns the number of events
   */
  remindOfExpiry(signal: AbortSignal): Promise<number>;
}

interface ChangedSecret extends Pick<Head, "companyId" | "secretKey"> {
  readonly version: number | null;
}

interface MaintenanceParts extends DatabaseParts {
  /** Secrets of companies that are at home elsewhere are looked after there. */
  readonly ownRegion: string;
  readonly retention: Pick<Retention, "agreed">;
}

export function createSecretMaintenance({
  database,
  companyKeys,
  audit,
  onAlarm,
  ownRegion,
  retention,
}: MaintenanceParts): SecretMaintenance {
  const { isServed, isDue } = conditions(ownRegion);
  /** Runs batches until one finds nothing to do. @returns the total */
  const untilNothing = async (signal: AbortSignal, batch: () => Promise<number>): Promise<number> => {
    await audit.ready();
    let total = 0;
    while (!signal.aborted) {
      const done = await batch();
      if (done === 0) break;
      total += done;
    }
    return total;
  };

  /**
   * The active keys of companies by id; undefined if destroyed. A company whose active key does not decrypt is left out and
   * added to `passedOver`.
   */
  const keysOf = async (
    companyIds: readonly string[],
    passedOver: Set<string>,
  ): Promise<ReadonlyMap<string, HeadKeys | undefined>> => {
    const keys = new Map<string, HeadKeys | undefined>();
    for (const id of companyIds) {
      try {
        keys.set(id, await companyKeys.usable(companyIdOf({ id })).catch(ifDestroyed));
      } catch (error) {
        if (!(error instanceof TenantSecretsError) || !unusable.has(error.code)) throw error;
        passedOver.add(id);
        onAlarm(notPurged(id, error));
      }
    }
    return keys;
  };

  /** Companies with secrets to purge, with their keys; empty at the end. */
  const findDue = async (passedOver: Set<string>): Promise<ReadonlyMap<string, HeadKeys | undefined>> => {
    for (;;) {
      const companyIds = await database.acrossCompanies((statements) =>
        selectDue(statements, isDue, passedOver),
      );
      const keys = await keysOf(companyIds, passedOver);
      if (keys.size > 0 || companyIds.length === 0) return keys;
    }
  };

  /** A head that is not genuine is purged too, and needs no key for a new MAC. */
  const checked = (keys: HeadKeys | undefined, head: HeadRow): Head => {
    try {
      return genuineHead(keys, head);
    } catch (error) {
      if (!(error instanceof HeadChanged)) throw error;
      onAlarm(error.alarm(head.companyId));
      return head;
    }
  };

  const record = (statements: Statements, action: AuditAction, changed: ChangedSecret): Promise<void> => {
    const { companyId, secretKey, version } = changed;
    const entry = {
      action,
      outcome: "success",
      companyId,
      secretKey,
      version: version ?? undefined,
    } as const;
    return audit.recordInTransaction(statements, maintenanceCaller, entry);
  };

  return {
    destroyOldVersions: async (signal) => {
      await audit.ready();
      return destroyOldVersions(
        {
          database,
          retention,
          isServed,
          record: (statements, gone) => record(statements, "secret.destroy-versions", gone),
        },
        signal,
      );
    },

    purgeRemovedSecrets: (signal) => {
      const passedOver = new Set<string>();
      return untilNothing(signal, () =>
        withCurrentKeys(async () => {
          // The keys are loaded before the transaction, which awaits nothing but its statements.
          const keys = await findDue(passedOver);
          if (keys.size === 0) return 0;
          return database.acrossCompanies(async (statements) => {
            const heads = await statements
              .select(headColumns)
              .from(companySecrets)
              .where(and(isDue, inArray(companySecrets.companyId, [...keys.keys()])))
              .orderBy(asc(companySecrets.companyId), asc(companySecrets.secretKey))
              .limit(batchSize)
              .for("update");
            for (const head of heads) {
              await purgeValues(statements, checked(keys.get(head.companyId), head));
              await record(statements, "secret.purge", { ...head, version: head.currentVersion });
            }
            return heads.length;
          });
        }),
      );
    },

    remindOfExpiry: (signal) =>
      untilNothing(signal, () =>
        database.acrossCompanies(async (statements) => {
          // A row just processed by another worker is checked again once its lock is free, and is no longer due.
          const rows = await statements.execute(sql`
          update ${companySecretVersions} v set reminded_days = due.days
          from (
            select v.company_id, v.secret_key, v.version, ${dueDays} as days
            from ${companySecretVersions} v join ${companySecrets} h
              on h.company_id = v.company_id and h.secret_key = v.secret_key and h.current_version = v.version
            where v.expires_at is not null and v.reminded_days is distinct from ${sql.raw(String(expired))}
              and v.expires_at <= now() + make_interval(days => ${maxReminderDays})
              and ${dueDays} < coalesce(v.reminded_days, ${maxReminderDays + 1}) and h.deleted_at is null
              and exists (select from ${companies} c where c.id = v.company_id and c.status <> 'deleted'
                and c.secret_store <> 'infisical' and c.home_region = ${ownRegion})
            order by v.company_id, v.secret_key limit ${batchSize} for update of h, v
          ) due
          where v.company_id = due.company_id and v.secret_key = due.secret_key and v.version = due.version
          returning v.company_id as "companyId", v.secret_key as "secretKey", v.version, due.days`);
          const reminders = Reminders.parse([...rows]);
          for (const { days, ...secret } of reminders) {
            await record(statements, days === expired ? "secret.expired" : "secret.expires-soon", secret);
          }
          return reminders.length;
        }),
      ),
  };
}

/** What maintenance does for the secrets of a region, as conditions on their heads. */
export function conditions(ownRegion: string) {
  // Of a suspended company nothing is deleted.
  const isServed = sql`not exists (select from ${companies} c where c.id = ${companySecrets.companyId}
    and (c.status = 'suspended' or c.home_region <> ${ownRegion}))`;
  // Removed, and past the recovery window.
  const isDue = and(
    isServed,
    isNotNull(companySecrets.deletedAt),
    isNull(companySecrets.purgedAt),
    lte(companySecrets.recoverUntil, sql`now()`),
  );
  return { isServed, isDue };
}

async function selectDue(
  statements: Statements,
  isDue: SQL | undefined,
  passedOver: ReadonlySet<string>,
): Promise<readonly string[]> {
  const rows = await statements
    .select({ companyId: companySecrets.companyId })
    .from(companySecrets)
    .where(and(isDue, notInArray(companySecrets.companyId, [...passedOver])))
    .orderBy(asc(companySecrets.companyId), asc(companySecrets.secretKey))
    .limit(batchSize);
  return [...new Set(rows.map(({ companyId }) => companyId))];
}

/** Errors that affect one company's keys only. */
const unusable: ReadonlySet<TenantSecretsError["code"]> = new Set(["KEY_UNAVAILABLE", "INTEGRITY_FAILURE"]);

function notPurged(companyId: string, { code, message }: TenantSecretsError): TenantSecretsError {
  return new TenantSecretsError(
    code,
    `Removed secrets of company ${companyId} were not purged in time, because its key does not open: ${message}`,
  );
}

const Reminders = z.array(
  z.object({ companyId: z.string(), secretKey: z.string(), version: z.int(), days: z.int() }),
);

/** The reminder "expired", among the numbers of days before expiry. */
const expired = -1;

/** The smallest reminder, in days before expiry, that a version has reached; null if none. */
const dueDays = sql`case when v.expires_at <= now() then ${sql.raw(String(expired))}
  else (select min(d) from unnest(v.reminder_days) d where v.expires_at <= now() + make_interval(days => d)) end`;
