import type { SecretStoreName } from "../vocabulary/names.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";

/** What a company's store can do, known before anything is asked of it. */
export interface Capabilities {
  /** `expectedVersion` makes a write or removal conditional. */
  readonly conditionalWrites: boolean;
  /** `requestId` makes a retried write apply once. */
  readonly requestIds: boolean;
  /** A removed secret can be restored for a while, and stays removed until then. */
  readonly recovery: boolean;
  /** A write can say why, for the history. */
  readonly notes: boolean;
  /** Values may begin or end with white space. */
  readonly surroundingWhiteSpace: boolean;
  /** Every version of a secret can be listed, with who made it and when. */
  readonly history: boolean;
  /** A next value can be staged before it counts, and the one before can go on to count for a while. */
  readonly stages: boolean;
  /** An earlier version can be made the current one again. */
  readonly rollback: boolean;
  /** The values of a removed secret can be destroyed before its time is over. */
  readonly purge: boolean;
  /** Several secrets can be written at once, all or none. */
  readonly bulk: boolean;
  /** A secret can have a day on which it expires. */
  readonly expiry: boolean;
  /** What a provider says of a credential is kept with its version. */
  readonly checks: boolean;
}

/** The most secrets that a batch reads or writes. */
export const maxBatchSecrets = 100;

/** The longest time for which a replaced value can go on to count, in seconds: 30 days. */
export const maxGraceSeconds = 2_592_000;

/** What becomes of earlier values when another one becomes current. */
export interface GraceOptions {
  /**
   * For how long the value that is replaced goes on to count beside the new one, in seconds, at most 30 days. Default 0. At
   * most five earlier values count at once: one more is a CONFLICT.
   */
  readonly graceSeconds?: number | undefined;
  /** Ends every window that is still open, such as after a leak; without it, a window that was promised lasts. */
  readonly endGrace?: boolean | undefined;
}

/** The most days before its end that a credential is reminded of. */
export const maxReminderDays = 365;

/** When the credential that is written ends at its provider. The next one starts without an end. */
export interface ExpiryOptions {
  /** Left out or null: it does not expire, as far as anybody has said. */
  readonly expiresAt?: Date | null | undefined;
  /** How many days before that somebody is reminded: at most ten, each 1 to 365. Default 30, 7 and 1. */
  readonly reminderDays?: readonly number[] | undefined;
}

/** What a provider says of a credential; `unknown` where it could not be asked. */
export type CheckResult = "accepted" | "rejected" | "unknown";

/** What somebody who used a credential can say of it. */
export type ReportedOutcome = Exclude<CheckResult, "unknown">;

export interface Check {
  readonly result: CheckResult;
  readonly checkedAt: Date;
}

/** Which versions count: each `previous` one until its grace window ends. */
export type Stage = "current" | "pending" | "previous";

/** What lists show of a secret: never the value. */
export interface SecretDescription {
  readonly secretKey: string;
  /** Whether the catalogue knows this secret key; one that it does not know cannot be read or written here. */
  readonly inCatalog: boolean;
  /** False for a name in Infisical that no secret can have here: it can neither be read nor removed here. */
  readonly usable?: false | undefined;
  readonly label?: string | undefined;
  /** 0 where a hybrid company's value is still only in Infisical. */
  readonly version: number;
  readonly location: "infisical" | "database";
  readonly lastFour?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** When the current version ends at its provider, as somebody has said. It is served all the same. */
  readonly expiresAt?: Date | undefined;
  /** Days from now until then by the store's clock, begun ones counted; 0 or less once it has expired. */
  readonly expiresInDays?: number | undefined;
  /** To the hour. */
  readonly lastUsedAt?: Date | undefined;
  /** The version that waits to be promoted. */
  readonly pendingVersion?: number | undefined;
  /** What its provider last said of the current version. */
  readonly check?: Check | undefined;
}

export interface SecretVersion {
  readonly version: number;
  readonly id: string;
  /** The id of the version that was current when this one was made. */
  readonly previousVersionId?: string | undefined;
  readonly createdAt: Date;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly note?: string | undefined;
  readonly lastFour?: string | undefined;
  readonly fingerprint?: string | undefined;
  /** Undefined where it does not count. Nothing of a removed secret does. */
  readonly stage?: Stage | undefined;
  /** Until when a previous one counts. */
  readonly activeUntil?: Date | undefined;
  /** When the credential ends at its provider, as somebody has said. */
  readonly expiresAt?: Date | undefined;
  /** Since when its value is gone for good; who made it and why stays. */
  readonly destroyedAt?: Date | undefined;
  readonly check?: Check | undefined;
}

