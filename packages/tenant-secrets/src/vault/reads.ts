import {
  type Caller,
  type InputOf,
  notFound,
  type OpenValue,
  type ReadValue,
  TenantSecretsError,
  type VaultOperations,
  vaultOperations,
} from "@repo/catalog";
import { covers } from "../access/permissions.ts";
import type { Company, CompanyScope } from "../companies/companies.ts";
import { checkBatch } from "../stores/batch.ts";
import { findActive } from "../stores/capabilities.ts";
import { decryptEach, decryptActive, decryptSecret } from "../stores/decrypt.ts";
import { drawn, type EncryptedSecret } from "../stores/encrypted-secret.ts";
import type { SecretStore, StoredSecret } from "../stores/store.ts";
import {
  recordFailures,
  refusalOf,
  type Authorize,
  type VaultHandlers,
  type VaultParts,
} from "./authorize.ts";
import { copyMark, requireAge } from "./copy-marks.ts";
import { touchLastUsed, type ReadAudit } from "./read-audit.ts";
import { openOrInvalidate, cacheKeyOf } from "./secret-cache.ts";

/** Returns values to programs, and to product code that acts for a person. */
export interface Reads extends Pick<VaultHandlers, "read" | "readMany" | "readActive"> {
  /**
   * What `read` begins with: synchronously and from the cache alone, for programs.
   *
   * @param now by `performance.now()`
   * @returns undefined on a cache miss, for people, and if the call would be denied: `read` then goes on
   */
  readCached(scope: CompanyScope, secretKey: string, now: number): ReadValue | undefined;
  /** What `read` goes on with. */
  load(scope: CompanyScope, input: Asked): Promise<ReadValue>;
  /** As `read`, in bytes, which the caller must zero. */
  open(scope: CompanyScope, input: Asked): Promise<OpenValue>;
  /** As `readActive`, in bytes, which the caller must zero. */
  openActive(scope: CompanyScope, secretKey: string): Promise<readonly OpenValue[]>;
}

type Asked = InputOf<VaultOperations["read"]>;
type AskedSecret = Pick<Asked, "secretKey" | "maxAgeMs">;

