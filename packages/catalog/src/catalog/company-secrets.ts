import type { GraceOptions, RequestOptions } from "../operations/fields.ts";
import type { CallsOf } from "../operations/operation.ts";
import type { Freshness, ListOptions, ReadValue, SecretList } from "../operations/secret-reads.ts";
import type {
  BatchWriteResult,
  RemoveOptions,
  RemoveResult,
  SetResult,
  StageOptions,
  WriteOptions,
  WriteResult,
} from "../operations/secret-writes.ts";
import type { VaultOperations } from "../operations/vault.ts";
import type {
  Capabilities,
  DiscardOptions,
  Expiry,
  HistoryOptions,
  PromoteOptions,
  PurgeOptions,
  RollbackOptions,
  SecretHistory,
} from "../operations/versions.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";

/** Values by secret key, of a catalogue's types. */
export type SecretValues<C extends Catalog> = { readonly [K in SecretKeyOf<C>]?: ValueOf<C, K> };

export interface SetManyOptions extends RequestOptions, GraceOptions, Pick<WriteOptions, "note"> {
  /** As in {@link WriteOptions}, by secret key. */
  readonly expectedVersions?: Readonly<Record<string, number>> | undefined;
}

/** A value of a catalogue's type, as it was read. */
export type TypedRead<Value> = Omit<ReadValue, "value"> & { readonly value: Value };

