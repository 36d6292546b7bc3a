import { LRUCache } from "lru-cache";
import {
  type Caller,
  notFound,
  type OpenValue,
  type ReportedOutcome,
  type RevealPurpose,
  TenantSecretsError,
} from "@repo/catalog";
import { covers, permits } from "../access/permissions.ts";
import type { CacheKey } from "../cache/cache.ts";
import type { Company, CompanyScope } from "../companies/companies.ts";
import { getVerifier, verifyWebhook, type WebhookRequest } from "../providers/webhook-verification.ts";
import { checkBatch } from "../stores/batch.ts";
import { findActive, supported } from "../stores/capabilities.ts";
import { decryptEach, decryptActive, decryptSecret } from "../stores/decrypt.ts";
import type { EncryptedSecret } from "../stores/encrypted-secret.ts";
import type { SecretStore, StoredSecret } from "../stores/store.ts";
import { recordFailures, type Gate, type Task, type VaultParts } from "./authorize.ts";
import { checkVersion } from "./options.ts";
import { createReadAudit, isPerson } from "./read-audit.ts";

export interface ReadOptions {
  /** Whether the value goes to whoever asks, and not to code of the product: people `reveal` instead. */
  readonly isRemote?: boolean;
}

export interface ReadValue {
  readonly text: string;
  readonly version: number;
}

/** What makes values leave, or be used. */
export interface Reads {
  /** For programs, and for what the product does in somebody's name. */
  read(scope: CompanyScope, secretKey: string, options?: ReadOptions): Promise<ReadValue>;
  /**
   * As `read`, synchronously, from the cache alone, for code of the product.
   *
   * @param now by `performance.now()`
   * @returns undefined where the cache has no answer, or the answer would be a denial: `read` says which
   */
  readCached(scope: CompanyScope, secretKey: string, now: number): ReadValue | undefined;
  /** As `read`, of 1 to 100 secrets. @returns those that are there and that the caller may know of, in the order asked for */
  readMany(
    scope: CompanyScope,
    secretKeys: readonly string[],
    options?: ReadOptions,
  ): Promise<readonly (ReadValue & { readonly secretKey: string })[]>;
  /** As `read`, in bytes, which the caller zeroes. */
  open(scope: CompanyScope, secretKey: string, options?: ReadOptions): Promise<OpenValue>;
  /** As `open`, of every version that counts now: current, pending, previous. */
  readActive(scope: CompanyScope, secretKey: string, options?: ReadOptions): Promise<readonly OpenValue[]>;
  /**
   * Keeps as a version's check what its provider said to whoever used it, at most once a minute where it stays the same.
   *
   * @throws {TenantSecretsError} as `read`, and NOT_SUPPORTED
   */
  reportOutcome(
    scope: CompanyScope,
    secretKey: string,
    version: number,
    result: ReportedOutcome,
    options?: ReadOptions,
  ): Promise<void>;
  /**
   * Verifies that a webhook was signed with a version that counts now. No value leaves; it is in the audit log as a read of that one.
   *
   * @throws {TenantSecretsError} as `read`; UNAUTHENTICATED; NOT_SUPPORTED where the catalogue names no way of signing
   */
  verifyWebhook(
    scope: CompanyScope,
    secretKey: string,
    request: WebhookRequest,
  ): Promise<{ readonly version: number }>;
  /**
   * A value for a person to look at, whose purpose is in the audit log before it leaves.
   *
   * @throws {TenantSecretsError} as `read`; FORBIDDEN too for what the catalogue says is only ever written and used
   */
  reveal(scope: CompanyScope, secretKey: string, purpose: RevealPurpose): Promise<ReadValue>;
  /** How many values have been read here after they had expired. */
  expiredReads(): number;
}

