import { and, desc, eq, isNull, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import {
  type Caller,
  type CompromisedRotation,
  type CompromisedRotationInput,
  type SecretStoreName,
} from "@repo/catalog";
import { audited, type Operations } from "../access/operation.ts";
import { permits } from "../access/permissions.ts";
import type { Companies, Company } from "../companies/companies.ts";
import type { SecretStore } from "../stores/store.ts";
import { startRotation } from "./begin.ts";
import type { RotationDrivers } from "./drivers/driver.ts";
import type { PolicyRow } from "./policy-row.ts";
import { rotationOperation } from "./rotation-operation.ts";
import type { RotationRun } from "./rotation-run.ts";

const { auditEvents, companySecrets, rotationPolicies } = tables;

export interface CompromiseParts {
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly drivers: RotationDrivers;
  readonly rotation: RotationRun;
  readonly stores: Readonly<Record<SecretStoreName, Pick<SecretStore, "list">>>;
}

/**
 * Rotates at once what the last emergency rotation lists of a company. A secret is dealt with once its current value was written
 * after the emergency rotation began; asked again, one that is under way is the same run.
 *
 * @throws {TenantSecretsError} FORBIDDEN, NOT_FOUND, STORE_UNAVAILABLE
 */
export type RotateCompromised = (
  caller: Caller,
  asked: CompromisedRotationInput,
) => Promise<CompromisedRotation>;

export function createCompromise(parts: CompromiseParts): RotateCompromised {
  const { operations, companies, drivers, rotation, stores } = parts;
  return async (caller, { company: subdomain, purpose }) => {
    const asked = { company: subdomain, action: "rotation.rotate", verb: "rotate" } as const;
    const operation = await rotationOperation(companies, caller, asked);
    const { company } = operation;
    const isAllowed = ({ secretKey }: { readonly secretKey: string }) =>
      permits(caller.actor, "rotate", { companyId: company.id, secretKey });
    return operations.inSteps(operation, async ({ commit }) => {
      const listed = (await stores[company.secretStore].list(company)).secrets.filter(isAllowed);
      return commit<CompromisedRotation>(async ({ statements }) => {
        const since = await emergencySince(statements);
        if (since === undefined)
          return audited({ runs: [], withoutPolicy: [], done: [] }, { reason: purpose });
        const stored = (await selectStored(statements, company, since)).filter(isAllowed);
        const outside = listed.filter(({ location }) => location === "infisical");
        const runs: { secretKey: string; run: string; person: boolean }[] = [];
        for (const { policy, secretKey } of stored.filter(({ isExposed }) => isExposed)) {
          if (policy === null || company.secretStore === "infisical") continue;
          const beginning = { policy, caller, urgent: true, trigger: "compromise" } as const;
          const run = await startRotation(statements, rotation, beginning);
          runs.push({ secretKey, run, person: drivers[policy.driver]?.creates === "person" });
        }
        const rotated = new Set(runs.map(({ secretKey }) => secretKey));
        const exposed = [
          ...stored.filter(({ isExposed }) => isExposed),
          ...outside.filter(({ updatedAt }) => updatedAt <= since),
        ].map(({ secretKey }) => secretKey);
        const done = [
          ...stored.filter(({ isExposed }) => !isExposed),
          ...outside.filter(({ updatedAt }) => updatedAt > since),
        ].map(({ secretKey }) => secretKey);
        const events = runs.map(({ secretKey, run }) => ({ secretKey, subject: run, reason: purpose }));
        return audited(
          {
            since,
            runs,
            withoutPolicy: exposed.filter((secretKey) => !rotated.has(secretKey)).toSorted(),
            done: done.toSorted(),
          },
          events.length === 0 ? { reason: purpose } : events,
        );
      });
    });
  };
}

/** When the last emergency rotation began. @returns undefined where there was none */
async function emergencySince(statements: Statements): Promise<Date | undefined> {
  const [event] = await statements
    .select({ occurredAt: auditEvents.occurredAt })
    .from(auditEvents)
    .where(
      and(
        isNull(auditEvents.companyId),
        eq(auditEvents.action, "key.emergency-rotate"),
        eq(auditEvents.outcome, "attempted"),
      ),
    )
    .orderBy(desc(auditEvents.position))
    .limit(1);
  return event?.occurredAt;
}

interface StoredSecret {
  readonly secretKey: string;
  /** Whether its current value was there as the emergency rotation began, under this number or an earlier one. */
  readonly isExposed: boolean;
  readonly policy: PolicyRow | null;
}

async function selectStored(
  statements: Statements,
  company: Pick<Company, "id">,
  since: Date,
): Promise<readonly StoredSecret[]> {
  return statements
    .select({
      secretKey: companySecrets.secretKey,
      isExposed: sql<boolean>`exists (
        select from company_secret_versions c
        join company_secret_versions v on v.company_id = c.company_id and v.secret_key = c.secret_key
          and (v.version = c.version or v.fingerprint = c.fingerprint)
        where c.company_id = ${companySecrets.companyId} and c.secret_key = ${companySecrets.secretKey}
          and c.version = ${companySecrets.currentVersion} and v.created_at <= ${since.toISOString()}::timestamptz)`,
      policy: rotationPolicies,
    })
    .from(companySecrets)
    .leftJoin(
      rotationPolicies,
      and(
        eq(rotationPolicies.companyId, companySecrets.companyId),
        eq(rotationPolicies.secretKey, companySecrets.secretKey),
      ),
    )
    .where(
      and(
        eq(companySecrets.companyId, company.id),
        isNull(companySecrets.deletedAt),
        sql`${companySecrets.currentVersion} is not null`,
      ),
    )
    .orderBy(companySecrets.secretKey);
}