/** The secrets of one company, typed by the catalogue. In process and over HTTP it is the same interface. */
export interface CompanySecrets<C extends Catalog> {
  /**
   * @throws {TenantSecretsError} NOT_FOUND where there is none, or it is not this caller's to know; UNKNOWN_SECRET_KEY,
   *   FORBIDDEN, INTEGRITY_FAILURE, KEY_UNAVAILABLE, STORE_UNAVAILABLE, DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  get<K extends SecretKeyOf<C>>(secretKey: K, options?: Freshness): Promise<ValueOf<C, K>>;
  /** As `get`, with the version, and what there is to know of a copy. */
  read<K extends SecretKeyOf<C>>(secretKey: K, options?: Freshness): Promise<TypedRead<ValueOf<C, K>>>;
  /** As `get`, with undefined in place of NOT_FOUND. */
  find<K extends SecretKeyOf<C>>(secretKey: K, options?: Freshness): Promise<ValueOf<C, K> | undefined>;
  /** @throws {TenantSecretsError} as `get`, and INVALID_VALUE, CONFLICT, NOT_SUPPORTED */
  set<K extends SecretKeyOf<C>>(
    secretKey: K,
    value: ValueOf<C, K>,
    options?: WriteOptions,
  ): Promise<SetResult>;
  /**
   * As `get`, of 1 to 100 secrets. @returns those that are there and usable, by secret key: `get` says what is wrong with another
   * @throws {TenantSecretsError} as `get`, but for NOT_FOUND and INVALID_VALUE; with `failures` where some do not open: then none is answered
   */
  getMany<K extends SecretKeyOf<C>>(
    secretKeys: readonly K[],
    options?: Freshness,
  ): Promise<{ readonly [Key in K]?: ValueOf<C, Key> }>;
  /**
   * As `set`, of 1 to 100 secrets: all of them, or none.
   *
   * @throws {TenantSecretsError} as `set`, with `failures`: one for each secret that stood in the way
   */
  setMany(values: SecretValues<C>, options?: SetManyOptions): Promise<readonly BatchWriteResult[]>;
  /**
   * Calls `work` with the value. Where that throws `CredentialRejected`, it is called again with each other active
   * value: a newer one, the pending one, the earlier ones inside their grace windows. What the provider refused is stored
   * as rejected, and what it took after that as accepted.
   *
   * @returns what `work` answers
   * @throws {TenantSecretsError} as `get`; the last CredentialRejected; whatever else `work` throws, as it is
   */
  use<K extends SecretKeyOf<C>, T>(secretKey: K, work: (value: ValueOf<C, K>) => T | Promise<T>): Promise<T>;
  /** As `use`, with the stored bytes of the value, which are zeroed when `work` has ended. In process no string is made of them. */
  useBytes<T>(secretKey: SecretKeyOf<C>, work: (value: Uint8Array) => T | Promise<T>): Promise<T>;
  list(options?: ListOptions): Promise<SecretList>;
  /** What the company's store can do: the rest is NOT_SUPPORTED. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN */
  capabilities(): Promise<Capabilities>;
  /**
   * The versions of a secret, the newest first, also of one that was removed.
   *
   * @throws {TenantSecretsError} as `get`, and NOT_SUPPORTED
   */
  history(secretKey: SecretKeyOf<C>, options?: HistoryOptions): Promise<SecretHistory>;
  /**
   * Stores a value as the pending version, for `promote`, and for `use` where the current one is refused.
   *
   * @throws {TenantSecretsError} as `set`; CONFLICT too where one is pending already
   */
  stage<K extends SecretKeyOf<C>>(
    secretKey: K,
    value: ValueOf<C, K>,
    options?: StageOptions,
  ): Promise<WriteResult>;
  /**
   * Makes the pending version the current one.
   *
   * @throws {TenantSecretsError} as `remove`; CONFLICT where none is pending, or another one than is meant
   */
  promote(secretKey: SecretKeyOf<C>, options?: PromoteOptions): Promise<WriteResult>;
  /** Destroys the pending version. @throws {TenantSecretsError} as `promote` */
  discard(secretKey: SecretKeyOf<C>, options?: DiscardOptions): Promise<WriteResult>;
  /**
   * Writes the value of an earlier version again, as a new one.
   *
   * @throws {TenantSecretsError} as `remove`; NOT_FOUND where there is no such version; CONFLICT where its value was
   *   destroyed, or it is current or pending
   */
  rollback(secretKey: SecretKeyOf<C>, options: RollbackOptions): Promise<WriteResult>;
  /** Says when the credential that is current ends at its provider. @throws {TenantSecretsError} as `remove` */
  setExpiry(secretKey: SecretKeyOf<C>, expiry: Expiry): Promise<void>;
  /** @throws {TenantSecretsError} as `get`, and CONFLICT, NOT_SUPPORTED */
  remove(secretKey: SecretKeyOf<C>, options?: RemoveOptions): Promise<RemoveResult>;
  /**
   * Undoes a removal, until the time that `remove` answered. @returns the version that is current again
   * @throws {TenantSecretsError} as `get`, and NOT_SUPPORTED; NOT_FOUND where there is nothing removed, or the time is over
   */
  restore(secretKey: SecretKeyOf<C>, options?: RequestOptions): Promise<WriteResult>;
  /**
   * Destroys every value of a removed secret for good; its history stays.
   *
   * @throws {TenantSecretsError} as `remove`; CONFLICT where it is not removed, without `force`
   */
  purge(secretKey: SecretKeyOf<C>, options?: PurgeOptions): Promise<void>;
}

/** The stored bytes of a value. The caller zeroes them. */
export interface OpenValue {
  readonly version: number;
  readonly bytes: Uint8Array;
  /** Given where it is not the current version: a rotation tries its next value. */
  readonly stage?: "pending" | undefined;
}

/** The same before the catalogue's types: the operations as functions, which travel over HTTP or stay in process. */
export interface SecretTransport extends CallsOf<VaultOperations> {
  /** Of the process that has the keys. */
  readonly local?: LocalReads;
}

/** Reads without what only travel needs: without waiting, or without a string of the value. */
export interface LocalReads {
  /** As `read`. @returns the value itself where the cache has it: a promise costs as much as the rest of such a read */
  read(secretKey: string): string | Promise<string>;
  /** As `read`, in bytes. @param canary as there */
  open(secretKey: string, canary: boolean): Promise<OpenValue>;
  /** As `readActive`, in bytes. */
  openActive(secretKey: string): Promise<readonly OpenValue[]>;
}
