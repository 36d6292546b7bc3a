import { eq, sql } from "drizzle-orm";
import { type Database, tables } from "@repo/db";
import type { BulkClient, InfisicalClient } from "@repo/infisical";
import { isDatabaseUnavailable, asTenantSecretsError, type AuditLog } from "@repo/audit-log";
import {
  type Caller,
  type Catalog,
  keyDestroyed,
  type MirrorRequest,
  systemCaller,
  TenantSecretsError,
} from "@repo/catalog";
import { createCounters } from "../../access/counters.ts";
import { audited, type EventDetails, type Operations, type Transaction } from "../../access/operation.ts";
import { lockNamed } from "../../companies/change-company.ts";
import { StoreChanged, StoreHeld } from "../../companies/company-lock.ts";
import { endMirror, withoutMirror } from "../../companies/company-mirror.ts";
import type { CompanyRows } from "../../companies/company-rows.ts";
import type { CompanyKeys } from "../../keys/company/company-keys.ts";
import { refuseExternal } from "../../keys/external/refuse-external.ts";
import { createBulkFolders } from "../bulk-folders.ts";
import { companyById } from "../company-by-id.ts";
import { forgetFindings } from "../ledger.ts";
import { enqueueMirror, lookAgainSeconds, type MirrorLease, MirrorLost, takeMirror } from "./lease.ts";
import { type MirrorLag, selectDueMirrors, selectMirrorLag } from "./lag.ts";
import { mirrorOnce } from "./pass.ts";

const { companyStores, shreddings } = tables;

/** Folders in Infisical that follow the database. */
export interface Mirroring {
  /**
   * Says whether the folders of companies are mirrors of the database. All are set, or none.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; NOT_SUPPORTED for a company that reads from its folder, or has none;
   *   KEY_DESTROYED
   */
  set(caller: Caller, request: MirrorRequest): Promise<void>;
  /**
   * One pass of a company's mirror, for its job. Where it cannot go on, another one begins by itself.
   *
   * @returns why the pass failed, where the earlier one did not
   * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  mirror(companyId: string, signal: AbortSignal): Promise<TenantSecretsError | undefined>;
  /** Begins a pass for each company that has something to bring, whatever became of its job. @returns their number */
  sweep(): Promise<number>;
  lag(): Promise<MirrorLag>;
}

interface Parts {
  readonly database: Database;
  readonly catalog: Catalog;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
  readonly operations: Operations;
  readonly infisical: Pick<InfisicalClient, "bulk">;
  readonly rows: Pick<CompanyRows, "findById" | "ownRegion">;
  /** Requests a minute, of mirrors and migrations together; null: no limit of ours. */
  readonly requestsPerMinute: number | null;
}

const mirrorCaller = systemCaller("mirror", { verbs: [], secretKeys: [] });

/** After this a pass leaves the rest to the next one, so that other jobs are done as well. */
const sliceMs = 20_000;
const mostOfSweep = 1000;

