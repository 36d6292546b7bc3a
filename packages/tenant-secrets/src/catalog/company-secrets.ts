import { TenantSecretsError } from "../vocabulary/errors.ts";
import type { SecretStoreName } from "../vocabulary/names.ts";
import type { Catalog, SecretKeyOf, ValueOf } from "./catalog.ts";
import { decodeValue, encodeValue } from "./value.ts";

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
}

/** What lists show of a secret: never the value. */
export interface SecretDescription {
  readonly secretKey: string;
  /** Whether the catalogue knows this secret key; one that it does not know cannot be read or written here. */
  readonly listed: boolean;
  readonly label?: string | undefined;
  /** 0 where a hybrid company's value is still only in Infisical. */
  readonly version: number;
  readonly place: "infisical" | "database";
  readonly hint?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface SecretList {
  readonly store: SecretStoreName;
  readonly capabilities: Capabilities;
  readonly secrets: readonly SecretDescription[];
}

export interface WriteOptions {
  /** The version that the caller has seen, 0 for "none yet": another one is a CONFLICT. */
  readonly expectedVersion?: number | undefined;
  /** An id of the caller's for this write; sent again within 24 hours with the same content, it applies once. */
  readonly requestId?: string | undefined;
  /** Why, for the history: at most 500 characters, and not a secret. */
  readonly note?: string | undefined;
}

export interface RemoveOptions {
  readonly expectedVersion?: number | undefined;
}

export interface WriteResult {
  readonly version: number;
}

export interface RemoveResult {
  /** Until when `restore` can undo it; undefined where the store forgets at once. */
  readonly recoverUntil?: Date | undefined;
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
  ): Promise<WriteResult>;
  list(): Promise<SecretList>;
  /** @throws {TenantSecretsError} as `get`, and CONFLICT, NOT_SUPPORTED */
  remove(secretKey: SecretKeyOf<C>, options?: RemoveOptions): Promise<RemoveResult>;
  /**
   * Undoes a removal, until the time that `remove` answered. @returns the version that is current again
   * @throws {TenantSecretsError} as `get`, and NOT_SUPPORTED; NOT_FOUND where there is nothing removed, or the time is over
   */
  restore(secretKey: SecretKeyOf<C>): Promise<WriteResult>;
}

/** The same in text, before the catalogue's types: what the vault does, and what travels over HTTP. */
export interface SecretTransport {
  read(secretKey: string): Promise<string>;
  write(secretKey: string, text: string, options: WriteOptions): Promise<WriteResult>;
  list(): Promise<SecretList>;
  remove(secretKey: string, options: RemoveOptions): Promise<RemoveResult>;
  restore(secretKey: string): Promise<WriteResult>;
}

/** Puts the catalogue's types on a transport. */
export function companySecrets<C extends Catalog>(catalog: C, transport: SecretTransport): CompanySecrets<C> {
  const get = async <K extends SecretKeyOf<C>>(secretKey: K): Promise<ValueOf<C, K>> => {
    catalog.get(secretKey);
    return decodeValue(catalog, secretKey, await transport.read(secretKey));
  };
  return {
    get,
    find: async (secretKey) => {
      try {
        return await get(secretKey);
      } catch (error) {
        if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
        throw error;
      }
    },
    set: async (secretKey, value, options = {}) =>
      transport.write(secretKey, encodeValue(catalog, secretKey, value), options),
    list: () => transport.list(),
    remove: (secretKey, options = {}) => transport.remove(secretKey, options),
    restore: (secretKey) => transport.restore(secretKey),
  };
}