export function createReads(
  { catalog, cache, copyAges, onServed }: VaultParts,
  authorize: Authorize,
  readAudit: ReadAudit,
): Reads {
  /** Finds values and audits their reads. @returns the first value, and the others */
  const readAudited = (
    resolved: CompanyScope,
    { secretKey, maxAgeMs }: AskedSecret,
    findAll: (company: Company, store: SecretStore) => Promise<readonly (StoredSecret | undefined)[]>,
  ): Promise<readonly [StoredSecret, ...StoredSecret[]]> =>
    authorize({ ...readBy(resolved), secretKey }, async (scope, store) => {
      const { caller, company } = scope;
      catalog.get(secretKey);
      await requireAge(copyAges, company, maxAgeMs);
      const [first, ...others] = (await findAll(company, store)).filter((secret) => secret !== undefined);
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
    });

  const find = (
    company: Company,
    store: SecretStore,
    secretKey: string,
  ): Promise<EncryptedSecret | undefined> =>
    cache.current.get(cacheKeyOf(company, secretKey), () => store.find(company, secretKey));

  const openAll = async (
    company: Company,
    secretKeys: readonly string[],
    { store, unusable }: { readonly store: SecretStore; readonly unusable: Set<string> },
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

  /** The last use is not updated here: fetching the value does so often enough. */
  const readCached: Reads["readCached"] = (scope, secretKey, now) => {
    if (refusalOf({ ...readBy(scope), secretKey }) !== undefined) return undefined;
    const { caller, company } = scope;
    const encrypted = cache.current.peek(cacheKeyOf(company, secretKey), now)?.value;
    if (encrypted === undefined || catalog.find(secretKey) === undefined) return undefined;
    try {
      const value = encrypted.decryptText();
      if (!readAudit.tryRecord(caller, company.id, { secretKey, encrypted })) return undefined;
      onServed(company, secretKey);
      return { value, version: encrypted.version, ...copyMark(copyAges, encrypted.copiedFrom) };
    } catch {
      cache.invalidate(company.id, secretKey);
      return undefined;
    }
  };

  /** The current version; with `canary`, at times what a rotation tries in its place. */
  const readOne = async (
    scope: CompanyScope,
    { secretKey, canary = false, maxAgeMs }: Asked,
  ): Promise<Served> => {
    let servedBy = scope.company;
    let isTried = false;
    const [found] = await readAudited(scope, { secretKey, maxAgeMs }, async (company, store) => {
      servedBy = company;
      const current = await find(company, store, secretKey);
      const encrypted = canary && current !== undefined ? drawn(current, performance.now()) : current;
      isTried = encrypted !== current;
      return [openOrInvalidate(cache, { company, secretKey }, () => decryptSecret(encrypted))];
    });
    onServed(servedBy, secretKey);
    return { found, stage: isTried ? { stage: "pending" } : {} };
  };

  const takeActive = (scope: CompanyScope, { secretKey, maxAgeMs }: AskedSecret) =>
    readAudited(scope, { secretKey, maxAgeMs }, async (company, store) => {
      // The provider rejected the cached current value: it may have been replaced.
      cache.invalidate(company.id, secretKey);
      return decryptActive(await findActive(store, company, { secretKey, isRefused: true }));
    });

  const load: Reads["load"] = async (scope, input) => {
    const { found, stage } = await readOne(scope, input);
    return { ...answerOf(found), ...stage };
  };

  const answerOf = (found: StoredSecret): ReadValue => ({
    ...valueOf(found),
    ...copyMark(copyAges, found.copiedFrom),
  });

  return {
    readCached,
    load,
    read: async (scope, input) => {
      const { secretKey, canary = false, maxAgeMs } = input;
      if (maxAgeMs !== undefined && scope.company.home !== undefined) return load(scope, input);
      const isTried =
        canary &&
        cache.current.peekIncludingStale(cacheKeyOf(scope.company, secretKey))?.canary !== undefined;
      const cached = isTried ? undefined : readCached(scope, secretKey, performance.now());
      return cached ?? load(scope, input);
    },

    readMany: (resolved, { secretKeys, maxAgeMs }) =>
      authorize(readBy(resolved), async (scope, store, steps) => {
        const { caller, company } = scope;
        checkBatch(secretKeys);
        for (const secretKey of secretKeys) catalog.get(secretKey);
        await requireAge(copyAges, company, maxAgeMs);
        const visible = secretKeys.filter((secretKey) => covers(caller.actor, secretKey));
        const unusable = new Set<string>();
        const found =
          visible.length === 0
            ? new Map<string, StoredSecret>()
            : await recordFailures(steps, () => openAll(company, visible, { store, unusable }));
        try {
          for (const secretKey of secretKeys) {
            const secret = found.get(secretKey);
            if (secret !== undefined) {
              await readAudit.record(caller, { companyId: company.id, secretKey }, secret);
              touchLastUsed(scope, store, secretKey);
              onServed(company, secretKey);
              continue;
            }
            const outcome = visible.includes(secretKey) ? "failed" : "denied";
            const reason = unusable.has(secretKey) ? "INVALID_VALUE" : "NOT_FOUND";
            await steps.record({ secretKey, outcome, reason });
          }
          return visible.flatMap((secretKey) => {
            const secret = found.get(secretKey);
            return secret === undefined ? [] : [{ secretKey, ...answerOf(secret) }];
          });
        } finally {
          for (const { plaintext } of found.values()) plaintext.wipe();
        }
      }),

    readActive: async (scope, input) => {
      const active = await takeActive(scope, input);
      return active.map(answerOf);
    },

    open: async (scope, input) => {
      const { found, stage } = await readOne(scope, input);
      return { ...openValueOf(found), ...stage };
    },

    openActive: async (scope, secretKey) => {
      const active = await takeActive(scope, { secretKey });
      return active.map(openValueOf);
    },
  };
}

interface Served {
  readonly found: StoredSecret;
  readonly stage: { readonly stage?: "pending" };
}

function readBy(scope: CompanyScope) {
  return { operation: vaultOperations.read, scope, denyReason: denyReasonOf(scope) };
}

/** The reason why a caller with the verb `use` is denied a value, if there is one. */
export function denyReasonOf({ caller, isRemote }: CompanyScope): string | undefined {
  return isRemote === true && isUser(caller)
    ? "A person does not read a value, but reveals it, and says what for."
    : undefined;
}

function isUser({ actor }: Caller): boolean {
  return actor.kind === "user";
}

/** Converts the value to a string, and zeroes its bytes. */
export function valueOf({ plaintext, version }: StoredSecret): ReadValue {
  try {
    return { value: plaintext.reveal(), version };
  } finally {
    plaintext.wipe();
  }
}

function openValueOf({ plaintext, version }: StoredSecret): OpenValue {
  return { bytes: plaintext.bytes, version };
}
