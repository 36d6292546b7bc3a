import type {
  Capabilities,
  RemoveOptions,
  RemoveResult,
  SecretDescription,
  WriteOptions,
  WriteResult,
} from "../catalog/company-secrets.ts";
import type { Company } from "../companies/companies.ts";
import type { Caller } from "../vocabulary/actor.ts";
import type { SecretStoreName } from "../vocabulary/names.ts";
import type { Plaintext } from "../vocabulary/plaintext.ts";

export interface StoredSecret {
  readonly plaintext: Plaintext;
  readonly version: number;
}

export type StoredDescription = Omit<SecretDescription, "listed" | "label">;

export interface Write {
  readonly secretKey: string;
  readonly plaintext: Plaintext;
  /** The end of the value that lists may show. */
  readonly hint: string | undefined;
  readonly options: WriteOptions;
}

/**
 * Where a company's secrets live. Names and values arrive checked, and the caller permitted. A write or removal that
 * succeeds has its event in the record when it returns; one that throws leaves the event to whoever called.
 */
export interface SecretStore {
  readonly name: SecretStoreName;
  readonly capabilities: Capabilities;
  /** @returns the current value, which the caller wipes; undefined where there is none or it was removed */
  read(company: Company, secretKey: string): Promise<StoredSecret | undefined>;
  /** By secret key, removed ones left out. */
  list(company: Company): Promise<readonly StoredDescription[]>;
  /** @throws {TenantSecretsError} CONFLICT, NOT_SUPPORTED, INVALID_VALUE, and what the store's servers cause */
  write(company: Company, write: Write, caller: Caller): Promise<WriteResult>;
  /** @throws {TenantSecretsError} NOT_FOUND, CONFLICT, NOT_SUPPORTED, and what the store's servers cause */
  remove(company: Company, secretKey: string, options: RemoveOptions, caller: Caller): Promise<RemoveResult>;
  /** Undoes a removal while that can be done. @throws {TenantSecretsError} NOT_FOUND, NOT_SUPPORTED */
  restore(company: Company, secretKey: string, caller: Caller): Promise<WriteResult>;
}
