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
import type { Companies, Company, CompanyScope } from "../companies/companies.ts";
import type { WebhookVerifiers } from "../providers/webhook-verification.ts";
import { StoreChanged } from "../companies/company-lock.ts";
import type { CopyAges } from "../regions/copy-ages.ts";
import type { SecretStore } from "../stores/store.ts";
import type { SecretCache } from "./secret-cache.ts";

const verbsOfChange: ReadonlySet<Verb> = new Set(["write", "delete"]);

/** Everything that the parts of the vault depend on. */
export interface VaultParts {
  readonly catalog: Catalog;
  readonly companies: Companies;
  readonly stores: Readonly<Record<SecretStoreName, SecretStore>>;
  /** For companies that are at home elsewhere, whatever their store is there. */
  readonly copies: SecretStore;
  readonly copyAges: CopyAges;
  readonly ownRegion: string;
  readonly audit: AuditLog;
  readonly operations: Operations;
  readonly cache: SecretCache;
  readonly verifiers: WebhookVerifiers;
  /** Told of the current value of a secret that a read was answered with. Returns at once, and never throws. */
  readonly onServed: (company: Company, secretKey: string) => void;
}

/** One handler per vault operation, with the types of the operation's definition. */
export type VaultHandlers = {
  readonly [N in keyof VaultOperations]: (
    scope: CompanyScope,
    input: InputOf<VaultOperations[N]>,
  ) => Promise<OutputOf<VaultOperations[N]>>;
};

/** @returns the handler named `name`; the caller guarantees that the input is that operation's */
export function handlerOf(
  handlers: VaultHandlers,
  name: keyof VaultHandlers,
): (scope: CompanyScope, input: object) => Promise<unknown> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- TypeScript loses that the input belongs to the name
  return handlers[name] as (scope: CompanyScope, input: object) => Promise<unknown>;
}

/** Resolves the company of a call. A denial is audited under the operation's action. */
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

/** One operation, called by one caller in one company. */
export interface Call {
  readonly operation: {
    readonly verb: Verb;
    readonly action: AuditAction;
    readonly changes?: boolean | undefined;
  };
  readonly scope: CompanyScope;
  /** Left out for operations on no secret or on several: a caller passes if its verb covers at least one secret. */
  readonly secretKey?: string;
  /** Denies the call with this reason even to a caller that has the verb. */
  readonly denyReason?: string | undefined;
}

/**
 * Authorizes the caller for a company's store, and audits every denial and failure. The operation itself records its success.
 *
 * @param work receives the current scope: if the company's store changes meanwhile, it runs again under the new store
 */
export type Authorize = <T>(
  call: Call,
  work: (scope: CompanyScope, store: SecretStore, steps: Steps) => Promise<T>,
) => Promise<T>;

export function createAuthorize(parts: VaultParts): Authorize {
  const { catalog, companies, operations } = parts;
  return (call, work) => {
    const { operation, scope, secretKey } = call;
    const { caller, company } = scope;
    const { verb, action, changes = verbsOfChange.has(verb) } = operation;
    return inSpan(`vault ${action}`, { "tenant_secrets.store": company.secretStore }, () => {
      // A value sent by mistake in place of a secret key must not enter the audit log, where it could never be erased.
      const known = secretKey !== undefined && catalog.find(secretKey) !== undefined ? secretKey : undefined;
      const deny = refusalOf(call);
      return operations.inSteps({ caller, action, company, secretKey: known, deny, changes }, (steps) =>
        underCurrentStore(companies, scope, (current) =>
          work(current, storeOf(parts, current.company), steps),
        ),
      );
    });
  };
}

function storeOf(
  { stores, copies }: Pick<VaultParts, "stores" | "copies">,
  { home, secretStore }: Company,
): SecretStore {
  return home === undefined ? stores[secretStore] : copies;
}

/** @returns why a caller may not make a call; undefined where it may */
export function refusalOf({ operation, scope, secretKey, denyReason }: Call): TenantSecretsError | undefined {
  const { actor } = scope.caller;
  if (!permits(actor, operation.verb, { companyId: scope.company.id, secretKey }))
    return refusal(actor, operation.verb, secretKey);
  return denyReason === undefined ? undefined : new TenantSecretsError("FORBIDDEN", denyReason);
}

/** Attempts per operation, including the first, if the company's store keeps changing. */
const maxAttempts = 3;

/**
 * Runs `work` under the company's current store. Runs it again from the start if the store has changed meanwhile, which shows
 * in a stale epoch, or in an operation that the old store does not support and the new one may.
 *
 * @throws {StoreChanged} if the store changes before every attempt
 */
async function underCurrentStore<T>(
  companies: Companies,
  resolved: CompanyScope,
  work: (scope: CompanyScope) => Promise<T>,
): Promise<T> {
  let scope = resolved;
  for (let attempts = 1; ; attempts++) {
    try {
      return await work(scope);
    } catch (error) {
      const isStale = error instanceof StoreChanged;
      const isUnable = error instanceof TenantSecretsError && error.code === "NOT_SUPPORTED";
      if (!(isStale || isUnable) || attempts === maxAttempts) throw error;
      const now = await companies.resolveAgain(scope);
      if (isUnable && now.company.storeEpoch === scope.company.storeEpoch) throw error;
      scope = now;
    }
  }
}

/**
 * Validates an input against its definition. Inputs over HTTP are validated before; product code can pass anything.
 *
 * @throws {TenantSecretsError} INVALID_INPUT, with the rule and none of the input
 */
export function checkInput<D extends VaultOperations[keyof VaultOperations]>(
  { input: schema }: D,
  input: InputOf<D>,
): void {
  const { error } = schema.safeParse(input);
  if (error !== undefined) throw malformedInput(error);
}

/** Audits every secret that failed in a batch separately. `authorize` audits the failure of the batch. */
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