export function createMirroring(parts: Parts): Mirroring {
  const { database, catalog, companyKeys, audit, operations, infisical, rows, requestsPerMinute } = parts;
  const counters = createCounters(database);
  let client: BulkClient | undefined;

  const pass = async (id: string, lease: MirrorLease, signal: AbortSignal): Promise<boolean> => {
    const company = await companyById(rows, id);
    // Its mirror ends with the change of the store.
    if (company.secretStore === "infisical") return true;
    const endsAt = performance.now() + sliceMs;
    const isOver = (): boolean => signal.aborted || performance.now() >= endsAt;
    client ??= infisical.bulk();
    const folders = createBulkFolders({
      bulk: client,
      counters,
      ratePerMinute: requestsPerMinute,
      signal,
      whileWaiting: async () => {
        // The last comparison of a pass may take as long as the pass.
        if (signal.aborted || performance.now() >= endsAt + sliceMs) throw new BudgetSpent();
        await database.inCompany(company.id, (statements) => lease.hold(statements));
      },
    });
    return mirrorOnce({
      company,
      companyKeys,
      audit,
      folders,
      isOver,
      parts: { database, companyKeys, catalog },
      caller: mirrorCaller,
      // The same for all passes of a company: its lease lets one at a time.
      holder: company.id,
      commit: (work) =>
        database.inCompany(company.id, async (statements) => {
          await lease.hold(statements);
          return work(statements);
        }),
    });
  };

  return {
    set: (caller, { companies, isOn }) =>
      operations.change(
        { caller, action: "company.mirror", verb: "companies", to: "migrate companies" },
        async (transaction) => {
          const events: EventDetails[] = [];
          for (const subdomain of [...new Set(companies)].toSorted())
            events.push(await (isOn ? switchOn : switchOff)(transaction, subdomain, rows.ownRegion));
          return audited(undefined, events);
        },
      ),

    mirror: async (companyId, signal) => {
      const lease = await takeMirror(database, companyId);
      if (lease === undefined) return undefined;
      try {
        await lease.finish(await pass(companyId, lease, signal));
        return undefined;
      } catch (error) {
        if (error instanceof MirrorLost) return undefined;
        // The lease ends by itself.
        if (isDatabaseUnavailable(error)) throw error;
        const known = asTenantSecretsError(error);
        if (known.code === "INTERNAL") {
          await lease.fail();
          throw error;
        }
        if (unserved.has(known.code)) {
          await lease.finish(true);
          return undefined;
        }
        if (error instanceof StoreHeld || error instanceof StoreChanged || error instanceof BudgetSpent) {
          await lease.postpone(lookAgainSeconds);
          return undefined;
        }
        return (await lease.fail()) === 1 ? known : undefined;
      }
    },

    sweep: () =>
      database.acrossCompanies(async (statements) => {
        const due = await selectDueMirrors(statements, catalog, mostOfSweep);
        for (const [i, company] of due.entries()) await enqueueMirror(statements, company, i);
        return due.length;
      }),

    lag: () => database.acrossCompanies((statements) => selectMirrorLag(statements, catalog)),
  };
}

/** Of companies that are not served at the moment. */
const unserved: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "COMPANY_SUSPENDED",
  "WRONG_REGION",
  "NOT_FOUND",
  "KEY_DESTROYED",
]);

async function switchOn(
  { statements, writer }: Transaction,
  subdomain: string,
  ownRegion: string,
): Promise<EventDetails> {
  const company = await lockNamed({ statements, writer }, subdomain, ownRegion);
  writer.require({ kind: "company", ...company }, company);
  const [state] = await statements
    .select()
    .from(companyStores)
    .where(eq(companyStores.companyId, company.id));
  const [shredded] = await statements
    .select({ companyId: shreddings.companyId })
    .from(shreddings)
    .where(eq(shreddings.companyId, company.id));
  if (shredded !== undefined) throw keyDestroyed();
  await refuseExternal(statements, [company.id], "mirrored in Infisical");
  if (company.secretStore === "infisical") throw readsFromFolder(subdomain);
  if (state?.cleanedAt != null) throw withoutFolder(subdomain, state.cleanedAt);
  if (company.secretStore === "database" && state?.leftIn !== "infisical") throw withoutFolder(subdomain);
  const event = { companyId: company.id, reason: "MIRROR_ON" } as const;
  if (state?.isMirrored === true) return event;
  const mirrored = { ...withoutMirror, isMirrored: true, mirroredSince: sql`now()` };
  await statements
    .insert(companyStores)
    .values({ companyId: company.id, ...mirrored })
    .onConflictDoUpdate({ target: companyStores.companyId, set: mirrored });
  // What could not be brought there before is tried again.
  await forgetFindings(statements, company.id);
  await enqueueMirror(statements, company.id, 0);
  return event;
}

async function switchOff(
  { statements, writer }: Transaction,
  subdomain: string,
  ownRegion: string,
): Promise<EventDetails> {
  const { id } = await lockNamed({ statements, writer }, subdomain, ownRegion);
  await endMirror(statements, id);
  return { companyId: id, reason: "MIRROR_OFF" };
}

function readsFromFolder(subdomain: string): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `${subdomain} reads from its folder in Infisical: switch it to the hybrid or the database store first. No mirror was changed.`,
  );
}

function withoutFolder(subdomain: string, cleanedAt?: Date): TenantSecretsError {
  const why =
    cleanedAt === undefined ? "has no folder" : `had its folder removed at ${cleanedAt.toISOString()}`;
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    `${subdomain} ${why} in Infisical that could be a mirror: "migrate rollback" to Infisical makes one. No mirror was changed.`,
  );
}

/** A pass was told to stop, or waited for long enough. */
class BudgetSpent extends TenantSecretsError {
  constructor() {
    super(
      "RATE_LIMITED",
      "The requests to Infisical that mirrors and migrations may send in a minute are used up.",
      { store: "unchanged", retryAfterMs: 10_000 },
    );
  }
}
