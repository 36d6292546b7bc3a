import { and, eq, sql } from "drizzle-orm";
import { tables, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import type { AuditLog } from "@repo/audit-log";
import { type Caller, type CompanyId, systemCaller, keyDestroyed, TenantSecretsError } from "@repo/catalog";
import { companyIdOf } from "../../companies/company-id.ts";
import type { RunProgress } from "../../runs/definition.ts";
import { defineRun, type Run } from "../../runs/run.ts";
import { LeaseOver } from "../external/external-key-error.ts";
import type { CompanyKeys } from "./company-keys.ts";
import { lockCompany } from "../../companies/company-lock.ts";
import { KeySuperseded, reencryptCompany } from "./reencrypt.ts";

const { companyKeys: keys, companyKeyWraps, companySecrets, companySecretVersions } = tables;

const Facts = z.strictObject({
  /** Complete sweeps through the company: those not interrupted by a newer key. */
  complete: z.int(),
  /** The version of the key that everything is under; null until the end. */
  keyVersion: z.int().nullable(),
});
export type CompanyRotationFacts = z.infer<typeof Facts>;

/** Called after every batch with the number of values that this call has re-encrypted, and the run's progress. */
export type OnReencrypted = (values: number, progress: RunProgress) => void | Promise<void>;

/** The results of one call that drives the run. */
export interface CompanyRotationTally {
  sweeps: number;
  /** Values re-encrypted by this call. */
  values: number;
  /** Versions of the keys destroyed by this call. */
  destroyed: readonly number[];
  readonly onReencrypted: OnReencrypted | undefined;
}

export type CompanyRotationRun = Run<Record<string, never>, CompanyRotationFacts, CompanyRotationTally>;

/**
 * Sweeps per rotation, a bound against endless rotations. One sweep and a second suffice, as an encrypted value moves at most
 * twice; each rotation that starts meanwhile costs one or two more.
 */
const maxSweeps = 20;

/** The caller who requested the rotation is audited with the new key. */
const background = systemCaller("rotate-company-key", { verbs: [], secretKeys: [] });

/** Re-encrypts all values of a company under its active key, and destroys the others. The subject is the company's id. */
export function defineCompanyRotation(
  database: Database,
  companyKeys: CompanyKeys,
  audit: AuditLog,
): CompanyRotationRun {
  return defineRun(database, {
    kind: "rotate-company-key",
    title: "Rotation of a company's key",
    concerns: "company",
    keyVersion: ({ keyVersion }) => keyVersion ?? undefined,
    verb: "rotate",
    cancellable: true,
    first: "reencrypt",
    input: z.strictObject({}),
    facts: Facts,
    // The company was shredded.
    fatal: new Set(["KEY_DESTROYED"]),
    phases: {
      // If another rotation replaces the active key meanwhile, its new key becomes the target.
      reencrypt: async (step, tally: CompanyRotationTally) => {
        if (++tally.sweeps > maxSweeps) throw tooManySweeps();
        const companyId = companyIdOf({ id: step.run.subject });
        const to = await companyKeys.forEncryption(companyId);
        let broken: readonly string[];
        try {
          broken = await reencryptCompany({
            database,
            companyKeys,
            companyId,
            to,
            step,
            advance: (values) => ({ done: step.progress.done + values }),
            progress: (values) => {
              tally.values += values;
              return tally.onReencrypted?.(tally.values, step.progress);
            },
          });
        } catch (error) {
          if (error instanceof KeySuperseded || error instanceof LeaseOver)
            return step.enter({ phase: "reencrypt" });
          throw error;
        }
        await audit.ready();
        const destroy = async (statements: Statements): Promise<boolean> => {
          const { destroyed, left } = await destroyUnused({ statements, audit }, step.caller, companyId);
          tally.destroyed = [...tally.destroyed, ...destroyed];
          return left;
        };
        const invalidate = (): void => companyKeys.invalidate(companyId);
        const complete = step.facts.complete + 1;
        // A value that does not decrypt may have been replaced between reading and decrypting: one more sweep.
        if (broken.length > 0 && complete > 1) {
          await step.commit(destroy, { facts: { complete: 0 } }).finally(invalidate);
          throw undecryptable(broken, to.keyVersion);
        }
        // A value under the old key may have moved between its head and its version behind the sweep.
        return step
          .enter(async (statements) =>
            (await destroy(statements)) || broken.length > 0
              ? { phase: "reencrypt", facts: { complete } }
              : { phase: "done", facts: { complete, keyVersion: to.keyVersion } },
          )
          .finally(invalidate);
      },
    },
    background: {
      callerOf: () => background,
      tools: () => newTally(undefined),
    },
  });
}

export function newTally(onReencrypted: CompanyRotationTally["onReencrypted"]): CompanyRotationTally {
  return { sweeps: 0, values: 0, destroyed: [], onReencrypted };
}

/** Destroys the keys that no value uses any more. @throws {TenantSecretsError} KEY_DESTROYED */
async function destroyUnused(
  { statements, audit }: { readonly statements: Statements; readonly audit: AuditLog },
  caller: Caller,
  companyId: CompanyId,
): Promise<{ readonly destroyed: readonly number[]; readonly left: boolean }> {
  await lockCompany(statements, companyId);
  const rows = await statements
    .select({ keyVersion: keys.keyVersion, status: keys.status })
    .from(keys)
    .where(eq(keys.companyId, companyId))
    .orderBy(keys.keyVersion)
    .for("update");
  // The company was shredded meanwhile.
  if (rows.every(({ status }) => status !== "active")) throw keyDestroyed();
  // No value can be encrypted under one of these while the company is locked.
  const retiring = rows.filter(({ status }) => status === "retiring" || status === "retired");
  const destroyed: number[] = [];
  for (const { keyVersion } of retiring) {
    if (await isInUse(statements, companyId, keyVersion)) continue;
    await statements
      .update(keys)
      .set({ status: "destroyed", destroyedAt: sql`now()` })
      .where(and(eq(keys.companyId, companyId), eq(keys.keyVersion, keyVersion)));
    await statements
      .delete(companyKeyWraps)
      .where(and(eq(companyKeyWraps.companyId, companyId), eq(companyKeyWraps.keyVersion, keyVersion)));
    await audit.recordInTransaction(statements, caller, {
      action: "key.destroy-company",
      outcome: "success",
      companyId,
      version: keyVersion,
    });
    destroyed.push(keyVersion);
  }
  return { destroyed, left: destroyed.length < retiring.length };
}

async function isInUse(statements: Statements, companyId: CompanyId, keyVersion: number): Promise<boolean> {
  const rows = await statements.execute(sql`
    select 1 from ${companySecrets}
    where company_id = ${companyId} and company_key_version = ${keyVersion} and secret_value_encrypted is not null
    union all
    select 1 from ${companySecrets} where company_id = ${companyId} and mac_key_version = ${keyVersion}
    union all
    select 1 from ${companySecretVersions}
    where company_id = ${companyId} and company_key_version = ${keyVersion} and value_encrypted is not null
    limit 1`);
  return rows.length > 0;
}

function undecryptable(broken: readonly string[], keyVersion: number): TenantSecretsError {
  const shown = broken.slice(0, 20).join(", ");
  const more = broken.length > 20 ? ` and ${broken.length - 20} more` : "";
  return new TenantSecretsError(
    "INTEGRITY_FAILURE",
    `These do not decrypt, and the key that they were encrypted under is retained for them: ${shown}${more}. Everything else of the company is under key ${keyVersion}.`,
  );
}

function tooManySweeps(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `Other rotations of this company's key, or changes of its secrets, continued during ${maxSweeps} sweeps. What was re-encrypted stays; rotate again to continue from there.`,
  );
}