export interface SecretHistory {
  /** The newest first. */
  readonly versions: readonly SecretVersion[];
  /** What to ask for as `before` to get the next page; undefined on the last one. */
  readonly next?: number | undefined;
  /** Where the secret was removed. */
  readonly removedAt?: Date | undefined;
  /** Until when a removed secret can be restored. */
  readonly recoverUntil?: Date | undefined;
}

export interface HistoryOptions {
  /** Only versions below this one. */
  readonly before?: number | undefined;
  /** At most this many, 1 to 100. Default 100. */
  readonly limit?: number | undefined;
}

export interface ListOptions {
  /** Only what expires within so many days, or has expired; the first to expire first. */
  readonly expiresWithinDays?: number | undefined;
}

export interface SecretList {
  readonly store: SecretStoreName;
  readonly capabilities: Capabilities;
  readonly secrets: readonly SecretDescription[];
  /** What could not be listed, because it could not be asked: what of a hybrid company is only in Infisical. */
  readonly missing?: "infisical" | undefined;
}

/** Makes a change that is sent again apply once. */
export interface RequestOptions {
  /**
   * An id of the caller's for this change: sent again within 24 hours with the same content, it applies once and gives the
   * same answer; with other content it is a CONFLICT.
   */
  readonly requestId?: string | undefined;
}

export interface WriteOptions extends GraceOptions, ExpiryOptions, RequestOptions {
  /** The version that the caller has seen, 0 for "none yet": another one is a CONFLICT. */
  readonly expectedVersion?: number | undefined;
  /** Why, for the history: at most 500 characters, and not a secret. */
  readonly note?: string | undefined;
  /** Asks the provider first whether it takes this value: what it rejects is not written. */
  readonly check?: boolean | undefined;
}

/** Of one secret in a batch: the batch has the request id. */
export type BatchWriteOptions = Omit<WriteOptions, "requestId" | "check">;

/** For the whole batch. */
export type BatchOptions = RequestOptions;

/** Values by secret key, of a catalogue's types. */
export type SecretValues<C extends Catalog> = { readonly [K in SecretKeyOf<C>]?: ValueOf<C, K> };

export interface SetManyOptions extends BatchOptions, GraceOptions, Pick<WriteOptions, "note"> {
  /** As in {@link WriteOptions}, by secret key. */
  readonly expectedVersions?: Readonly<Record<string, number>> | undefined;
}

export interface StageOptions extends Omit<WriteOptions, keyof GraceOptions | "check"> {
  /** Destroys the pending version that is there already; without it, that is a CONFLICT. */
  readonly replace?: boolean | undefined;
}

/** On which state of a secret what happens to its pending version depends. */
export interface PendingOptions {
  readonly expectedVersion?: number | undefined;
  /** The pending version that is meant: where another one is pending, such as one that replaced it, that is a CONFLICT. */
  readonly pendingVersion?: number | undefined;
}

export interface PromoteOptions extends PendingOptions, GraceOptions, RequestOptions {}

export interface DiscardOptions extends PendingOptions, RequestOptions {}

export interface RollbackOptions extends RequestOptions {
  readonly toVersion: number;
  readonly expectedVersion?: number | undefined;
  /** As in {@link WriteOptions}; without one, the history says which version it was. */
  readonly note?: string | undefined;
}

export interface PurgeOptions extends RequestOptions {
  /** Takes a secret that is still there: removes it, and leaves no time to restore it. */
  readonly force?: boolean | undefined;
}

export interface Expiry extends RequestOptions {
  /** Of the current version. Null: does not expire. */
  readonly expiresAt: Date | null;
  /** How many days before that somebody is reminded. Default: as it was, at first 30, 7 and 1. */
  readonly reminderDays?: readonly number[] | undefined;
}

export interface RemoveOptions extends RequestOptions {
  /**
   * Of a hybrid company: deletes it in Infisical as well, for good. Also once it was removed here. Default: false
   */
  readonly inInfisical?: boolean | undefined;
  readonly expectedVersion?: number | undefined;
}

export interface WriteResult {
  readonly version: number;
}

export interface SetResult extends WriteResult {
  /** With `check`: what the provider said; "unknown" where it could not be asked. */
  readonly check?: Exclude<CheckResult, "rejected"> | undefined;
}

export interface BatchWriteResult extends WriteResult {
  readonly secretKey: string;
}

