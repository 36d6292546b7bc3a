import { randomBytes } from "node:crypto";
import { and, desc, eq, sql } from "drizzle-orm";
import { enqueueJob, tables, type Database, type Statements } from "@repo/db";
import { type Caller, type CompanyId, job, keyDestroyed, TenantSecretsError } from "@repo/catalog";
import { wrapKey } from "@repo/envelope";
import { audited, type Operations, type Steps } from "../../access/operation.ts";
import { companyIdOf } from "../../companies/company-id.ts";
import type { Companies } from "../../companies/companies.ts";
import { wrapping, type CompanyKeys } from "./company-keys.ts";
import { lockCompany } from "./company-lock.ts";
import type { MasterKeys } from "../master/master-keys.ts";
import { resealValues } from "./reencrypt.ts";
import { rotationInterrupted } from "../rotation/rotation.ts";

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
   * Where another rotation of the company begins meanwhile, both end under the key that it makes.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT where the company has no key, or is rotated again and again
   *   meanwhile; KEY_DESTROYED; INTEGRITY_FAILURE where values do not open: all others are under the new key, and the old one is kept
   */
  rotateCompanyKey(caller: Caller, subdomain: string, onResealed?: OnResealed): Promise<RotatedCompanyKey>;
  /**
   * Gives a company a new key, where no rotation is unfinished, and leaves everything else to a job.
   *
   * @returns the number of the key that is in use now
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT where the company has no key; KEY_DESTROYED
   */
  requestRotation(caller: Caller, subdomain: string): Promise<number>;
  /**
   * What the job does: seals everything of a company under the key in use, where there is one, and destroys the others.
   *
   * @param signal ends it between two batches, with CONFLICT; done again, it goes on from there
   * @throws {TenantSecretsError} KEY_DESTROYED, INTEGRITY_FAILURE as `rotateCompanyKey`
   */
  finishRotation(companyId: string, signal: AbortSignal): Promise<void>;
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
  readonly companies: Pick<Companies, "resolve">;
  readonly masterKeys: MasterKeys;
  readonly companyKeys: CompanyKeys;
  readonly operations: Operations;
}

/**
 * One sweep and a second are what a rotation needs: a sealed value moves twice at most. Each rotation that begins meanwhile
 * costs one or two more.
 */
const mostSweeps = 20;

const toRotate = { verb: "rotate", to: "rotate keys" } as const;

