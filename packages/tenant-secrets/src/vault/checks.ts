import { enqueueJob, type Database } from "@repo/db";
import { type Check, checkValueText, systemCaller, notFound, TenantSecretsError } from "@repo/catalog";
import { checkCredential, getCheck, type CredentialChecks } from "../providers/credential-check.ts";
import type { CompanyScope } from "../companies/companies.ts";
import { findDueChecks } from "./due-checks.ts";
import { findActive, supported } from "../stores/capabilities.ts";
import { decryptSecret } from "../stores/decrypt.ts";
import { createGate, type VaultParts } from "./authorize.ts";
import type { Vault } from "./vault.ts";

export interface CheckedVersion extends Check {
  readonly version: number;
}

/** Whether providers take the credentials that are kept here: asked of them, and kept with the version. */
export interface SecretChecks {
  /**
   * Asks the provider of a credential now.
   *
   * @param options.version one that counts: the current one, a pending one, or the one before inside its grace window.
   *   Default: the current one
   * @param options.signal ends it early: nothing is kept then
   * @throws {TenantSecretsError} as `read`; NOT_SUPPORTED where nobody can be asked, and where the store keeps no checks;
   *   STORE_UNAVAILABLE after `signal`
   */
  check(
    scope: CompanyScope,
    secretKey: string,
    options?: { readonly version?: number | undefined; readonly signal?: AbortSignal },
  ): Promise<CheckedVersion>;
  /** The vault's `write`, which asks the provider first where `check` says so: NOT_SUPPORTED as with `check`. */
  readonly write: Vault["write"];
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

interface SecretChecksParts extends VaultParts {
  readonly database: Database;
  readonly checks: CredentialChecks;
  readonly vault: Pick<Vault, "write">;
}

export function createSecretChecks(parts: SecretChecksParts): SecretChecks {
  const { database, catalog, companies, checks, vault } = parts;
  const gate = createGate(parts);

  const check: SecretChecks["check"] = (scope, secretKey, { version, signal } = {}) =>
    gate({ scope, secretKey, verb: "use", action: "secret.check" }, async (current, store, steps) => {
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
        const result = await checkCredential(catalog, checks, secretKey, text, signal && { signal });
        if (signal?.aborted === true) throw interrupted();
        const checkedAt = await stored.recordCheck(current, { secretKey, version: found.version, result });
        return { version: found.version, result, checkedAt };
      } finally {
        found.plaintext.wipe();
      }
    });

  return {
    check,

    write: async (scope, secretKey, text, options) => {
      if (options.check !== true) return vault.write(scope, secretKey, text, options);
      const result = await gate(
        { scope, secretKey, verb: "write", action: "secret.write" },
        async (_, store) => {
          getCheck(catalog, checks, secretKey);
          supported(store, "checks");
          checkValueText(catalog, secretKey, text);
          const said = await checkCredential(catalog, checks, secretKey, text);
          if (said === "rejected") throw rejected(secretKey);
          return said;
        },
      );
      const written = await vault.write(scope, secretKey, text, options);
      const asked = { scope, secretKey, verb: "write", action: "secret.check" } as const;
      await gate(asked, (current, store) =>
        supported(store, "checks").recordCheck(current, { secretKey, version: written.version, result }),
      ).catch(() => {
        // It is written, and in the audit log that this failed; the next scheduled check makes up for it.
      });
      return { ...written, check: result };
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
        await check(scope, secretKey, { signal });
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
