import { randomBytes } from "node:crypto";
import { sql } from "drizzle-orm";
import type { Statements } from "@repo/db";
import {
  type Caller,
  type CompanyId,
  type ExternalKeyState,
  forbidden,
  TenantSecretsError,
} from "@repo/catalog";
import { ExternalKeyFailure, type ExternalKeys, parseKeyArn } from "@repo/external-keys";
import type { Operations, Steps } from "../../access/operation.ts";
import type { Companies, CompanyScope } from "../../companies/companies.ts";
import type { CompanyKeys } from "../company/company-keys.ts";
import type { CompanyKeyRotation } from "../company/rotation.ts";
import { ExternalKeyError } from "./external-key-error.ts";
import { contextOf } from "./wrapping.ts";

/** A company's keys wrapped by a key in a service of its own. */
export interface ExternalKey {
  /** Asks the key, where there is one. @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND */
  get(caller: Caller, company: string): Promise<ExternalKeyState>;
  /**
   * Has the keys of a company wrapped by an external key, or by another one than before: makes a new key, and leaves it to a job to
   * encrypt everything under it and to destroy the earlier ones. Idempotent.
   *
   * @param key the ARN of a key in AWS KMS
   * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND; INVALID_INPUT for another name; CONFLICT if the key refuses, or the company has
   *   values or keys elsewhere; KEY_UNAVAILABLE if its service does not answer
   */
  set(caller: Caller, company: string, key: string): Promise<ExternalKeyState>;
  /** Undoes `set` in the same way. Idempotent. @throws as `set`; KEY_UNAVAILABLE if the external key does not open */
  remove(caller: Caller, company: string): Promise<ExternalKeyState>;
}

interface Dependencies {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly companyKeys: CompanyKeys;
  readonly companyKeyRotation: Pick<CompanyKeyRotation, "changeExternalKey">;
  readonly externalKeys: ExternalKeys;
}

const to = "set the company's external key";

export function createExternalKey(dependencies: Dependencies): ExternalKey {
  const { operations, companies, companyKeys, companyKeyRotation, externalKeys } = dependencies;

  const describe = async (id: CompanyId): Promise<ExternalKeyState> => {
    const state = stateOf(await companyKeys.externalKeysOf(id));
    if (state.key === undefined) return state;
    try {
      // The parts of a key throw where its time is over.
      void (await companyKeys.forEncryption(id)).valueKey;
      return { ...state, answer: "opens" };
    } catch (error) {
      if (!(error instanceof ExternalKeyError)) throw error;
      return { ...state, answer: error.fault };
    }
  };

  const change = async (
    steps: Steps,
    { caller, company: { id, subdomain } }: CompanyScope,
    externalKey: string | null,
  ): Promise<ExternalKeyState> => {
    // A company that never had a value gets its first key here. Where an external key does not open, nothing is begun.
    void (await companyKeys.forEncryption(id)).valueKey;
    const [active] = await companyKeys.externalKeysOf(id);
    if (active === (externalKey ?? undefined)) await steps.record({});
    else {
      const guard = (statements: Statements) =>
        externalKey === null ? Promise.resolve() : refuseElsewhere(statements, id, subdomain);
      await companyKeyRotation.changeExternalKey(steps, caller, { companyId: id, externalKey, guard });
      companyKeys.invalidate(id);
    }
    return describe(id);
  };

  return {
    get: async (caller, subdomain) => {
      const asked = { caller, action: "company.external-key" } as const;
      const { company } = await companies.resolve(asked, subdomain);
      const operation = { ...asked, company, verb: "rotate", to: "see the company's external key" } as const;
      return operations.inSteps({ ...operation, changes: false }, async (steps) => {
        const found = await describe(company.id);
        await steps.record({});
        return found;
      });
    },
    set: async (caller, subdomain, key) => {
      const asked = { caller, action: "company.set-external-key" } as const;
      const scope = await companies.resolve(asked, subdomain);
      const { company } = scope;
      const operation = { ...asked, company, verb: "rotate", to } as const;
      const deny = isOwner(scope) || caller.actor.kind === "operator" ? undefined : forbidden(to);
      return operations.inSteps({ ...operation, deny }, async (steps) => {
        if (parseKeyArn(key) === undefined) throw notAKey();
        const [active] = await companyKeys.externalKeysOf(company.id);
        // Taking a company off its key is up to the company, and so is another key in its place.
        if (active !== undefined && active !== key && !isOwner(scope)) throw forOwners();
        if (active !== key) await tryKey(externalKeys, company.id, key);
        return change(steps, scope, key);
      });
    },
    remove: async (caller, subdomain) => {
      const asked = { caller, action: "company.remove-external-key" } as const;
      const scope = await companies.resolve(asked, subdomain);
      const operation = { ...asked, company: scope.company, verb: "rotate", to } as const;
      const deny = isOwner(scope) ? undefined : forbidden("take a company off its own key");
      return operations.inSteps({ ...operation, deny }, (steps) => change(steps, scope, null));
    },
  };
}

