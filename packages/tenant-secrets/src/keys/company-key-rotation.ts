import { randomBytes } from "node:crypto";
import { and, desc, eq, inArray, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { perform, refuse } from "../access/attempt.ts";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import { permitsOnPlatform } from "../access/permissions.ts";
import type { Companies } from "../companies/companies.ts";
import { wrapKey } from "../crypto/envelope.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { forbidden, keyDestroyed, TenantSecretsError } from "../vocabulary/errors.ts";
import type { CompanyId } from "../vocabulary/names.ts";
import { wrapping, type CompanyKeys } from "./company-keys.ts";
import type { MasterKeys } from "./master-keys.ts";
import { resealValues } from "./reseal.ts";

const { companyKeys: keys, companyKeyWraps, companySecrets, companySecretVersions } = tables;

export interface RotatedCompanyKey {
  /** The number of the key that everything of the company is sealed under now. */
  readonly no: number;
  /** How many values this call has sealed anew. */
  readonly values: number;
  /** The numbers of the keys that this call has destroyed. */
  readonly destroyed: readonly number[];
}

/** Called after every batch with the number of values sealed anew so far. */
export type OnResealed = (values: number) => void | Promise<void>;

export interface CompanyKeyRotation {
  /**
   * Gives a company a new key, seals all its values under it, and destroys the old one; or goes on with a rotation that was
   * interrupted. Reads and writes go on meanwhile. It may be stopped anywhere.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT where the company has no key; KEY_DESTROYED;
   *   INTEGRITY_FAILURE where values do not open: all others are under the new key, and the old one is kept
   */
  rotateCompanyKey(caller: Caller, subdomain: string, onResealed?: OnResealed): Promise<RotatedCompanyKey>;
  /**
   * The same for whoever was found to be an operator, unless the key in use was made after `madeUntil` and no older one is
   * left.
   *
   * @returns undefined where the company has no key
   */
  replaceOldKeys(
    caller: Caller,
    companyId: CompanyId,
    madeUntil: Date,
    onResealed?: OnResealed,
  ): Promise<RotatedCompanyKey | undefined>;
}

interface Dependencies {
  readonly database: Database;
  readonly companies: Companies;
  readonly masterKeys: MasterKeys;
  readonly companyKeys: CompanyKeys;
  readonly audit: AuditLog;
}

export function createCompanyKeyRotation(dependencies: Dependencies): CompanyKeyRotation {
  const { database, companies, masterKeys, companyKeys, audit } = dependencies;

  /** The number of the active key: a new one, where that is due. @returns undefined where the company has no key */
  const begin = async (
    caller: Caller,
    companyId: CompanyId,
    madeUntil: Date | undefined,
  ): Promise<number | undefined> => {
    await audit.ready();
    return onDatabase(() =>
      wrapping(masterKeys, ({ active: masterKey }) =>
        database.acrossCompanies(async (statements) => {
          await lockCompany(statements, companyId);
          // Whoever is sealing under one of these has a lock on it, and is waited for.
          const rows = await statements
            .select()
            .from(keys)
            .where(eq(keys.companyId, companyId))
            .orderBy(desc(keys.no))
            .for("update");
          const [newest] = rows;
          if (newest === undefined) return undefined;
          const active = rows.find((row) => row.status === "active");
          if (active === undefined) throw keyDestroyed();
          const due =
            madeUntil === undefined
              ? rows.every((row) => row.status !== "retiring")
              : active.createdAt <= madeUntil;
          if (!due) return active.no;
          const no = newest.no + 1;
          await statements
            .update(keys)
            .set({ status: "retiring" })
            .where(and(eq(keys.companyId, companyId), eq(keys.no, active.no)));
          await statements.insert(keys).values({ companyId, no, status: "active" });
          const { region, version: masterKeyVersion } = masterKey;
          const place = { kind: "company-key", owner: companyId, no, region, masterKeyVersion } as const;
          const secret = randomBytes(32);
          const wrapped = wrapKey(masterKey.wrappingKey, place, secret);
          secret.fill(0);
          await statements
            .insert(companyKeyWraps)
            .values({ companyId, no, region, masterKeyVersion, wrapped });
          await audit.addTo(statements, caller, {
            action: "key.rotate-company",
            outcome: "allowed",
            companyId,
            version: no,
          });
          return no;
        }),
      ),
    );
  };

  /** Destroys the keys that nothing is sealed under any more. */
  const destroyUnused = async (
    caller: Caller,
    companyId: CompanyId,
  ): Promise<{ readonly destroyed: readonly number[]; readonly left: boolean }> => {
    await audit.ready();
    const result = await onDatabase(() =>
      database.acrossCompanies(async (statements) => {
        await lockCompany(statements, companyId);
        // No value can come to a key while it is locked (refuse_sealing).
        const retiring = await statements
          .select({ no: keys.no })
          .from(keys)
          .where(and(eq(keys.companyId, companyId), inArray(keys.status, ["retiring", "retired"])))
          .orderBy(keys.no)
          .for("update");
        const destroyed: number[] = [];
        for (const { no } of retiring) {
          if (await isInUse(statements, companyId, no)) continue;
          const key = and(eq(keys.companyId, companyId), eq(keys.no, no));
          await statements
            .update(keys)
            .set({ status: "destroyed", destroyedAt: sql`now()` })
            .where(key);
          await statements
            .delete(companyKeyWraps)
            .where(and(eq(companyKeyWraps.companyId, companyId), eq(companyKeyWraps.no, no)));
          await audit.addTo(statements, caller, {
            action: "key.destroy-company",
            outcome: "allowed",
            companyId,
            version: no,
          });
          destroyed.push(no);
        }
        return { destroyed, left: destroyed.length < retiring.length };
      }),
    );
    if (result.destroyed.length > 0) companyKeys.forget(companyId);
    return result;
  };

  const rotate = async (
    caller: Caller,
    companyId: CompanyId,
    madeUntil: Date | undefined,
    onResealed: OnResealed = () => {},
  ): Promise<RotatedCompanyKey | undefined> => {
    const no = await begin(caller, companyId, madeUntil);
    if (no === undefined) return undefined;
    const to = await companyKeys.forOpening(companyId, no);
    let total = 0;
    for (let sweep = 1; ; sweep++) {
      const { broken } = await resealValues(database, companyKeys, companyId, to, (values) => {
        total += values;
        return onResealed(total);
      });
      const { destroyed, left } = await destroyUnused(caller, companyId);
      if (!left && broken.length === 0) return { no, values: total, destroyed };
      // A writer that had the old key in hand may have been the last to use it, and what does not open may have been replaced
      // between its reading and its opening: once more.
      if (broken.length > 0 && sweep > 1) throw unopenable(broken, no);
    }
  };

  return {
    rotateCompanyKey: async (caller, subdomain, onResealed) => {
      const attempt = { caller, action: "key.rotate-company", changes: true } as const;
      if (!permitsOnPlatform(caller.actor, "rotate")) return refuse(audit, attempt, forbidden("rotate keys"));
      const company = await companies.enter(attempt, subdomain);
      return perform(audit, { ...attempt, companyId: company.id }, async () => {
        const rotated = await rotate(caller, company.id, undefined, onResealed);
        if (rotated !== undefined) return rotated;
        throw new TenantSecretsError(
          "CONFLICT",
          "This company has no key yet: nothing of it is sealed in the database.",
        );
      });
    },
    replaceOldKeys: (caller, companyId, madeUntil, onResealed) =>
      perform(audit, { caller, action: "key.rotate-company", companyId, changes: true }, () =>
        rotate(caller, companyId, madeUntil, onResealed),
      ),
  };
}

/**
 * One rotation of a company at a time looks at its keys, with a statement that begins after the one before has committed.
 * The company comes before its keys, as in shredding, so that the two never wait for each other.
 */
async function lockCompany(statements: Statements, companyId: CompanyId): Promise<void> {
  await statements.execute(sql`select 1 from ${tables.companies} where id = ${companyId} for no key update`);
}

async function isInUse(statements: Statements, companyId: CompanyId, no: number): Promise<boolean> {
  const rows = await statements.execute(sql`
    select 1 from ${companySecrets}
    where company_id = ${companyId} and company_key_no = ${no} and secret_value_encrypted is not null
    union all
    select 1 from ${companySecretVersions}
    where company_id = ${companyId} and company_key_no = ${no} and sealed is not null
    limit 1`);
  return rows.length > 0;
}

function unopenable(broken: readonly string[], no: number): TenantSecretsError {
  const shown = broken.slice(0, 20).join(", ");
  const more = broken.length > 20 ? ` and ${broken.length - 20} more` : "";
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `These do not open, and the key that they were sealed under is kept for them: ${shown}${more}. Everything else of the company is under key ${no}.`,
  );
}