export function createCompanyKeyRotation(dependencies: Dependencies): CompanyKeyRotation {
  const { database, companies, masterKeys, companyKeys, operations } = dependencies;

  /** For operators, in every company: who is none is not told whether there is such a company. */
  const resolve = async (caller: Caller, subdomain: string) => {
    const asked = { caller, action: "key.rotate-company" } as const;
    await operations.authorize({ ...asked, ...toRotate });
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company };
  };

  /** The number of the active key: a new one, where that is due. @returns undefined where the company has no key */
  const begin = (
    steps: Steps,
    companyId: CompanyId,
    {
      madeUntil,
      also,
    }: { readonly madeUntil?: Date; readonly also?: (statements: Statements) => Promise<void> },
  ): Promise<number | undefined> =>
    wrapping(masterKeys, ({ active: masterKey }) =>
      steps.commit(async ({ statements }) => {
        await lockCompany(statements, companyId);
        const rows = await statements
          .select()
          .from(keys)
          .where(eq(keys.companyId, companyId))
          .orderBy(desc(keys.no))
          .for("update");
        const [newest] = rows;
        if (newest === undefined) return audited(undefined, []);
        const active = rows.find((row) => row.status === "active");
        if (active === undefined) throw keyDestroyed();
        const due =
          madeUntil === undefined
            ? rows.every((row) => row.status !== "retiring")
            : active.createdAt <= madeUntil;
        await also?.(statements);
        if (!due) return audited(active.no, []);
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
        await statements.insert(companyKeyWraps).values({ companyId, no, region, masterKeyVersion, wrapped });
        return audited(no, { version: no });
      }),
    );

  /** Destroys the keys that nothing is sealed under any more. */
  const destroyUnused = async (
    steps: Steps,
    companyId: CompanyId,
  ): Promise<{ readonly destroyed: readonly number[]; readonly left: boolean }> => {
    const result = await steps.commit(async ({ statements }) => {
      await lockCompany(statements, companyId);
      const rows = await statements
        .select({ no: keys.no, status: keys.status })
        .from(keys)
        .where(eq(keys.companyId, companyId))
        .orderBy(keys.no)
        .for("update");
      // The company was shredded meanwhile.
      if (rows.every(({ status }) => status !== "active")) throw keyDestroyed();
      // No value can come to one of these while the company is locked.
      const retiring = rows.filter(({ status }) => status === "retiring" || status === "retired");
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
        destroyed.push(no);
      }
      const events = destroyed.map((no) => ({ action: "key.destroy-company", version: no }) as const);
      return audited({ destroyed, left: destroyed.length < retiring.length }, events);
    });
    if (result.destroyed.length > 0) companyKeys.forget(companyId);
    return result;
  };

  const rotate = async (
    steps: Steps,
    companyId: CompanyId,
    {
      madeUntil,
      onResealed = () => {},
    }: { readonly madeUntil?: Date; readonly onResealed?: OnResealed | undefined },
  ): Promise<RotatedCompanyKey | undefined> => {
    const no = await begin(steps, companyId, madeUntil === undefined ? {} : { madeUntil });
    return no === undefined ? undefined : resealAll(steps, companyId, onResealed);
  };

  /** Seals everything under the active key. Where another rotation replaces that one meanwhile, its new key is the goal. */
  const resealAll = async (
    steps: Steps,
    companyId: CompanyId,
    onResealed: OnResealed,
  ): Promise<RotatedCompanyKey> => {
    let total = 0;
    let complete = 0;
    const ended: number[] = [];
    for (let sweep = 1; sweep <= mostSweeps; sweep++) {
      const to = await companyKeys.forSealing(companyId);
      const { broken, superseded } = await resealValues(database, companyKeys, companyId, to, (values) => {
        total += values;
        return onResealed(total);
      });
      if (superseded) continue;
      complete++;
      const { destroyed, left } = await destroyUnused(steps, companyId);
      ended.push(...destroyed);
      if (!left && broken.length === 0) return { no: to.no, values: total, destroyed: ended };
      // A value that was under the old key may have moved between its head and its version behind the sweep, and what does not
      // open may have been replaced between its reading and its opening: once more.
      if (broken.length > 0 && complete > 1) throw unopenable(broken, to.no);
    }
    throw new TenantSecretsError(
      "CONFLICT",
      `Other rotations of this company's key, or changes of its secrets, went on through ${mostSweeps} sweeps. What was sealed anew stays; rotate again, which goes on from here.`,
    );
  };

  return {
    rotateCompanyKey: async (caller, subdomain, onResealed) => {
      const operation = await resolve(caller, subdomain);
      return operations.inSteps(operation, async (steps) => {
        const rotated = await rotate(steps, operation.company.id, { onResealed });
        if (rotated === undefined) throw noKey();
        return rotated;
      });
    },
    requestRotation: async (caller, subdomain) => {
      const operation = await resolve(caller, subdomain);
      const { id } = operation.company;
      return operations.inSteps(operation, async (steps) => {
        const no = await begin(steps, id, {
          also: (statements) => enqueueJob(statements, "reseal-company", { company: id }, { jobKey: id }),
        });
        if (no === undefined) throw noKey();
        return no;
      });
    },
    finishRotation: async (id, signal) => {
      const [row] = await database.acrossCompanies((statements) =>
        statements
          .select({ id: keys.companyId })
          .from(keys)
          .where(and(eq(keys.companyId, id), eq(keys.status, "active"))),
      );
      if (row === undefined) return;
      const company = { id: companyIdOf(row) };
      const steps = operations.steps({ caller: resealer, action: "key.rotate-company", company });
      await resealAll(steps, company.id, () => {
        if (signal.aborted) throw rotationInterrupted();
      });
    },
    replaceOldKeys: (caller, id, madeUntil, onResealed) =>
      operations.inSteps({ caller, action: "key.rotate-company", company: { id } }, (steps) =>
        rotate(steps, id, { madeUntil, onResealed }),
      ),
  };
}

/** Who asked for the rotation is on record with the new key. */
const resealer = job("reseal-company", { verbs: [], secretKeys: [] });

function noKey(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "This company has no key yet: nothing of it is sealed in the database.",
  );
}

async function isInUse(statements: Statements, companyId: CompanyId, no: number): Promise<boolean> {
  const rows = await statements.execute(sql`
    select 1 from ${companySecrets}
    where company_id = ${companyId} and company_key_no = ${no} and secret_value_encrypted is not null
    union all
    select 1 from ${companySecrets} where company_id = ${companyId} and mac_key_no = ${no}
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