function isOwner({ caller: { actor }, company }: CompanyScope): boolean {
  return actor.kind === "user" && actor.roles.get(company.id) === "owner";
}

/** @param names of the external keys, the active one's first */
function stateOf(names: readonly (string | undefined)[]): ExternalKeyState {
  const [key] = names;
  const isDone = names.every((name) => name === key);
  if (key === undefined) return { state: isDone ? "none" : "removing" };
  return { state: isDone ? "in-force" : "changing", key };
}

/** Has a key encrypt and decrypt random bytes. @throws {TenantSecretsError} CONFLICT, KEY_UNAVAILABLE */
async function tryKey(keys: ExternalKeys, companyId: CompanyId, key: string): Promise<void> {
  const probe = randomBytes(32);
  const context = contextOf({ companyId, keyVersion: "probe" });
  try {
    const opened = await keys.decrypt(key, await keys.encrypt(key, probe, context), context);
    if (!opened.equals(probe)) throw new ExternalKeyFailure("wrong", "it decrypts to other bytes");
  } catch (error) {
    if (!(error instanceof ExternalKeyFailure)) throw error;
    const code = error.fault === "unavailable" ? "KEY_UNAVAILABLE" : "CONFLICT";
    throw new TenantSecretsError(
      code,
      `The key cannot be used: ${error.message}. Its policy has to allow kms:Encrypt and kms:Decrypt to this deployment. Nothing was changed.`,
    );
  }
}

/** @throws {TenantSecretsError} CONFLICT where values or keys of the company are, or may come, somewhere without the external key */
async function refuseElsewhere(statements: Statements, companyId: CompanyId, company: string): Promise<void> {
  const [row] = await statements.execute<
    Record<"store" | "folder" | "mirror" | "region" | "run", boolean>
  >(sql`
    select c.secret_store <> 'database' as store,
      coalesce(s.left_in = 'infisical' and s.cleaned_at is null, false) as folder,
      coalesce(s.is_mirrored, false) as mirror,
      exists (select from company_regions r where r.company_id = c.id) as region,
      exists (select from migration_companies m join runs u on u.id = m.run_id
        where m.company_id = c.id and m.finished_at is null and u.finished_at is null) as run
    from companies c left join company_stores s on s.company_id = c.id where c.id = ${companyId} for no key update of c`);
  const refuse = (why: string): never => {
    throw new TenantSecretsError("CONFLICT", `${company} ${why} Nothing was changed.`);
  };
  if (row === undefined) return refuse("is gone.");
  if (row.store)
    refuse('is not on the database store: move it there first ("migrate switch --to database").');
  if (row.mirror) refuse('has a mirror in Infisical: end it first ("migrate mirror --off").');
  if (row.run) refuse("is part of a migration that is not finished: wait for its end, or cancel it.");
  if (row.folder)
    refuse(
      'has the values that it had before in its folder in Infisical: remove them first ("migrate cleanup").',
    );
  if (row.region)
    refuse('is copied to another region: take it from there first ("companies regions remove").');
}

function notAKey(): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    "An external key is named by the full ARN of a symmetric key in AWS KMS, arn:aws:kms:REGION:ACCOUNT:key/ID, and not by an alias.",
    { fields: ["key"] },
  );
}

function forOwners(): TenantSecretsError {
  return new TenantSecretsError(
    "FORBIDDEN",
    "The keys of this company are wrapped by a key of its own already: an owner of the company replaces it.",
  );
}
