import type { AuditAction, AuditEntry, AuditLog } from "../access/audit.ts";
import { asTenantSecretsError } from "../access/database-errors.ts";
import { covers, permits, refusal } from "../access/permissions.ts";
import type { Catalog } from "../catalog/catalog.ts";
import type {
  RemoveOptions,
  RemoveResult,
  SecretList,
  WriteOptions,
  WriteResult,
} from "../catalog/company-secrets.ts";
import { checkValueText, hintOf } from "../catalog/value.ts";
import type { Companies, Company } from "../companies/companies.ts";
import type { SecretStore } from "../stores/store.ts";
import type { Caller, Verb } from "../vocabulary/actor.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import type { SecretStoreName } from "../vocabulary/names.ts";
import { Plaintext } from "../vocabulary/plaintext.ts";

/**
 * The one way to a company's secrets. Every call finds the company, checks the caller against it, asks the store and
 * writes to the record, in that order; a value leaves only after its event is committed.
 */
export interface Vault {
  read(
    caller: Caller,
    subdomain: string,
    secretKey: string,
  ): Promise<{ readonly text: string; readonly version: number }>;
  list(caller: Caller, subdomain: string): Promise<SecretList>;
  write(
    caller: Caller,
    subdomain: string,
    secretKey: string,
    text: string,
    options: WriteOptions,
  ): Promise<WriteResult>;
  remove(caller: Caller, subdomain: string, secretKey: string, options: RemoveOptions): Promise<RemoveResult>;
}

interface Task {
  readonly caller: Caller;
  readonly subdomain: string;
  readonly secretKey?: string;
  readonly verb: Verb;
  readonly action: AuditAction;
}

export function createVault(
  catalog: Catalog,
  companies: Companies,
  stores: Readonly<Record<SecretStoreName, SecretStore>>,
  audit: AuditLog,
): Vault {
  /** Finds the company, checks the caller, and sees to it that whatever goes wrong is on record. */
  const perform = async <T>(
    task: Task,
    work: (company: Company, store: SecretStore) => Promise<T>,
  ): Promise<T> => {
    const { caller, subdomain, secretKey, verb, action } = task;
    const company = await companies.enter(caller, subdomain, action);
    const note = (error: TenantSecretsError, outcome: AuditEntry["outcome"]): Promise<void> =>
      audit.add(caller, { action, outcome, companyId: company.id, secretKey, reason: error.code });
    if (!permits(caller.actor, verb, company.id, secretKey)) {
      const error = refusal(caller.actor, verb, secretKey);
      await note(error, "refused");
      throw error;
    }
    try {
      return await work(company, stores[company.secretStore]);
    } catch (thrown) {
      const error = asTenantSecretsError(thrown);
      // Without a record there is nothing to write to; the caller learns of that, not of what came before it.
      await note(error, "failed");
      throw error;
    }
  };

  return {
    read: (caller, subdomain, secretKey) =>
      perform(
        { caller, subdomain, secretKey, verb: "use", action: "secret.read" },
        async (company, store) => {
          catalog.get(secretKey);
          const found = await store.read(company, secretKey);
          if (found === undefined) throw notFound();
          try {
            await audit.add(caller, {
              action: "secret.read",
              outcome: "allowed",
              companyId: company.id,
              secretKey,
              version: found.version,
            });
            return { text: found.plaintext.reveal(), version: found.version };
          } finally {
            found.plaintext.wipe();
          }
        },
      ),

    list: (caller, subdomain) =>
      perform({ caller, subdomain, verb: "describe", action: "secret.list" }, async (company, store) => {
        const descriptions = await store.list(company);
        await audit.add(caller, { action: "secret.list", outcome: "allowed", companyId: company.id });
        return {
          store: store.name,
          capabilities: store.capabilities,
          secrets: descriptions
            .filter(({ secretKey }) => covers(caller.actor, secretKey))
            .map((description) => {
              const entry = catalog.find(description.secretKey);
              return { ...description, listed: entry !== undefined, label: entry?.label };
            }),
        };
      }),

    write: (caller, subdomain, secretKey, text, options) =>
      perform(
        { caller, subdomain, secretKey, verb: "write", action: "secret.write" },
        async (company, store) => {
          checkValueText(catalog, secretKey, text);
          checkOptions(options);
          const plaintext = Plaintext.fromText(text);
          try {
            const hint = hintOf(catalog.get(secretKey), text);
            return await store.write(company, { secretKey, plaintext, hint, options }, caller);
          } finally {
            plaintext.wipe();
          }
        },
      ),

    remove: (caller, subdomain, secretKey, options) =>
      perform({ caller, subdomain, secretKey, verb: "delete", action: "secret.remove" }, (company, store) => {
        checkOptions(options);
        // Not held to the catalogue: what it no longer lists can still be cleared away.
        return store.remove(company, secretKey, options, caller);
      }),
  };
}

function checkOptions({ expectedVersion, requestId, note }: WriteOptions): void {
  const refuse = (rule: string) =>
    new TenantSecretsError("INVALID_INPUT", `The request was refused: ${rule}.`);
  if (expectedVersion !== undefined && !(Number.isSafeInteger(expectedVersion) && expectedVersion >= 0)) {
    throw refuse("expectedVersion is a whole number, 0 for none yet");
  }
  if (requestId !== undefined && !/^[\x21-\x7e]{1,100}$/.test(requestId)) {
    throw refuse("a requestId has 1 to 100 visible ASCII characters");
  }
  if (note !== undefined && (note.length > 500 || !note.isWellFormed() || note.includes("\0"))) {
    throw refuse("a note is at most 500 characters of well-formed text without NUL");
  }
}
