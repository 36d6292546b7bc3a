import type { SecretHeadRow } from "@repo/db";
import type { RemoveOptions, RemoveResult, WriteResult } from "@repo/catalog";
import type { Company, CompanyScope } from "../../companies/companies.ts";
import type { EncryptedSecret } from "../encrypted-secret.ts";
import type { LastUsed } from "./last-used.ts";
import type { BatchWrite, FullStore, OfSecret, StoredDescription, VersionedOperations } from "../store.ts";
import type { Transact } from "./transaction.ts";

/**
 * What the database knows of a secret: that it is here, that it was removed, or nothing at all. A removal of origin `infisical`
 * counts for companies that were on Infisical since: Infisical did not have the secret then either, so that what it has now was
 * written there later.
 */
export type Lookup<Present> =
  | { readonly state: "present"; readonly secret: Present }
  | { readonly state: "removed"; readonly origin: SecretHeadRow["origin"] }
  | { readonly state: "unknown" };

export interface FoundSecret {
  readonly encrypted: EncryptedSecret;
  /** Where its current value came from. */
  readonly origin: SecretHeadRow["origin"];
}

/** Strategy B, and what the hybrid store needs of it beyond the port. */
export interface DatabaseStore extends FullStore {
  /** As `find`, telling a removed secret from one that was never here. */
  lookup(company: Company, secretKey: string): Promise<Lookup<FoundSecret>>;
  /** As `lookup`, without decrypting anything. */
  findHead(company: Company, secretKey: string): Promise<Lookup<SecretHeadRow>>;
  /** As `list`, with the secret keys that an old copy in Infisical must not bring back: they were removed. */
  listWithTombstones(
    company: Company,
  ): Promise<{ readonly present: readonly StoredDescription[]; readonly removed: ReadonlySet<string> }>;
  /**
   * Removes a secret that was never here, so that it stays removed wherever else it is; nothing can be restored. As `remove`
   * where it has come here meanwhile.
   */
  createTombstone(
    scope: CompanyScope,
    removal: OfSecret<Omit<RemoveOptions, "inInfisical">>,
  ): Promise<RemoveResult>;
  /**
   * Writes a secret that comes from another place, where the database knows neither a value nor a removal of it; or over a
   * copy that came from the same place before and was not touched since. A removal of origin `infisical` is unknown to a
   * value from Infisical ({@link Lookup}), and to no other.
   *
   * @returns undefined where the database knows something else, which stays as it is
   */
  backfill(scope: CompanyScope, backfill: BackfillWrite): Promise<WriteResult | undefined>;
  /**
   * As `backfill`, of many secrets in one transaction and a constant number of statements. Also for a company whose store is
   * Infisical: its rows here are read by no one until it gets another store.
   *
   * @returns one result for each secret, in their order
   * @throws {TypeError} for more than 200 secrets or 4 MiB of values, a secret twice, or what no secret can be named or have
   * @throws {StoreChanged} where the company has had another store since it was resolved
   * @throws {TenantSecretsError} as `write`: no secret is written then
   */
  backfillMany(scope: CompanyScope, batch: BackfillBatch): Promise<readonly BackfillResult[]>;
  readonly lastUsed: LastUsed;
}

/** What a part of the database store does: some of its own operations, and some on versions. */
export type StorePart<Own extends keyof DatabaseStore, Versions extends keyof VersionedOperations> = Pick<
  DatabaseStore,
  Own
> & { readonly versions: Pick<VersionedOperations, Versions> };

/** A value from another place. The caller wipes it. */
export interface Backfill extends Omit<BatchWrite, "options"> {
  /** The version, of the same origin, that it may take the place of. */
  readonly over?: number | undefined;
}

/** Where backfilled values come from. */
export interface BackfillSource {
  readonly origin: "legacy" | "infisical";
  /** Whether to wait while the company's store is being changed. Default: true */
  readonly waits?: boolean | undefined;
}

export interface BackfillWrite extends Backfill, BackfillSource {}

export interface BackfillBatch extends BackfillSource {
  readonly secrets: readonly Backfill[];
  /** The run that changes the company's store, where that is what it copies for. */
  readonly holder?: string | undefined;
  /**
   * The transaction of a caller that does more in it, in the company's scope. It is begun again where the company's key was
   * replaced meanwhile, or its store is held. Default: one of its own
   */
  readonly transact?: Transact<readonly BackfillResult[]> | undefined;
}

export interface BackfillResult {
  readonly secretKey: string;
  /** The new version; undefined where the database knows something else, which stays as it is. */
  readonly version: number | undefined;
  /** It is not known yet what became of a change of the secret in Infisical, so that the value may be an old one. */
  readonly unsettled?: true;
}
