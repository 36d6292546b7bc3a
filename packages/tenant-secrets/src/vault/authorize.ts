import type { AuditAction, AuditLog } from "@repo/audit-log";
import { type Catalog, type SecretStoreName, TenantSecretsError, type Verb } from "@repo/catalog";
import type { Operations, Steps } from "../access/operation.ts";
import { permits, refusal } from "../access/permissions.ts";
import { inSpan } from "../access/spans.ts";
import type { Companies, CompanyScope } from "../companies/companies.ts";
import type { WebhookVerifiers } from "../providers/webhook-verification.ts";
import { StoreChanged } from "../keys/company/company-lock.ts";
import type { SecretStore } from "../stores/store.ts";
import type { SecretCache } from "./secret-cache.ts";

const verbsOfChange: ReadonlySet<Verb> = new Set(["write", "delete"]);

/** What the parts of the vault work with. */
export interface VaultParts {
  readonly catalog: Catalog;
  readonly companies: Companies;
  readonly stores: Readonly<Record<SecretStoreName, SecretStore>>;
  readonly audit: AuditLog;
  readonly operations: Operations;
  readonly cache: SecretCache;
  readonly verifiers: WebhookVerifiers;
}

export interface Task {
  readonly scope: CompanyScope;
  /** Left out where the task is about none or several: then whoever has the verb for some passes. */
  readonly secretKey?: string;
  readonly verb: Verb;
  readonly action: AuditAction;
  /** Why it is refused to somebody who has the verb. */
  readonly ban?: string | undefined;
  /** Whether it would change something. Default: as its verb says. */
  readonly changes?: boolean;
}

/**
 * The way to a company's store: authorizes the caller, and audits each denial and each failure. What succeeds adds its event
 * itself.
 *
 * @param work gets the scope as it is by then: a store that has changed since is a reason to begin again under the new one
 */
export type Gate = <T>(
  task: Task,
  work: (scope: CompanyScope, store: SecretStore, steps: Steps) => Promise<T>,
) => Promise<T>;

export function createGate({ catalog, companies, stores, operations }: VaultParts): Gate {
  return ({ scope, secretKey, verb, action, ban, ...task }, work) =>
    inSpan(`vault ${action}`, async (span) => {
      const { caller, company } = scope;
      const changes = task.changes ?? (verbsOfChange.has(verb) && action !== "secret.compare");
      // Somebody who sends a value in the place of a name must not find it in a record that nobody can clear.
      const known = secretKey !== undefined && catalog.find(secretKey) !== undefined ? secretKey : undefined;
      span.setAttribute("tenant_secrets.store", company.secretStore);
      const banned = ban === undefined ? undefined : new TenantSecretsError("FORBIDDEN", ban);
      const isPermitted = permits(caller.actor, verb, company.id, secretKey);
      const deny = isPermitted ? banned : refusal(caller.actor, verb, secretKey);
      return operations.inSteps({ caller, action, company, secretKey: known, deny, changes }, (steps) =>
        underStoreOfNow(companies, scope, (current) =>
          work(current, stores[current.company.secretStore], steps),
        ),
      );
    });
}

/** How often something is begun under a store that has changed when it comes to it. */
const maxBeginnings = 3;

/**
 * Does something under the store that a company has, and again from the beginning where it has another one since: one that
 * turned it away as stale, or that can do what the one before could not.
 *
 * @throws {StoreChanged} where it changes again and again
 */
async function underStoreOfNow<T>(
  companies: Companies,
  resolved: CompanyScope,
  work: (scope: CompanyScope) => Promise<T>,
): Promise<T> {
  let scope = resolved;
  for (let beginnings = 1; ; beginnings++) {
    try {
      return await work(scope);
    } catch (error) {
      const isStale = error instanceof StoreChanged;
      const isUnable = error instanceof TenantSecretsError && error.code === "NOT_SUPPORTED";
      if (!(isStale || isUnable) || beginnings === maxBeginnings) throw error;
      const now = await companies.resolveAgain(scope);
      if (isUnable && now.company.storeEpoch === scope.company.storeEpoch) throw error;
      scope = now;
    }
  }
}

/** @param rule what holds for the field, to follow its name */
export function refuseField(field: string, rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `The request was refused: ${field} ${rule}.`, {
    fields: [field],
  });
}

/** Puts each secret that stood in the way of a batch in the audit log by itself. The batch's own failure is for the gate. */
export async function recordFailures<T>(steps: Steps, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failures = error instanceof TenantSecretsError ? (error.failures ?? []) : [];
    for (const { secretKey, code } of failures) {
      const outcome = code === "FORBIDDEN" ? "denied" : "failed";
      await steps.record({ secretKey, outcome, reason: code });
    }
    throw error;
  }
}
