import { randomBytes } from "node:crypto";
import { and, desc, eq } from "drizzle-orm";
import { LRUCache } from "lru-cache";
import { tables, type Database } from "@repo/db";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { deriveCompanyKey, type CompanyKey } from "../crypto/derivation.ts";
import { unwrapKey, wrapKey, type KeyPlace } from "../crypto/envelope.ts";
import { job } from "../vocabulary/actor.ts";
import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { CompanyId } from "../vocabulary/names.ts";
import type { MasterKeys } from "./master-keys.ts";

export interface CompanyKeys {
  /** The key that seals now; made where the company has none. @throws {TenantSecretsError} KEY_UNAVAILABLE and others */
  forSealing(companyId: CompanyId): Promise<CompanyKey>;
  /** The key of a number that something is sealed under. @throws {TenantSecretsError} KEY_UNAVAILABLE, INTEGRITY_FAILURE */
  forOpening(companyId: CompanyId, no: number): Promise<CompanyKey>;
}

const keyMaker = job("company-keys", { verbs: [], secretKeys: [] });

export function createCompanyKeys(database: Database, masterKeys: MasterKeys, audit: AuditLog): CompanyKeys {
  // Both parts of a name have one spelling and a fixed place, so that no two keys share one.
  const opened = new LRUCache<string, CompanyKey, { companyId: CompanyId; no: number }>({
    max: 10_000,
    ttl: 300_000,
    ignoreFetchAbort: true,
    fetchMethod: (_name, _stale, { context }) => unwrap(context.companyId, context.no),
  });

  const unwrap = async (companyId: CompanyId, no: number): Promise<CompanyKey> => {
    const ring = await masterKeys.load();
    const [wrap] = await onDatabase(() =>
      database.inCompany(companyId, (statements) =>
        statements
          .select()
          .from(tables.companyKeyWraps)
          .where(
            and(
              eq(tables.companyKeyWraps.companyId, companyId),
              eq(tables.companyKeyWraps.no, no),
              eq(tables.companyKeyWraps.region, masterKeys.region),
            ),
          )
          .orderBy(desc(tables.companyKeyWraps.masterKeyVersion))
          .limit(1),
      ),
    );
    if (wrap === undefined) {
      throw new TenantSecretsError(
        "KEY_UNAVAILABLE",
        `Key ${no} of this company has no wrap in region ${masterKeys.region}.`,
      );
    }
    const { wrappingKey } = ring.get(wrap.masterKeyVersion);
    const secret = unwrapKey(
      wrappingKey,
      placeOf(companyId, no, masterKeys.region, wrap.masterKeyVersion),
      wrap.wrapped,
    );
    return deriveCompanyKey(secret, companyId, no);
  };

  const forOpening = async (companyId: CompanyId, no: number): Promise<CompanyKey> => {
    const key = await opened.fetch(`${companyId}/${no}`, { context: { companyId, no } });
    if (key === undefined)
      throw new TenantSecretsError("KEY_UNAVAILABLE", "A company key was not loaded in time.");
    return key;
  };

  /** Whoever commits first has made it; everybody else's random bytes are forgotten. */
  const makeFirst = async (companyId: CompanyId): Promise<void> => {
    const { active } = await masterKeys.load();
    await audit.ready();
    const secret = randomBytes(32);
    const wrapped = wrapKey(active.wrappingKey, placeOf(companyId, 1, active.region, active.version), secret);
    secret.fill(0);
    await onDatabase(() =>
      database.inCompany(companyId, async (statements) => {
        const made = await statements
          .insert(tables.companyKeys)
          .values({ companyId, no: 1, status: "active" })
          .onConflictDoNothing()
          .returning({ no: tables.companyKeys.no });
        if (made.length === 0) return;
        await statements
          .insert(tables.companyKeyWraps)
          .values({ companyId, no: 1, region: active.region, masterKeyVersion: active.version, wrapped });
        await audit.addTo(statements, keyMaker, {
          action: "key.create",
          outcome: "allowed",
          companyId,
          version: 1,
        });
      }),
    );
  };

  const findActiveNo = async (companyId: CompanyId): Promise<number | undefined> => {
    const [row] = await onDatabase(() =>
      database.inCompany(companyId, (statements) =>
        statements
          .select({ no: tables.companyKeys.no })
          .from(tables.companyKeys)
          .where(and(eq(tables.companyKeys.companyId, companyId), eq(tables.companyKeys.status, "active"))),
      ),
    );
    return row?.no;
  };

  return {
    forOpening,
    forSealing: async (companyId) => {
      let no = await findActiveNo(companyId);
      if (no === undefined) {
        await makeFirst(companyId);
        no = await findActiveNo(companyId);
      }
      if (no === undefined)
        throw new TenantSecretsError("KEY_UNAVAILABLE", "This company has no active key.");
      return forOpening(companyId, no);
    },
  };
}

function placeOf(companyId: CompanyId, no: number, region: string, masterKeyVersion: number): KeyPlace {
  return { kind: "company-key", owner: companyId, no, region, masterKeyVersion };
}
