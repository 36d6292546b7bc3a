import type { SecretHeadRow } from "@repo/db";
import type { RemoveOptions, RemoveResult, WriteResult } from "@repo/catalog";
import type { Company, CompanyScope } from "../../companies/companies.ts";
import type { EncryptedSecret } from "../encrypted-secret.ts";
import type { LastUsed } from "./last-used.ts";
import type { FullStore, OfSecret, StoredDescription, VersionedOperations, Write } from "../store.ts";

/** What the database knows of a secret: that it is here, that it was removed, or nothing at all. */
export type Lookup<Present> =
  | { readonly state: "present"; readonly secret: Present }
  | { readonly state: "removed" }
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
  /** As `list`, with the secret keys that were removed: an old copy elsewhere must not bring them back. */
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
   * copy that came from the same place before and was not touched since.
   *
   * @returns undefined where the database knows something else, which stays as it is
   */
  backfill(scope: CompanyScope, backfill: BackfillWrite): Promise<WriteResult | undefined>;
  readonly lastUsed: LastUsed;
}

/** What a part of the database store does: some of its own operations, and some on versions. */
export type StorePart<Own extends keyof DatabaseStore, Versions extends keyof VersionedOperations> = Pick<
  DatabaseStore,
  Own
> & { readonly versions: Pick<VersionedOperations, Versions> };

export interface BackfillWrite extends Omit<Write, "options"> {
  readonly origin: "legacy" | "infisical";
  /** The version, of the same origin, that it may take the place of. */
  readonly over?: number | undefined;
  /** Whether to wait while the company's store is being changed. Default: true */
  readonly waits?: boolean;
}
