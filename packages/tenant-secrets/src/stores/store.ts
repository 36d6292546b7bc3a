import type {
  BatchOptions,
  BatchWriteOptions,
  BatchWriteResult,
  Caller,
  Capabilities,
  CheckResult,
  DiscardOptions,
  Expiry,
  HistoryOptions,
  PromoteOptions,
  PurgeOptions,
  RemoveOptions,
  RemoveResult,
  RequestOptions,
  RollbackOptions,
  SecretDescription,
  SecretHistory,
  SecretStoreName,
  Stage,
  StageOptions,
  WriteOptions,
  WriteResult,
} from "@repo/catalog";
import type { Plaintext } from "@repo/envelope";
import type { Company } from "../companies/companies.ts";
import type { SealedSecret } from "./encrypted-secret.ts";

/** A value that was opened: whoever has it wipes it. */
export interface StoredSecret {
  readonly plaintext: Plaintext;
  readonly version: number;
  readonly expiresAtMs?: number | undefined;
}

/** A value that counts now. */
export interface LiveSecret {
  readonly stage: Stage;
  readonly sealed: SealedSecret;
  /** When it ends to count, by `performance.now()`. */
  readonly until?: number;
}

/** The current value first. */
export type LiveSecrets = readonly [LiveSecret, ...LiveSecret[]];

export interface FindLiveOptions {
  /** Whether the current value was refused where it was used, so that no copy of it is taken for the latest unasked. */
  readonly isRefused?: boolean;
}

export type StoredDescription = Omit<SecretDescription, "listed" | "label">;

export interface ReachableList {
  readonly secrets: readonly StoredDescription[];
  /** Whether what is only in Infisical is not among them. */
  readonly missing?: "infisical";
}

export interface BatchWrite {
  readonly secretKey: string;
  readonly plaintext: Plaintext;
  /** The end of the value that lists may show. */
  readonly hint: string | undefined;
  readonly options: BatchWriteOptions;
}

export interface Write extends BatchWrite {
  readonly options: WriteOptions;
}

export interface StagedWrite extends BatchWrite {
  readonly options: StageOptions;
}

/**
 * Where a company's secrets live. Names, values and options arrive checked, and the caller permitted. A change that
 * succeeds has its event in the record when it returns; one that throws leaves the event to whoever called, and so does
 * everything that only reads. What a store cannot do, as its capabilities say, is NOT_SUPPORTED, and so is what the hybrid
 * store is asked to do with a secret that is still only in Infisical.
 */
export interface SecretStore {
  readonly name: SecretStoreName;
  readonly capabilities: Capabilities;
  /**
   * The current value. What is asked for in one turn of the event loop is asked for together.
   *
   * @returns undefined where there is none or it was removed
   * @throws {TenantSecretsError} INVALID_VALUE where Infisical has something that no value can be: empty, with NUL, of more than
   *   65,536 bytes, not well-formed
   */
  find(company: Company, secretKey: string): Promise<SealedSecret | undefined>;
  /**
   * The values that count now, by the database's clock: the current one, then one that is pending, then the earlier ones
   * whose grace windows last, the one that was replaced last first; at most seven.
   *
   * @returns undefined where there is no secret
   */
  findLive(company: Company, secretKey: string, options?: FindLiveOptions): Promise<LiveSecrets | undefined>;
  /** By secret key, removed ones left out. */
  list(company: Company): Promise<readonly StoredDescription[]>;
  /** As `list`, without what cannot be asked for now. */
  listReachable(company: Company): Promise<ReachableList>;
  /** The versions of a secret, a removed one's too. @throws {TenantSecretsError} NOT_FOUND where it never had one */
  history(company: Company, secretKey: string, options: HistoryOptions): Promise<SecretHistory>;
  /**
   * Makes a value the current one. What is pending stays pending. The value before is `previous` for its grace window.
   *
   * @throws {TenantSecretsError} CONFLICT, NOT_SUPPORTED, INVALID_VALUE, and what the store's servers cause
   */
  write(company: Company, write: Write, caller: Caller): Promise<WriteResult>;
  /**
   * As `write`, of 1 to 100 secrets, each of them or none.
   *
   * @throws {TenantSecretsError} as `write`, with `failures`; INVALID_INPUT for another number or a secret key that stands twice
   */
  writeMany(
    company: Company,
    writes: readonly BatchWrite[],
    options: BatchOptions,
    caller: Caller,
  ): Promise<readonly BatchWriteResult[]>;
  /**
   * Keeps a value beside the current one, as the next version, for `promote` to make it that or `discard` to destroy it.
   *
   * @throws {TenantSecretsError} NOT_FOUND where there is no current value; CONFLICT where one is pending already
   */
  stage(company: Company, write: StagedWrite, caller: Caller): Promise<WriteResult>;
  /**
   * Makes the pending version the current one. It keeps its number, also where a write came after it.
   *
   * @throws {TenantSecretsError} NOT_FOUND; CONFLICT where none is pending, or another one than is meant
   */
  promote(company: Company, secretKey: string, options: PromoteOptions, caller: Caller): Promise<WriteResult>;
  /** Destroys the pending version. @returns its number @throws {TenantSecretsError} as `promote` */
  discard(company: Company, secretKey: string, options: DiscardOptions, caller: Caller): Promise<WriteResult>;
  /**
   * Writes the value of an earlier version again, as a new one.
   *
   * @throws {TenantSecretsError} NOT_FOUND where there is no such version; CONFLICT where it was destroyed, or is current or
   *   pending
   */
  rollback(
    company: Company,
    secretKey: string,
    options: RollbackOptions,
    caller: Caller,
  ): Promise<WriteResult>;
  /** @throws {TenantSecretsError} NOT_FOUND, CONFLICT, NOT_SUPPORTED, and what the store's servers cause */
  remove(company: Company, secretKey: string, options: RemoveOptions, caller: Caller): Promise<RemoveResult>;
  /** Undoes a removal while that can be done. @throws {TenantSecretsError} NOT_FOUND, NOT_SUPPORTED */
  restore(company: Company, secretKey: string, options: RequestOptions, caller: Caller): Promise<WriteResult>;
  /**
   * Destroys all values of a removed secret, their hints and fingerprints. The rows stay, and a later write makes the next
   * version.
   *
   * @throws {TenantSecretsError} NOT_FOUND where nothing is left to destroy; CONFLICT where it is not removed, without `force`
   */
  purge(company: Company, secretKey: string, options: PurgeOptions, caller: Caller): Promise<void>;
  /** @throws {TenantSecretsError} NOT_FOUND, NOT_SUPPORTED */
  setExpiry(company: Company, secretKey: string, expiry: Expiry, caller: Caller): Promise<void>;
  /**
   * Keeps what a provider said of a version. @returns when, by the database's clock
   *
   * @throws {TenantSecretsError} NOT_FOUND where the secret was removed, or the version is not there or destroyed
   */
  keepCheck(
    company: Company,
    secretKey: string,
    version: number,
    result: CheckResult,
    caller: Caller,
  ): Promise<Date>;
  /** Notes that a value was used, later, and at most once an hour. Neither waits nor throws. */
  noteUse(company: Company, secretKey: string): void;
}
