import type {
  BatchWriteOptions,
  BatchWriteResult,
  CheckResult,
  DiscardOptions,
  Expiry,
  HistoryOptions,
  PromoteOptions,
  PurgeOptions,
  RemovedSecret,
  RemoveOptions,
  RemoveResult,
  RequestOptions,
  RollbackOptions,
  SecretDescription,
  SecretHistory,
  Stage,
  StageOptions,
  TenantSecretsError,
  WriteOptions,
  WriteResult,
} from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Company, CompanyScope } from "../companies/companies.ts";
import type { EncryptedSecret } from "./encrypted-secret.ts";

/** A decrypted value, which its holder wipes. */
export interface StoredSecret {
  readonly plaintext: Plaintext;
  readonly version: number;
  readonly expiresAtMs?: number | undefined;
  /** As of its `EncryptedSecret`. */
  readonly copiedFrom?: string | undefined;
}

/** A version that is active now. */
export interface ActiveVersion {
  readonly stage: Stage;
  readonly encrypted: EncryptedSecret;
  /** When its grace window ends, by `performance.now()`. */
  readonly until?: number;
}

/** The current version first. */
export type ActiveVersions = readonly [ActiveVersion, ...ActiveVersion[]];

export type StoredDescription = Omit<SecretDescription, "inCatalog" | "label" | "writeOnly">;

export type StoredRemoval = Omit<RemovedSecret, "label">;

export interface StoredList {
  readonly secrets: readonly StoredDescription[];
  /** Why the secrets that are only in Infisical are missing from the list. */
  readonly unreachable?: TenantSecretsError | undefined;
}

/** One secret, and what is asked of it. */
export type OfSecret<Options = object> = Options & { readonly secretKey: string };

/** One value to write. The caller wipes it. */
export interface BatchWrite {
  readonly secretKey: string;
  readonly plaintext: Plaintext;
  /** The end of the value that lists may show. */
  readonly lastFour: string | undefined;
  readonly options: BatchWriteOptions;
}

export interface Write extends BatchWrite {
  readonly options: WriteOptions;
  /** The server made the value, so that a retry brings another one: the options alone tell a retry from another request. */
  readonly isGenerated?: boolean | undefined;
}

export interface StagedWrite extends BatchWrite {
  readonly options: StageOptions;
}

export interface Batch extends RequestOptions {
  readonly writes: readonly BatchWrite[];
}

/**
 * Where the secrets of companies live. Every store has these four operations. What else it can do are the groups that it
 * has: `capabilitiesOf` tells from them what callers may ask for, and `supported` refuses the rest.
 *
 * A read takes the company, a change takes the scope: a caller in a company. Names, values and options arrive checked and the
 * caller permitted. A change that succeeds has its event in the audit log when it returns. The events of reads, and of changes
 * that throw, are the vault's.
 */
export interface SecretStore {
  /**
   * The current version. Calls of one turn of the event loop can share a query.
   *
   * @returns undefined where the secret does not exist or was removed
   * @throws {TenantSecretsError} INVALID_VALUE where the stored text can be no value: empty, with NUL, above 65,536 bytes,
   *   not well-formed; else what the store's servers cause
   */
  find(company: Company, secretKey: string): Promise<EncryptedSecret | undefined>;
  /** By secret key, without removed secrets. @throws {TenantSecretsError} what the store's servers cause */
  list(company: Company): Promise<StoredList>;
  /**
   * Makes a value the current version, one above the version before. A pending version stays pending.
   *
   * @throws {TenantSecretsError} CONFLICT, INVALID_VALUE, and what the store's servers cause
   */
  write(scope: CompanyScope, write: Write): Promise<WriteResult>;
  /** @throws {TenantSecretsError} NOT_FOUND, CONFLICT, and what the store's servers cause */
  remove(scope: CompanyScope, removal: OfSecret<RemoveOptions>): Promise<RemoveResult>;
  /** True where the store cuts white space off the ends of values, and so refuses such values. */
  readonly trimsValues?: true | undefined;
  /** True where it has copies of secrets that are at home elsewhere, and what is not about them is refused with WRONG_REGION. */
  readonly isCopy?: true | undefined;
  readonly versions?: VersionedOperations | undefined;
  readonly batches?: BatchOperations | undefined;
  readonly checks?: CheckOperations | undefined;
  /** Remembers later, and at most once an hour, that a value was used. Neither waits nor throws. */
  readonly touchLastUsed?: ((company: Company, secretKey: string) => void) | undefined;
}

