import type { AuditAction, AuditLog } from "@repo/audit-log";
import {
  type Caller,
  type Catalog,
  type InputOf,
  malformedInput,
  type OutputOf,
  type SecretStoreName,
  TenantSecretsError,
  type VaultOperations,
  type Verb,
} from "@repo/catalog";
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

/** The operations of the vault, as their definitions have them. */
export type VaultHandlers = {
  readonly [N in keyof VaultOperations]: (
    scope: CompanyScope,
    input: InputOf<VaultOperations[N]>,
  ) => Promise<OutputOf<VaultOperations[N]>>;
};

/** @returns the handler of a name, for the input of the operation of that name */
export function handlerOf(
  handlers: VaultHandlers,
  name: keyof VaultHandlers,
): (scope: CompanyScope, input: object) => Promise<unknown> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript loses that the input belongs to the name
  return handlers[name] as (scope: CompanyScope, input: object) => Promise<unknown>;
}

/** Resolves the company that a call is for. A denial is audited as the operation's. */
export function resolveFor(
  companies: Companies,
  call: {
    readonly caller: Caller;
    readonly operation: Call["operation"];
    readonly company: string;
    readonly input: object;
  },
): Promise<CompanyScope> {
  const { caller, operation, company, input } = call;
  const secretKey = "secretKey" in input && typeof input.secretKey === "string" ? input.secretKey : undefined;
  return companies.resolve({ caller, action: operation.action, secretKey }, company);
}

/** A call of an operation by a caller in a company. */
export interface Call {
  readonly operation: {
    readonly verb: Verb;
    readonly action: AuditAction;
    readonly changes?: boolean | undefined;
  };
  readonly scope: CompanyScope;
  /** Left out where the call is about no secret or several: then a caller passes that has the verb for some. */
  readonly secretKey?: string;
  /** Why it is denied to a caller that has the verb. */
  readonly denyReason?: string | undefined;
}

/**
 * The way to a company's store: authorizes the caller, and audits each denial and each failure. What succeeds adds its event
 * itself.
 *
 * @param work gets the scope as it is by then: a store that has changed since is a reason to begin again under the new one
 */
export type Authorize = <T>(
  call: Call,
  work: (scope: CompanyScope, store: SecretStore, steps: Steps) => Promise<T>,
) => Promise<T>;

export function createAuthorize({ catalog, companies, stores, operations }: VaultParts): Authorize {
  return ({ operation, scope, secretKey, denyReason }, work) =>
    inSpan(`vault ${operation.action}`, async (span) => {
      const { caller, company } = scope;
      const { verb, action, changes = verbsOfChange.has(verb) } = operation;
      // A value that was sent in the place of a name must not stand in an audit log that nobody can clear.
      const known = secretKey !== undefined && catalog.find(secretKey) !== undefined ? secretKey : undefined;
      span.setAttribute("tenant_secrets.store", company.secretStore);
      const reason = denyReason === undefined ? undefined : new TenantSecretsError("FORBIDDEN", denyReason);
      const isPermitted = permits(caller.actor, verb, company.id, secretKey);
      const deny = isPermitted ? reason : refusal(caller.actor, verb, secretKey);
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

/**
 * Holds an input to its definition. What comes over HTTP was held to it before; code of the product can pass anything.
 *
 * @throws {TenantSecretsError} INVALID_INPUT, with the rule and nothing that was sent
 */
export function checkInput<D extends VaultOperations[keyof VaultOperations]>(
  { input: schema }: D,
  input: InputOf<D>,
): void {
  const { error } = schema.safeParse(input);
  if (error !== undefined) throw malformedInput(error);
}

/** Audits each secret that stood in the way of a batch by itself. The failure of the batch is for `authorize`. */
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