export interface RemoveResult {
  /** Until when `restore` can undo it; undefined where there is nothing to restore it from. */
  readonly recoverUntil?: Date | undefined;
  /** Whether a hybrid company's folder in Infisical has it still, unseen from here. Undefined where Infisical could not be asked. */
  readonly leftInInfisical?: boolean | undefined;
}

/** The secrets of one company, typed by the catalogue. In process and over HTTP it is the same interface. */
export interface CompanySecrets<C extends Catalog> {
  /**
   * @throws {TenantSecretsError} NOT_FOUND where there is none, or it is not this caller's to know; UNKNOWN_SECRET_KEY,
   *   FORBIDDEN, INTEGRITY_FAILURE, KEY_UNAVAILABLE, STORE_UNAVAILABLE, DATABASE_UNAVAILABLE, AUDIT_UNAVAILABLE
   */
  get<K extends SecretKeyOf<C>>(secretKey: K): Promise<ValueOf<C, K>>;
  /** As `get`, with undefined in place of NOT_FOUND. */
  find<K extends SecretKeyOf<C>>(secretKey: K): Promise<ValueOf<C, K> | undefined>;
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
  ): Promise<{ readonly [Key in K]?: ValueOf<C, Key> }>;
  /**
   * As `set`, of 1 to 100 secrets: all of them, or none.
   *
   * @throws {TenantSecretsError} as `set`, with `failures`: one for each secret that stood in the way
   */
  setMany(values: SecretValues<C>, options?: SetManyOptions): Promise<readonly BatchWriteResult[]>;
  /**
   * Calls `work` with the value. Where that throws `CredentialRejected`, it is called again with each other value that counts
   * now: a newer one, the one that is pending, the earlier ones while their grace windows last. What the provider refused is kept
   * as rejected, and what it took after that as accepted.
   *
   * @returns what `work` answers
   * @throws {TenantSecretsError} as `get`; the last CredentialRejected; whatever else `work` throws, as it is
   */
  use<K extends SecretKeyOf<C>, T>(secretKey: K, work: (value: ValueOf<C, K>) => T | Promise<T>): Promise<T>;
  /** As `use`, with the value in bytes, as it is kept, which are zeroed when `work` is done. In process no string is made of it. */
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
   * Keeps a value as the next version, which counts for `promote`, and for `use` where the current one is refused.
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

/** One secret of a batch, in text. */
export interface TextWrite extends BatchWriteOptions {
  readonly secretKey: string;
  readonly value: string;
}

export interface ReadResult {
  readonly secretKey: string;
  readonly value: string;
}

/** A readable value, as it is kept. Whoever gets one zeroes the bytes. */
export interface OpenValue {
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** The same in text, before the catalogue's types: what the vault does, and what travels over HTTP. */
export interface SecretTransport {
  /** As `read`, where that needs to wait for nothing; undefined otherwise. */
  readonly readCached?: (secretKey: string) => string | undefined;
  read(secretKey: string): Promise<string>;
  readMany(secretKeys: readonly string[]): Promise<readonly ReadResult[]>;
  open(secretKey: string): Promise<OpenValue>;
  /** The values that count now, past every cache: current, pending, previous. */
  readActive(secretKey: string): Promise<readonly OpenValue[]>;
  /** What became of a value at its provider, as whoever used it says. */
  reportOutcome(secretKey: string, version: number, result: ReportedOutcome): Promise<void>;
  write(secretKey: string, text: string, options: WriteOptions): Promise<SetResult>;
  writeMany(writes: readonly TextWrite[], options: BatchOptions): Promise<readonly BatchWriteResult[]>;
  list(options: ListOptions): Promise<SecretList>;
  capabilities(): Promise<Capabilities>;
  history(secretKey: string, options: HistoryOptions): Promise<SecretHistory>;
  stage(secretKey: string, text: string, options: StageOptions): Promise<WriteResult>;
  promote(secretKey: string, options: PromoteOptions): Promise<WriteResult>;
  discard(secretKey: string, options: DiscardOptions): Promise<WriteResult>;
  rollback(secretKey: string, options: RollbackOptions): Promise<WriteResult>;
  setExpiry(secretKey: string, expiry: Expiry): Promise<void>;
  remove(secretKey: string, options: RemoveOptions): Promise<RemoveResult>;
  restore(secretKey: string, options: RequestOptions): Promise<WriteResult>;
  purge(secretKey: string, options: PurgeOptions): Promise<void>;
}
