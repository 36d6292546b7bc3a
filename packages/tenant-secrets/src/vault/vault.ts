import { perform, refuse, type Attempt } from "../access/attempt.ts";
import type { AuditAction, AuditLog } from "../access/audit.ts";
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
import { SecretKey, type SecretStoreName } from "../vocabulary/names.ts";
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
  restore(caller: Caller, subdomain: string, secretKey: string): Promise<WriteResult>;
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
  const run = async <T>(
    { caller, subdomain, secretKey, verb, action }: Task,
    work: (company: Company, store: SecretStore) => Promise<T>,
  ): Promise<T> => {
    // Somebody who sends a value in the place of a name must not find it in a record that nobody can clear.
    const known = secretKey !== undefined && catalog.find(secretKey) !== undefined ? secretKey : undefined;
    const asked = { caller, action, secretKey: known, changes: verb === "write" || verb === "delete" };
    const company = await companies.enter(asked, subdomain);
    const attempt: Attempt = { ...asked, companyId: company.id };
    if (!permits(caller.actor, verb, company.id, secretKey)) {
      return refuse(audit, attempt, refusal(caller.actor, verb, secretKey));
    }
    return perform(audit, attempt, () => work(company, stores[company.secretStore]));
  };

  return {
    read: (caller, subdomain, secretKey) =>
      run({ caller, subdomain, secretKey, verb: "use", action: "secret.read" }, async (company, store) => {
        catalog.get(secretKey);
        const found = await store.read(company, secretKey);
        if (found === undefined) throw notFound();
        const { plaintext, version } = found;
        try {
          const entry = { action: "secret.read", outcome: "allowed", companyId: company.id } as const;
          await audit.add(caller, { ...entry, secretKey, version });
          return { text: plaintext.reveal(), version };
        } finally {
          plaintext.wipe();
        }
      }),

    list: (caller, subdomain) =>
      run({ caller, subdomain, verb: "describe", action: "secret.list" }, async (company, store) => {
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
      run({ caller, subdomain, secretKey, verb: "write", action: "secret.write" }, async (company, store) => {
        checkValueText(catalog, secretKey, text);
        checkOptions(options);
        const plaintext = Plaintext.fromText(text);
        try {
          const hint = hintOf(catalog.get(secretKey), text);
          return await store.write(company, { secretKey, plaintext, hint, options }, caller);
        } finally {
          plaintext.wipe();
        }
      }),

    // Removing and restoring are not held to the catalogue: what it no longer lists can still be cleared away.
    remove: (caller, subdomain, secretKey, options) =>
      run(
        { caller, subdomain, secretKey, verb: "delete", action: "secret.remove" },
        async (company, store) => {
          checkOptions(options);
          if (!SecretKey.safeParse(secretKey).success) throw notFound();
          return store.remove(company, secretKey, options, caller);
        },
      ),

    restore: (caller, subdomain, secretKey) =>
      run(
        { caller, subdomain, secretKey, verb: "delete", action: "secret.restore" },
        async (company, store) => {
          if (!SecretKey.safeParse(secretKey).success) throw notFound();
          return store.restore(company, secretKey, caller);
        },
      ),
  };
}

function checkOptions({ expectedVersion, requestId, note }: WriteOptions): void {
  const refuseRule = (rule: string) =>
    new TenantSecretsError("INVALID_INPUT", `The request was refused: ${rule}.`);
  if (expectedVersion !== undefined && !(Number.isSafeInteger(expectedVersion) && expectedVersion >= 0)) {
    throw refuseRule("expectedVersion is a whole number, 0 for none yet");
  }
  if (requestId !== undefined && !/^[\x21-\x7e]{1,100}$/.test(requestId)) {
    throw refuseRule("a requestId has 1 to 100 visible ASCII characters");
  }
  if (note !== undefined && (note.length > 500 || !note.isWellFormed() || note.includes("\0"))) {
    throw refuseRule("a note is at most 500 characters of well-formed text without NUL");
  }
}
