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

/** Whether providers take the stored credentials: asked of them, and stored with the version. */
export interface SecretChecks extends Pick<VaultHandlers, "write" | "reportOutcome"> {
  /**
   * Asks the provider of a credential now.
   *
   * @param options.signal ends it early: nothing is stored then
   * @throws {TenantSecretsError} as `read`; NOT_SUPPORTED where nobody can be asked, and where the store has no checks;
   *   STORE_UNAVAILABLE after `signal`
   */
  check(
    scope: CompanyScope,
    input: InputOf<VaultOperations["check"]>,
    options?: { readonly signal: AbortSignal },
  ): Promise<CheckedVersion>;
  /**
   * Adds a job for every check that is due, one after the other at each provider, and an hour's worth at most.
   *
   * @returns how many
   */
  enqueueDue(): Promise<number>;
  /** What such a job does: as `check`, in the name of the product. A secret that is gone by then is left alone. */
  checkDue(company: string, secretKey: string, signal: AbortSignal): Promise<void>;
}

/** How far apart scheduled checks at one provider begin, and how many fit into the hour between two rounds. */
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
  const { database, catalog, companies, checks } = parts;
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
        if (found.version === 0) throw keepsNoChecks();
        await steps.record({ version: found.version, outcome: "attempted" });
        const text = found.plaintext.reveal();
        const result = await checkCredential(catalog, checks, secretKey, text, options);
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
        // A credential that is refused is refused at every call, and each of these would lock the secret.
        const name = `${scope.company.id} ${secretKey} ${version}`;
        if (outcomes.get(name) === result) return;
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
          const said = await checkCredential(catalog, checks, secretKey, value);
          if (said === "rejected") throw rejected(secretKey);
          return said;
        },
      );
      const { version } = await write(scope, input);
      const call = { operation: { verb: "write", action: "secret.check" }, scope, secretKey } as const;
      await authorize(call, (current, store) =>
        supported(store, "checks").recordCheck(current, { secretKey, version, result }),
      ).catch(() => {
        // The value is written, and this failure is audited; the next scheduled check makes up for it.
      });
      return { version, check: result };
    },

    enqueueDue: () =>
      database.acrossCompanies(async (statements) => {
        const startMs = Date.now();
        let total = 0;
        for (const secretKeys of keysByCheck(parts)) {
          const due = await findDueChecks(statements, secretKeys, checksPerRound);
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
        if (code !== "NOT_FOUND" && code !== "NOT_SUPPORTED") throw error;
      }
    },
  };
}

/** The secret keys that can be checked, those of one provider together. */
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
    `Nothing was written: the provider of ${secretKey} does not accept this value. Look there whether it was revoked, or is another account's.`,
  );
}

function keepsNoChecks(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "This value lives in Infisical, where no check can be kept. A company on the hybrid store can write the value again, which puts it into the database.",
  );
}

function interrupted(): TenantSecretsError {
  return new TenantSecretsError(
    "STORE_UNAVAILABLE",
    "The check was interrupted, and nothing is known by it.",
    {
      retryAfterMs: 1000,
    },
  );
}