/**
 * Versions, stages, grace windows, expiry and recovery. A store with these also takes every option of `write` and `remove`, and
 * keeps a removed secret restorable for the company's recovery time.
 */
export interface VersionedOperations {
  /**
   * The active versions by the database's clock: the current one, the pending one, then the previous ones inside their grace
   * windows, the last replaced first; at most seven.
   *
   * @param secret.isRefused whether a provider refused the current version, so that no copy of it passes for the latest
   * @returns undefined where the secret does not exist
   */
  findActive(
    company: Company,
    secret: OfSecret<{ readonly isRefused?: boolean }>,
  ): Promise<ActiveVersions | undefined>;
  /** The versions of a secret, also of a removed one. @throws {TenantSecretsError} NOT_FOUND where it never had one */
  history(company: Company, page: OfSecret<HistoryOptions>): Promise<SecretHistory>;
  /** By secret key: the removed secrets that can be restored. */
  removed(company: Company): Promise<readonly StoredRemoval[]>;
  /**
   * Adds a value as the next version, pending: `promote` makes it current, `discard` destroys it.
   *
   * @throws {TenantSecretsError} NOT_FOUND without a current version; CONFLICT where a version is pending already
   */
  stage(scope: CompanyScope, write: StagedWrite): Promise<WriteResult>;
  /**
   * Makes the pending version current. It keeps its number, also after later writes.
   *
   * @throws {TenantSecretsError} NOT_FOUND; CONFLICT where none is pending, or another one than is meant
   */
  promote(scope: CompanyScope, pending: OfSecret<PromoteOptions>): Promise<WriteResult>;
  /** Destroys the pending version. @returns its number @throws {TenantSecretsError} as `promote` */
  discard(scope: CompanyScope, pending: OfSecret<DiscardOptions>): Promise<WriteResult>;
  /**
   * Writes the value of an earlier version again, as a new version.
   *
   * @throws {TenantSecretsError} NOT_FOUND without such a version; CONFLICT where it was destroyed, or is current or pending
   */
  rollback(scope: CompanyScope, earlier: OfSecret<RollbackOptions>): Promise<WriteResult>;
  /** Undoes a removal inside the recovery time. @throws {TenantSecretsError} NOT_FOUND */
  restore(scope: CompanyScope, secret: OfSecret<RequestOptions>): Promise<WriteResult>;
  /**
   * Destroys all values of a removed secret, their hints and fingerprints. The rows stay, and a later write makes the next
   * version.
   *
   * @throws {TenantSecretsError} NOT_FOUND without a value to destroy; CONFLICT where it is not removed, without `force`
   */
  purge(scope: CompanyScope, secret: OfSecret<PurgeOptions>): Promise<void>;
  /** @throws {TenantSecretsError} NOT_FOUND */
  setExpiry(scope: CompanyScope, expiry: OfSecret<Expiry>): Promise<void>;
}

export interface BatchOperations {
  /**
   * As `write`, of 1 to 100 secrets, all or none.
   *
   * @throws {TenantSecretsError} as `write`, with `failures`; INVALID_INPUT for another number or a repeated secret key
   */
  writeMany(scope: CompanyScope, batch: Batch): Promise<readonly BatchWriteResult[]>;
}

export interface CheckOperations {
  /**
   * Stores what a provider said of a version. @returns when, by the database's clock
   *
   * @throws {TenantSecretsError} NOT_FOUND where the secret was removed, or the version does not exist or was destroyed
   */
  recordCheck(
    scope: CompanyScope,
    check: OfSecret<{ readonly version: number; readonly result: CheckResult }>,
  ): Promise<Date>;
}

/** A store with every group: PostgreSQL, alone or in front of Infisical. */
export interface FullStore extends SecretStore {
  readonly versions: VersionedOperations;
  readonly batches: BatchOperations;
  readonly checks: CheckOperations;
  readonly touchLastUsed: (company: Company, secretKey: string) => void;
}
