import { setTimeout as sleep } from "node:timers/promises";
import { and, desc, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type Caller, type CompanyId, keyDestroyed, TenantSecretsError } from "@repo/catalog";
import { type MasterKey, wrapExternal, wrapKey } from "@repo/envelope";
import {
  audited,
  type Audited,
  type Operations,
  type Steps,
  type Transaction,
} from "../../access/operation.ts";
import type { Companies } from "../../companies/companies.ts";
import { RunDriven, RunStopped, type Lease, type RunRow } from "../../runs/lease.ts";
import { type CompanyKeys, type NextKey, placeOf, wrapping } from "./company-keys.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import type { MasterKeys } from "../master/master-keys.ts";
import {
  newTally,
  type CompanyRotationFacts,
  type CompanyRotationRun,
  type OnReencrypted,
} from "./rotation-run.ts";

const { companyKeys: keys, companyKeyWraps, companySecrets, companySecretVersions } = tables;

export interface RotatedCompanyKey {
  /** The version of the key that everything of the company is encrypted under now, or is going to be. */
  readonly keyVersion: number;
  /** Values re-encrypted by this call. */
  readonly values: number;
  /** Versions of the keys destroyed by this call. */
  readonly destroyed: readonly number[];
  /** The id of the run, if another process drives it: not everything is under the key yet. */
  readonly drivenElsewhere?: string;
}

export interface CompanyKeyRotation {
  /**
   * Gives a company a new key, re-encrypts all its values and destroys the old key; or continues an interrupted rotation. Reads
   * and writes continue meanwhile, and it can be interrupted anywhere. If another process drives a rotation of the company, this
   * call joins it: it is answered at once, with that run.
   *
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if the company has no key, or too many rotations start
   *   meanwhile; KEY_DESTROYED; INTEGRITY_FAILURE if values do not decrypt: all others are then under the new key, and the old
   *   key is retained
   */
  rotateCompanyKey(
    caller: Caller,
    subdomain: string,
    onReencrypted?: OnReencrypted,
  ): Promise<RotatedCompanyKey>;
  /**
   * Gives a company a new key, unless a rotation is unfinished, and leaves the re-encryption to a job.
   *
   * @returns the version of the active key
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; CONFLICT if the company has no key; KEY_DESTROYED
   */
  requestRotation(caller: Caller, subdomain: string): Promise<number>;
  /**
   * Gives a company a new key under another external key, and leaves the re-encryption to a job. For a caller whose permission was
   * checked.
   *
   * @param change the name of the external key; null: none. `guard` runs in the transaction, with the company locked
   * @returns the version of the new key
   * @throws {TenantSecretsError} as `requestRotation`; what `guard` throws; KEY_UNAVAILABLE if the external key does not encrypt
   */
  changeExternalKey(
    steps: Steps,
    caller: Caller,
    change: {
      readonly companyId: CompanyId;
      readonly externalKey: string | null;
      readonly guard: (statements: Statements) => Promise<void>;
    },
  ): Promise<number>;
  /**
   * As `rotateCompanyKey`, for an operator whose permission was checked, unless the active key was made after `madeUntil` and no
   * older key is left. Ends when everything is under one key: if another process drives the rotation, this waits for it.
   *
   * @returns undefined if the company has no key
   */
  replaceOldKeys(
    caller: Caller,
    keys: { readonly companyId: CompanyId; readonly madeUntil: Date },
    onReencrypted?: OnReencrypted,
  ): Promise<RotatedCompanyKey | undefined>;
}

interface Dependencies {
  readonly companies: Pick<Companies, "resolve">;
  readonly masterKeys: MasterKeys;
  readonly companyKeys: Pick<CompanyKeys, "makeNext">;
  readonly companyRotation: CompanyRotationRun;
  readonly operations: Operations;
}

/** The version of the active key and the run that re-encrypts everything under it, with its lease if it was just started. */
interface Begun {
  readonly keyVersion: number;
  readonly run: (RunRow & Lease) | string;
}

interface Asked {
  readonly caller: Caller;
  readonly companyId: CompanyId;
  /** A new key is due if the active one was made by then; undefined: unless a rotation is unfinished. */
  readonly madeUntil?: Date;
  /** Whether the caller drives the run, or a job does. */
  readonly how: "drive" | "enqueue";
  /** The new key has another external key than the active one: it is due in any case. */
  readonly external?: {
    readonly key: string | null;
    readonly guard: (statements: Statements) => Promise<void>;
  };
  /** Whether to wait for another process that drives the run. */
  readonly waits?: boolean;
}

interface Making {
  readonly masterKey: MasterKey;
  /** The key to be stored, if one is due. */
  readonly next: NextKey | undefined;
}