export function createReads({ catalog, audit, cache, verifiers }: VaultParts, gate: Gate): Reads {
  const outcomes = new LRUCache<string, ReportedOutcome>({ max: 10_000, ttl: 60_000 });

  const readAudit = createReadAudit(audit);

  const touchLastUsed = ({ caller, company }: CompanyScope, store: SecretStore, secretKey: string): void => {
    if (!isPerson(caller)) store.touchLastUsed?.(company, secretKey);
  };

  /** Finds values and puts them in the audit log as read. @returns the first one, and the others */
  const readAudited = (
    { scope: resolved, secretKey }: Pick<Task, "scope"> & { readonly secretKey: string },
    { isRemote = false }: ReadOptions,
    find: (company: Company, store: SecretStore) => Promise<readonly (StoredSecret | undefined)[]>,
  ): Promise<readonly [StoredSecret, ...StoredSecret[]]> =>
    gate(
      {
        scope: resolved,
        secretKey,
        verb: "use",
        action: "secret.read",
        ban: banOf(resolved.caller, isRemote),
      },
      async (scope, store) => {
        const { caller, company } = scope;
        catalog.get(secretKey);
        const [first, ...others] = (await find(company, store)).filter((secret) => secret !== undefined);
        if (first === undefined) throw notFound();
        const found = [first, ...others] as const;
        try {
          for (const secret of found)
            await readAudit.record(caller, { companyId: company.id, secretKey }, secret);
        } catch (error) {
          for (const { plaintext } of found) plaintext.wipe();
          throw error;
        }
        touchLastUsed(scope, store, secretKey);
        return found;
      },
    );

  const find = (
    company: Company,
    store: SecretStore,
    secretKey: string,
  ): Promise<EncryptedSecret | undefined> =>
    cache.current.get(cacheKeyOf(company, secretKey), () => store.find(company, secretKey));

  /** What does not open is looked for anew by whoever asks next: it may have been put right. */
  const open = <T>(company: Company, secretKey: string, openFound: () => T): T => {
    try {
      return openFound();
    } catch (error) {
      cache.invalidate(company.id, secretKey);
      throw error;
    }
  };

  const openAll = async (
    company: Company,
    store: SecretStore,
    secretKeys: readonly string[],
    unusable: Set<string>,
  ): Promise<ReadonlyMap<string, StoredSecret>> => {
    try {
      return await decryptEach(
        secretKeys,
        (secretKey) => find(company, store, secretKey),
        (secretKey) => unusable.add(secretKey),
      );
    } catch (error) {
      const failures = error instanceof TenantSecretsError ? (error.failures ?? []) : [];
      for (const { secretKey } of failures) cache.invalidate(company.id, secretKey);
      throw error;
    }
  };

  /** That a value was used is noted when it is fetched, which is at least as often as it has to be. */
  const readCached: Reads["readCached"] = ({ caller, company }, secretKey, now) => {
    if (caller.actor.kind !== "job" || !permits(caller.actor, "use", company.id, secretKey)) return undefined;
    const encrypted = cache.current.peek(cacheKeyOf(company, secretKey), now)?.value;
    if (encrypted === undefined || catalog.find(secretKey) === undefined) return undefined;
    try {
      const text = encrypted.decryptText();
      if (!readAudit.tryRecord(caller, company.id, secretKey, encrypted)) return undefined;
      return { text, version: encrypted.version };
    } catch {
      cache.invalidate(company.id, secretKey);
      return undefined;
    }
  };

  const readCurrent = async (
    scope: CompanyScope,
    secretKey: string,
    options: ReadOptions = {},
  ): Promise<StoredSecret> => {
    const [current] = await readAudited({ scope, secretKey }, options, async (company, store) => {
      const encrypted = await find(company, store, secretKey);
      return [open(company, secretKey, () => decryptSecret(encrypted))];
    });
    return current;
  };

  return {
    expiredReads: () => readAudit.expired(),
    readCached,
    read: async (scope, secretKey, options) =>
      readCached(scope, secretKey, performance.now()) ?? textOf(await readCurrent(scope, secretKey, options)),

    readMany: (resolved, secretKeys, { isRemote = false } = {}) =>
      gate(
        { scope: resolved, verb: "use", action: "secret.read", ban: banOf(resolved.caller, isRemote) },
        async (scope, store, steps) => {
          const { caller, company } = scope;
          checkBatch(secretKeys);
          for (const secretKey of secretKeys) catalog.get(secretKey);
          const visible = secretKeys.filter((secretKey) => covers(caller.actor, secretKey));
          const unusable = new Set<string>();
          const found =
            visible.length === 0
              ? new Map<string, StoredSecret>()
              : await recordFailures(steps, () => openAll(company, store, visible, unusable));
          try {
            for (const secretKey of secretKeys) {
              const secret = found.get(secretKey);
              if (secret !== undefined) {
                await readAudit.record(caller, { companyId: company.id, secretKey }, secret);
                touchLastUsed(scope, store, secretKey);
                continue;
              }
              const outcome = visible.includes(secretKey) ? "failed" : "denied";
              const reason = unusable.has(secretKey) ? "INVALID_VALUE" : "NOT_FOUND";
              await steps.record({ secretKey, outcome, reason });
            }
            return visible.flatMap((secretKey) => {
              const secret = found.get(secretKey);
              return secret === undefined ? [] : [{ secretKey, ...textOf(secret) }];
            });
          } finally {
            for (const { plaintext } of found.values()) plaintext.wipe();
          }
        },
      ),

    open: async (...read) => openValueOf(await readCurrent(...read)),

    readActive: async (scope, secretKey, options = {}) => {
      const active = await readAudited({ scope, secretKey }, options, async (company, store) => {
        // Whoever asks for these found the current value refused: it may not be the current one any more.
        cache.invalidate(company.id, secretKey);
        return decryptActive(await findActive(store, company, { secretKey, isRefused: true }));
      });
      return active.map(openValueOf);
    },

    reportOutcome: (resolved, secretKey, version, result, { isRemote = false } = {}) =>
      gate(
        {
          scope: resolved,
          secretKey,
          verb: "use",
          action: "secret.check",
          ban: banOf(resolved.caller, isRemote),
          changes: true,
        },
        async (scope, store) => {
          catalog.get(secretKey);
          checkVersion("version", version, 0);
          // A credential that is refused is refused at every call, and each of these would lock the secret.
          const name = `${scope.company.id} ${secretKey} ${version}`;
          if (outcomes.get(name) === result) return;
          await supported(store, "checks").recordCheck(scope, { secretKey, version, result });
          outcomes.set(name, result);
        },
      ),

    verifyWebhook: (resolved, secretKey, request) =>
      gate({ scope: resolved, secretKey, verb: "use", action: "secret.read" }, async (scope, store) => {
        const { caller, company } = scope;
        const verifier = getVerifier(catalog, verifiers, secretKey);
        const found = await cache.active.get(cacheKeyOf(company, secretKey), () =>
          findActive(store, company, { secretKey }),
        );
        const active = open(company, secretKey, () => decryptActive(found));
        try {
          if (active.length === 0) throw notFound();
          const signing = active.map(({ expiresAtMs, ...secret }) => ({ ...textOf(secret), expiresAtMs }));
          const used = verifyWebhook(verifier, signing, request);
          await readAudit.record(caller, { companyId: company.id, secretKey }, used);
          touchLastUsed(scope, store, secretKey);
          return { version: used.version };
        } finally {
          for (const { plaintext } of active) plaintext.wipe();
        }
      }),

    reveal: (scope, secretKey, purpose) => {
      const ban = catalog.find(secretKey)?.writeOnly === true ? writeOnly : undefined;
      const task = { scope, secretKey, verb: "reveal", action: "secret.reveal", ban } as const;
      return gate(task, async ({ company }, store, steps) => {
        catalog.get(secretKey);
        const found = decryptSecret(await store.find(company, secretKey));
        if (found === undefined) throw notFound();
        try {
          await steps.record({ version: found.version, reason: purpose });
          readAudit.countExpired(found);
          return textOf(found);
        } finally {
          found.plaintext.wipe();
        }
      });
    },
  };
}

function cacheKeyOf(company: Company, secretKey: string): CacheKey {
  return { owner: company.id, name: secretKey, source: company.secretStore };
}

function banOf({ actor }: Caller, isRemote: boolean): string | undefined {
  return isRemote && actor.kind === "user"
    ? "A person does not read a value, but reveals it, and says what for."
    : undefined;
}

const writeOnly =
  "This secret is written and used, and shown to nobody: to change it, write another value; to see it, ask where it was issued.";

function textOf({ plaintext, version }: StoredSecret): ReadValue {
  try {
    return { text: plaintext.reveal(), version };
  } finally {
    plaintext.wipe();
  }
}

function openValueOf({ plaintext, version }: StoredSecret): OpenValue {
  return { bytes: plaintext.bytes, version };
}
