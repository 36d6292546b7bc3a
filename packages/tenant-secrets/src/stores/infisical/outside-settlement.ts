import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import { systemCaller, TenantSecretsError } from "@repo/catalog";
import { fingerprint, Plaintext, sameBytes } from "@repo/envelope";
import { companyIdOf } from "../../companies/company-id.ts";
import type { CompanyKeys } from "../../keys/company/company-keys.ts";
import { forgetEntry } from "./outside-writes.ts";

const { companies, outsideWrites } = tables;

export interface SettledWrites {
  /** How many are known to have been made, or not to be what Infisical has. */
  readonly settled: number;
  /** How many are not known yet: Infisical could not be asked. */
  readonly open: number;
  /** How many will never be known: Infisical could not be asked for a day. */
  readonly givenUp: number;
}

export interface OutsideSettlement {
  /**
   * Finds the outcome of changes in Infisical that no caller learnt, because a process was killed or an answer was lost: reads the
   * secret there and compares. Each change gets another event.
   *
   * @param signal ends it between two of them
   * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  settle(signal: AbortSignal): Promise<SettledWrites>;
}

interface Dependencies {
  readonly database: Database;
  readonly infisical: Pick<InfisicalClient, "findSecret">;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
  /** Told of a change that was made after all. */
  readonly announce: (companyId: string, secretKey: string) => Promise<void>;
}

type Row = typeof outsideWrites.$inferSelect;
type Outcome = Pick<AuditEntry, "outcome" | "reason" | "version">;

const settler = systemCaller("settle-outside-writes", { verbs: [], secretKeys: [] });
const batchSize = 100;

/** Infisical has another state than the change would have left, or the change was abandoned. */
const notApplied: Outcome = { outcome: "failed", reason: "NOT_APPLIED" };

export function createOutsideSettlement(dependencies: Dependencies): OutsideSettlement {
  const { database, infisical, companyKeys, audit, announce } = dependencies;

  const findDue = (after: Date) =>
    database.acrossCompanies((statements) =>
      statements
        .select({
          write: outsideWrites,
          folder: companies.infisicalFolder,
          isOld: sql<boolean>`${outsideWrites.startedAt} < clock_timestamp() - interval '24 hours'`,
        })
        .from(outsideWrites)
        .innerJoin(companies, eq(companies.id, outsideWrites.companyId))
        .where(
          and(
            lte(outsideWrites.deadlineAt, sql`clock_timestamp()`),
            gt(outsideWrites.deadlineAt, sql`${after.toISOString()}::timestamptz`),
          ),
        )
        .orderBy(asc(outsideWrites.deadlineAt))
        .limit(batchSize),
    );

  const isPut = async ({ companyId, companyKeyVersion, valueMac }: Row, value: string): Promise<boolean> => {
    if (companyKeyVersion === null || valueMac === null) return false;
    const key = await companyKeys.forDecryption(companyIdOf({ id: companyId }), companyKeyVersion);
    const plaintext = Plaintext.fromText(value);
    try {
      return sameBytes(fingerprint(key, plaintext.bytes), valueMac);
    } finally {
      plaintext.wipe();
    }
  };

  /** @throws {InfisicalError} where it cannot be found out */
  const findOutcome = async (write: Row, folder: string): Promise<Outcome> => {
    if (write.state === "abandoned") return notApplied;
    const found = await infisical.findSecret(`/tenants/${folder}`, write.secretKey);
    if (write.kind === "delete") return found === undefined ? { outcome: "success" } : notApplied;
    try {
      if (found === undefined || !(await isPut(write, found.value))) return notApplied;
    } catch (error) {
      if (!(error instanceof TenantSecretsError) || error.code !== "KEY_DESTROYED") throw error;
      // The fingerprint of the written value was made with a key that is destroyed.
      return { outcome: "unknown", reason: "KEY_DESTROYED" };
    }
    return { outcome: "success", version: found.version };
  };

  const close = async (
    { id, companyId, secretKey, kind, isMirror }: Row,
    outcome: Outcome,
  ): Promise<void> => {
    await audit.ready();
    await database.acrossCompanies(async (statements) => {
      const closed = await statements
        .delete(outsideWrites)
        .where(and(eq(outsideWrites.companyId, companyId), eq(outsideWrites.id, id)))
        .returning({ id: outsideWrites.id });
      // The process of the change has recorded its outcome meanwhile.
      if (closed.length === 0) return;
      if (kind === "delete" && outcome.outcome === "success")
        await forgetEntry(statements, companyId, secretKey);
      const ofChange = kind === "put" ? "secret.write" : "secret.remove";
      const action = isMirror ? "secret.mirror" : ofChange;
      await audit.recordInTransaction(statements, settler, { action, companyId, secretKey, ...outcome });
    });
    if (outcome.outcome === "success") await announce(companyId, secretKey);
  };

  return {
    settle: async (signal) => {
      const counts = { settled: 0, open: 0, givenUp: 0 };
      let due = await findDue(new Date(0));
      while (due.length > 0 && !signal.aborted) {
        for (const { write, folder, isOld } of due) {
          if (signal.aborted) break;
          try {
            await close(write, await findOutcome(write, folder));
            counts.settled += 1;
          } catch (error) {
            if (!cannotBeAsked(error)) throw error;
            counts[isOld ? "givenUp" : "open"] += 1;
            if (isOld) await close(write, { outcome: "unknown", reason: "STORE_UNAVAILABLE" });
          }
        }
        const last = due.at(-1);
        if (last === undefined || due.length < batchSize) break;
        due = await findDue(last.write.deadlineAt);
      }
      return counts;
    },
  };
}

/** Not now: Infisical does not answer, or the key that the value was named with cannot be had. */
function cannotBeAsked(error: unknown): boolean {
  if (error instanceof InfisicalError) return true;
  return error instanceof TenantSecretsError && unavailable.has(error.code);
}

const unavailable: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "KEY_UNAVAILABLE",
  "INTEGRITY_FAILURE",
]);