/** Milliseconds between two checks whether another process has finished the run. */
const pollIntervalMs = 200;

/** The unfinished run that was found has finished meanwhile. */
class RunEnded extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "Another rotation of this company's key has just ended.");
  }
}

/** Another key was made since this one. */
class NextKeyOutdated extends TenantSecretsError {
  constructor() {
    super("CONFLICT", "Another key of this company was made meanwhile.");
  }
}

const toRotate = { verb: "rotate", to: "rotate keys" } as const;

export function createCompanyKeyRotation(dependencies: Dependencies): CompanyKeyRotation {
  const { companies, masterKeys, companyKeys, companyRotation, operations } = dependencies;

  /** Checks for an operator first: other callers must not learn whether the company exists. */
  const resolve = async (caller: Caller, subdomain: string) => {
    const asked = { caller, action: "key.rotate-company" } as const;
    await operations.authorize({ ...asked, ...toRotate });
    const { company } = await companies.resolve(asked, subdomain);
    return { ...asked, company };
  };

  /**
   * Adds a run of the company, or finds its unfinished one. Called before any other lock is taken, in the order of the run's
   * driver.
   */
  const startOrFind = async (
    statements: Statements,
    { caller, companyId, total, how }: Asked & { readonly total: number },
  ): Promise<(RunRow & Lease) | string | undefined> => {
    const run = { subject: companyId, input: {}, facts: { complete: 0, keyVersion: null }, caller, total };
    const leased = how === "drive" ? await companyRotation.startDriven(statements, run) : undefined;
    if (leased !== undefined) return leased;
    const added = how === "enqueue" ? await companyRotation.start(statements, run) : undefined;
    const found = added ?? (await companyRotation.lookUpUnfinished(statements, companyId));
    if (how === "enqueue" && found !== undefined) await companyRotation.enqueue(statements, found);
    return found?.id;
  };

  /** The version of the active key: of `next`, if one is due. */
  const keyOf = async (
    { statements, copies }: Pick<Transaction, "statements" | "copies">,
    { masterKey, next }: Making,
    { companyId, madeUntil, external }: Asked,
  ): Promise<{ readonly keyVersion: number; readonly isNew: boolean }> => {
    const rows = await statements
      .select()
      .from(keys)
      .where(eq(keys.companyId, companyId))
      .orderBy(desc(keys.keyVersion))
      .for("update");
    const active = rows.find((row) => row.status === "active");
    if (active === undefined) throw keyDestroyed();
    const isOld =
      madeUntil === undefined
        ? rows.every((row) => row.status !== "retiring")
        : active.createdAt <= madeUntil;
    if (!isOld && external === undefined) return { keyVersion: active.keyVersion, isNew: false };
    const keyVersion = (rows[0]?.keyVersion ?? 0) + 1;
    if (next?.keyVersion !== keyVersion) throw new NextKeyOutdated();
    await external?.guard(statements);
    await statements
      .update(keys)
      .set({ status: "retiring" })
      .where(and(eq(keys.companyId, companyId), eq(keys.keyVersion, active.keyVersion)));
    await statements.insert(keys).values({ companyId, keyVersion, status: "active" });
    const { region, version: masterKeyVersion, wrappingKey } = masterKey;
    const place = placeOf(companyId, keyVersion, { region, masterKeyVersion });
    if (external?.key === null) await allowPlainWrap(statements, companyId);
    const wrapped =
      next.external === undefined
        ? wrapKey(wrappingKey, place, next.secret)
        : wrapExternal(wrappingKey, place, next.external);
    await statements
      .insert(companyKeyWraps)
      .values({ companyId, keyVersion, region, masterKeyVersion, wrapped });
    if (next.external === undefined) await copies.key({ companyId, keyVersion, secret: next.secret });
    return { keyVersion, isNew: true };
  };

  const beginIn = async (
    transaction: Pick<Transaction, "statements" | "copies">,
    making: Making,
    asked: Asked,
  ): Promise<Audited<Begun | undefined>> => {
    const { statements } = transaction;
    const { companyId } = asked;
    const total = await countEncrypted(statements, companyId);
    if (total === undefined) return audited(undefined, []);
    const started = await startOrFind(statements, { ...asked, total });
    await lockCompany(statements, companyId);
    // A run that ended before the lock was taken does not cover the key created now.
    const run =
      typeof started === "object"
        ? started
        : (await companyRotation.lookUpUnfinished(statements, companyId))?.id;
    if (run === undefined || (typeof run === "string" && run !== started)) throw new RunEnded();
    const { keyVersion, isNew } = await keyOf(transaction, making, asked);
    return audited({ keyVersion, run }, isNew ? { version: keyVersion } : []);
  };

  /** Creates a new key, if due, with the run that re-encrypts everything under it. @returns undefined if there is no key */
  const begin = async (steps: Steps, asked: Asked): Promise<Begun | undefined> => {
    for (;;) {
      // Before the transaction, which waits for nothing but its statements.
      const next = await companyKeys.makeNext(asked.companyId, asked.external?.key);
      try {
        return await wrapping(masterKeys, ({ active: masterKey }) =>
          steps.commit((transaction) => beginIn(transaction, { masterKey, next }, asked)),
        );
      } catch (error) {
        if (!(error instanceof RunEnded || error instanceof NextKeyOutdated)) throw error;
      } finally {
        next?.secret.fill(0);
      }
    }
  };

  /** Drives a run to its end. If another process does so, joins it or waits for it, and takes over if it dies. */
  const finish = async (
    { run, keyVersion: activeVersion }: Begun,
    { caller, waits = false }: Pick<Asked, "caller" | "waits">,
    onReencrypted: OnReencrypted | undefined,
  ): Promise<RotatedCompanyKey> => {
    const tally = newTally(onReencrypted);
    const rotated = ({ keyVersion }: CompanyRotationFacts): RotatedCompanyKey => {
      if (keyVersion === null) throw new Error("a run that is done knows its key");
      return { keyVersion, values: tally.values, destroyed: tally.destroyed };
    };
    for (let driven = run; ;) {
      try {
        return rotated((await companyRotation.drive(driven, { caller, tools: tally })).facts);
      } catch (error) {
        driven = typeof driven === "string" ? driven : driven.id;
        if (error instanceof RunStopped && error.because === "done") {
          return rotated((await companyRotation.get(driven)).facts);
        }
        if (!(error instanceof RunDriven)) throw error;
        if (!waits) {
          const { values, destroyed } = tally;
          return { keyVersion: activeVersion, values, destroyed, drivenElsewhere: driven };
        }
        await sleep(pollIntervalMs);
      }
    }
  };

  const rotate = async (
    steps: Steps,
    asked: Omit<Asked, "how">,
    onReencrypted?: OnReencrypted,
  ): Promise<RotatedCompanyKey | undefined> => {
    const begun = await begin(steps, { ...asked, how: "drive" });
    return begun && finish(begun, asked, onReencrypted);
  };

  return {
    rotateCompanyKey: async (caller, subdomain, onReencrypted) => {
      const operation = await resolve(caller, subdomain);
      return operations.inSteps(operation, async (steps) => {
        const rotated = await rotate(steps, { caller, companyId: operation.company.id }, onReencrypted);
        if (rotated === undefined) throw noKey();
        return rotated;
      });
    },
    requestRotation: async (caller, subdomain) => {
      const operation = await resolve(caller, subdomain);
      return operations.inSteps(operation, async (steps) => {
        const begun = await begin(steps, { caller, companyId: operation.company.id, how: "enqueue" });
        if (begun === undefined) throw noKey();
        return begun.keyVersion;
      });
    },
    changeExternalKey: async (steps, caller, { companyId, externalKey, guard }) => {
      const external = { key: externalKey, guard };
      const begun = await begin(steps, { caller, companyId, how: "enqueue", external });
      if (begun === undefined) throw noKey();
      return begun.keyVersion;
    },
    replaceOldKeys: (caller, { companyId, madeUntil }, onReencrypted) =>
      operations.inSteps({ caller, action: "key.rotate-company", company: { id: companyId } }, (steps) =>
        rotate(steps, { caller, companyId, madeUntil, waits: true }, onReencrypted),
      ),
  };
}

/** Lets this transaction store a new key without the external key that the others have: keys.sql refuses it otherwise. */
async function allowPlainWrap(statements: Statements, companyId: CompanyId): Promise<void> {
  await statements.execute(sql`select set_config('tenant_secrets.without_external_key', ${companyId}, true)`);
}

/** The number of encrypted values of a company; undefined if it has no key. */
async function countEncrypted(statements: Statements, companyId: CompanyId): Promise<number | undefined> {
  const [row] = await statements.execute<{ count: number; keys: boolean }>(sql`
    select exists (select from ${keys} where company_id = ${companyId}) as keys,
      ((select count(*) from ${companySecrets} where company_id = ${companyId} and secret_value_encrypted is not null)
      + (select count(*) from ${companySecretVersions} where company_id = ${companyId} and value_encrypted is not null))::int as count`);
  return row?.keys === true ? row.count : undefined;
}

function noKey(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "This company has no key yet: nothing of it is encrypted in the database.",
  );
}
