import { sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  notFound,
  type RevealPurpose,
  type RotationPolicyDescription,
  type RotationPolicyInput,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import type { Companies } from "../companies/companies.ts";
import { secretSubject } from "../runs/definition.ts";
import type { Vault } from "../vault/vault.ts";
import { continueStopped, startRotation } from "./begin.ts";
import { type CheckParts, checkPolicy, onInfisical } from "./policy-checks.ts";
import { refuseMisfits } from "./misfits.ts";
import { beforeTokensEnd, dueOf, findCurrentVersion } from "./policy-due.ts";
import { lockPolicy, ofPolicy, type PolicyRow } from "./policy-row.ts";
import { type RotationAction, rotationOperation } from "./rotation-operation.ts";
import { describePolicies } from "./rotation-lists.ts";
import type { RotationRun } from "./rotation-run.ts";

const { rotationPolicies } = tables;

export interface SecretName {
  readonly company: string;
  readonly secretKey: string;
}

/**
 * How secrets are rotated, and when. Each method throws FORBIDDEN, and NOT_FOUND for a company or a policy that is not there or not
 * the caller's.
 */
export interface Policies {
  /**
   * @throws {TenantSecretsError} INVALID_INPUT; NOT_SUPPORTED for a company on Infisical, and for a driver that is not there;
   *   UNKNOWN_SECRET_KEY; NOT_FOUND for a secret without a value
   */
  set(caller: Caller, policy: RotationPolicyInput): Promise<RotationPolicyDescription>;
  remove(caller: Caller, name: SecretName): Promise<void>;
  /** Idempotent. */
  pause(caller: Caller, name: SecretName): Promise<RotationPolicyDescription>;
  /** Idempotent. */
  resume(caller: Caller, name: SecretName): Promise<RotationPolicyDescription>;
  /**
   * @returns the id of the run: of the one that is under way, or of another one
   * @throws {TenantSecretsError} INVALID_INPUT for an urgent rotation without a purpose
   */
  rotate(
    caller: Caller,
    asked: SecretName & {
      readonly urgent: boolean;
      /** Of an urgent rotation. */
      readonly purpose?: RevealPurpose | undefined;
    },
  ): Promise<string>;
}

export interface PolicyParts extends CheckParts {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly rotation: RotationRun;
  readonly vault: Pick<Vault, "open">;
}

export function createPolicies(parts: PolicyParts): Policies {
  const { operations, companies, rotation } = parts;
  const describeAll = describePolicies(parts);

  const operationOn = (caller: Caller, name: SecretName, action: RotationAction) =>
    rotationOperation(companies, caller, { ...name, action, verb: "rotate" });

  /** One change of a policy that is there. */
  const change = async (
    caller: Caller,
    { action, ...name }: SecretName & { readonly action: RotationAction },
    work: (statements: Statements, policy: PolicyRow) => Promise<Partial<PolicyRow>>,
  ): Promise<RotationPolicyDescription> => {
    const operation = await operationOn(caller, name, action);
    return operations.change(operation, async ({ statements }) => {
      const policy = await lockPolicy(statements, {
        companyId: operation.company.id,
        secretKey: name.secretKey,
      });
      const changes = await work(statements, policy);
      const [changed] = await statements
        .update(rotationPolicies)
        .set({ ...changes, updatedAt: sql`now()` })
        .where(ofPolicy(policy))
        .returning();
      if (changed === undefined) throw new Error("a policy that is locked is there");
      return audited(await describe(statements, changed), {});
    });
  };

  const describe = async (statements: Statements, policy: PolicyRow): Promise<RotationPolicyDescription> => {
    const [description] = await describeAll(statements, [policy]);
    if (description === undefined) throw new Error("each policy has a description");
    return description;
  };

  return {
    set: async (caller, { company: subdomain, secretKey, ...asked }) => {
      const operation = await operationOn(caller, { company: subdomain, secretKey }, "rotation.set-policy");
      const { company } = operation;
      return operations.inSteps(operation, async ({ commit }) => {
        await refuseMisfits(parts, { scope: { company, caller }, secretKey, ...asked });
        return commit(async ({ statements }) => {
          const place = { companyId: company.id, secretKey };
          const { driver, settings, manager } = await checkPolicy(parts, statements, {
            ...asked,
            company,
            secretKey,
          });
          const current = await findCurrentVersion(statements, place);
          if (current === undefined) throw notFound();
          const policy = {
            driver: driver.name,
            settings,
            schedule: asked.schedule ?? (driver.creates === "exchange" ? beforeTokensEnd(current) : null),
            overlapSeconds: asked.overlapSeconds,
            canary: asked.canary ?? null,
            managerKey: manager,
            actorKind: caller.actor.kind,
            actorId: caller.actor.id,
          };
          const due = await dueOf(statements, { ...place, schedule: policy.schedule });
          const fresh = { ...policy, state: "active", reason: null, failures: 0, ...due } as const;
          const [row] = await statements
            .insert(rotationPolicies)
            .values({ ...place, ...fresh })
            .onConflictDoUpdate({
              target: [rotationPolicies.companyId, rotationPolicies.secretKey],
              set: { ...fresh, updatedAt: sql`now()` },
            })
            .returning();
          if (row === undefined) throw new Error("an insert returned no row");
          return audited(await describe(statements, row), {});
        });
      });
    },

    remove: async (caller, name) => {
      const operation = await operationOn(caller, name, "rotation.remove-policy");
      const { company } = operation;
      await operations.change(operation, async ({ statements }) => {
        const policy = await lockPolicy(statements, { companyId: company.id, secretKey: name.secretKey });
        const subject = secretSubject(company.id, name.secretKey);
        const under = await rotation.lookUpUnfinished(statements, subject);
        if (under !== undefined) throw underWay();
        await statements.delete(rotationPolicies).where(ofPolicy(policy));
        return audited(undefined, {});
      });
    },

    pause: (caller, name) =>
      change(caller, { ...name, action: "rotation.pause" }, async (_, { state, reason }) => ({
        state: "paused",
        // One that is paused already stays so for its reason.
        reason: state === "paused" ? reason : "PAUSED",
      })),

    resume: (caller, name) =>
      change(caller, { ...name, action: "rotation.resume" }, async (statements, policy) => {
        await continueStopped(statements, rotation, policy);
        if (policy.state === "active") return { state: policy.state };
        return {
          state: "active",
          reason: null,
          failures: 0,
          // Stuck, where its schedule cannot be counted.
          ...(await dueOf(statements, policy)),
        };
      }),

    rotate: async (caller, { urgent, purpose, ...name }) => {
      if (urgent && purpose === undefined) {
        const message = "An urgent rotation needs a purpose, which is in the audit log.";
        throw new TenantSecretsError("INVALID_INPUT", message, { fields: ["purpose"] });
      }
      const operation = await operationOn(caller, name, "rotation.rotate");
      const { company } = operation;
      if (company.secretStore === "infisical") return operations.deny(operation, onInfisical());
      return operations.change(operation, async ({ statements }) => {
        const policy = await lockPolicy(statements, { companyId: company.id, secretKey: name.secretKey });
        const id = await startRotation(statements, rotation, { policy, caller, urgent, trigger: "asked" });
        return audited(id, { subject: id, reason: purpose });
      });
    },
  };
}

function underWay(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "A rotation of this secret is under way, and ends what it made at the provider: wait for it, or abort it.",
  );
}
