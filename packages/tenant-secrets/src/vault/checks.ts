import { enqueueJob, type Database } from "@repo/db";
import { LRUCache } from "lru-cache";
import {
  type CheckedVersion,
  checkValueText,
  type InputOf,
  systemCaller,
  notFound,
  type ReportedOutcome,
  TenantSecretsError,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import { checkCredential, getCheck, type CredentialChecks } from "../providers/credential-check.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { findDueChecks } from "./due-checks.ts";
import { findActive, supported } from "../stores/capabilities.ts";
import { decryptSecret } from "../stores/decrypt.ts";
import { checkInput, type Authorize, type VaultHandlers, type VaultParts } from "./authorize.ts";
import { denyReasonOf } from "./reads.ts";
import { cacheKeyOf } from "./secret-cache.ts";

/** Asks providers whether they accept the stored credentials, and stores the result with the version. */
export interface SecretChecks extends Pick<VaultHandlers, "write" | "reportOutcome"> {
  /**
   * Checks a credential with its provider now.
   *
   * @param options.signal aborts the check: no result is stored then
   * @throws {TenantSecretsError} as `read`; NOT_SUPPORTED if the entry has no check or the store stores no results;
   *   STORE_UNAVAILABLE after `signal`
   */
  check(
    scope: CompanyScope,
    input: InputOf<VaultOperations["check"]>,
    options?: { readonly signal: AbortSignal },
  ): Promise<CheckedVersion>;
  /**
   * Enqueues a job for every due check, paced per provider, for at most the coming hour.
   *
   * @returns the number of jobs
   */
  enqueueDue(): Promise<number>;
  /** Runs one such job: `check`, as the product. Does nothing if the secret was removed, or its company suspended, meanwhile. */
  checkDue(company: string, secretKey: string, signal: AbortSignal): Promise<void>;
}

/**
 * Milliseconds between scheduled checks at one provider; and checks per provider and round, which fit into the hour until the
 * next.
 */
const paceMs = 250;
const checksPerRound = 10_000;

const checker = systemCaller("check-credentials", { verbs: ["use"], secretKeys: ["*"] });

export interface SecretChecksParts extends VaultParts {
  readonly database: Database;
  readonly checks: CredentialChecks;
}

export function createSecretChecks(
  parts: SecretChecksParts,
  authorize: Authorize,
  write: VaultHandlers["write"],
): SecretChecks {
  const { database, catalog, companies, checks, cache, ownRegion } = parts;
  const outcomes = new LRUCache<string, ReportedOutcome>({ max: 10_000, ttl: 60_000 });

  const check: SecretChecks["check"] = (scope, { secretKey, version }, options) =>
    authorize({ operation: vaultOperations.check, scope, secretKey }, async (current, store, steps) => {
      const { company } = current;
      getCheck(catalog, checks, secretKey);
      const stored = supported(store, "checks");
      const active = await findActive(store, company, { secretKey });
      const found = decryptSecret(
        active?.find(({ stage, encrypted }) =>
          version === undefined ? stage === "current" : encrypted.version === version,
        )?.encrypted,
      );
      if (found === undefined) throw notFound();
      try {
        if (found.version === 0) throw checksNotStored();
        await steps.record({ version: found.version, outcome: "attempted" });
        const text = found.plaintext.reveal();
        const result = await checkCredential(catalog, checks, { secretKey, text, options });
        if (options?.signal.aborted === true) throw interrupted();
        const checkedAt = await stored.recordCheck(current, { secretKey, version: found.version, result });
        return { version: found.version, result, checkedAt };
      } finally {
        found.plaintext.wipe();
      }
    });

  return {
    check,

    reportOutcome: (resolved, input) => {
      const { secretKey, version, result } = input;
      const denyReason = denyReasonOf(resolved);
      const call = { operation: vaultOperations.reportOutcome, scope: resolved, secretKey, denyReason };
      return authorize(call, async (scope, store) => {
        catalog.get(secretKey);
        checkInput(vaultOperations.reportOutcome, input);
        // A rejected credential is reported at every call, and storing each report would lock the secret: one a minute is
        // enough.
        const name = `${scope.company.id} ${secretKey} ${version}`;
        // What a rotation tries is refused once, which ends its trial.
        const tried = cache.current.peekIncludingStale(cacheKeyOf(scope.company, secretKey))?.canary;
        if (outcomes.get(name) === result && tried === undefined) return;
        await supported(store, "checks").recordCheck(scope, input);
        outcomes.set(name, result);
      });
    },

    write: async (scope, input) => {
      if (input.check !== true) return write(scope, input);
      const { secretKey, value } = input;
      const result = await authorize(
        { operation: vaultOperations.write, scope, secretKey },
        async (_, store) => {
          getCheck(catalog, checks, secretKey);
          supported(store, "checks");
          checkInput(vaultOperations.write, input);
          checkValueText(catalog, secretKey, value);
          const answer = await checkCredential(catalog, checks, { secretKey, text: value });
          if (answer === "rejected") throw rejected(secretKey);
          return answer;
        },
      );
      const { version } = await write(scope, input);
      const call = { operation: { verb: "write", action: "secret.check" }, scope, secretKey } as const;
      await authorize(call, (current, store) =>
        supported(store, "checks").recordCheck(current, { secretKey, version, result }),
      ).catch(() => {
        // The value is written and this failure is audited; the next scheduled check stores the result.
      });
      return { version, check: result };
    },

    enqueueDue: () =>
      database.acrossCompanies(async (statements) => {
        const startMs = Date.now();
        let total = 0;
        for (const secretKeys of keysByCheck(parts)) {
          const due = await findDueChecks(statements, { ownRegion, secretKeys, limit: checksPerRound });
          for (const [i, { company, secretKey }] of due.entries()) {
            await enqueueJob(statements, {
              task: "check-credential",
              payload: { company, secretKey },
              jobKey: `${company}/${secretKey}`,
              runAt: new Date(startMs + i * paceMs),
            });
          }
          total += due.length;
        }
        return total;
      }),

    checkDue: async (company, secretKey, signal) => {
      try {
        const scope = await companies.resolve(
          { caller: checker, action: "secret.check", secretKey },
          company,
        );
        await check(scope, { secretKey }, { signal });
      } catch (error) {
        const code = error instanceof TenantSecretsError ? error.code : undefined;
        // After `resume` it is due again, and elsewhere its home checks it.
        if (code === undefined || !uncheckedFor.has(code)) throw error;
      }
    },
  };
}

const uncheckedFor: ReadonlySet<TenantSecretsError["code"]> = new Set([
  "NOT_FOUND",
  "NOT_SUPPORTED",
  "COMPANY_SUSPENDED",
  "WRONG_REGION",
]);

/** The secret keys that have a check, grouped by provider. */
function keysByCheck({ catalog }: Pick<VaultParts, "catalog">): readonly (readonly string[])[] {
  const byCheck = new Map<string, string[]>();
  for (const [secretKey, { check }] of Object.entries(catalog.entries)) {
    if (check !== undefined) byCheck.set(check, [...(byCheck.get(check) ?? []), secretKey]);
  }
  return [...byCheck.values()];
}

function rejected(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_VALUE",
    `Nothing was written: the provider of ${secretKey} does not accept this value (check). Look there whether it was revoked, or is another account's.`,
    { fields: ["check"] },
  );
}

function checksNotStored(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "This value is in Infisical, where check results cannot be stored. In a company on the hybrid store, write the value again: that stores it in the database.",
  );
}

function interrupted(): TenantSecretsError {
  return new TenantSecretsError("STORE_UNAVAILABLE", "The check was interrupted; its result is unknown.", {
    retryAfterMs: 1000,
  });
}
