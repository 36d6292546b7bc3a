import type { SecretHeadRow } from "@repo/db";
import type { Caller, WriteResult } from "@repo/catalog";
import type { Company } from "../../companies/companies.ts";
import type { SealedSecret } from "../encrypted-secret.ts";
import type { SecretUses } from "./last-used.ts";
import type { SecretStore, StoredDescription, Write } from "../store.ts";

/** What the database knows of a secret: that it is here, that it was removed, or nothing at all. */
export type Knowledge<Present> =
  | { readonly state: "present"; readonly secret: Present }
  | { readonly state: "removed" }
  | { readonly state: "unknown" };

export interface KnownSecret {
  readonly sealed: SealedSecret;
  /** Where its current value came from. */
  readonly origin: SecretHeadRow["origin"];
}

/** Strategy B, and what the hybrid store needs of it beyond the port. */
export interface DatabaseStore extends SecretStore {
  /** As `find`, telling a removed secret from one that was never here. */
  know(company: Company, secretKey: string): Promise<Knowledge<KnownSecret>>;
  /** As `know`, without opening anything. */
  look(company: Company, secretKey: string): Promise<Knowledge<SecretHeadRow>>;
  /** As `list`, with the secret keys that were removed: an old copy elsewhere must not bring them back. */
  survey(
    company: Company,
  ): Promise<{ readonly live: readonly StoredDescription[]; readonly removed: ReadonlySet<string> }>;
  /**
   * Removes a secret that was never here, so that it stays removed wherever else it is; nothing can be restored. As `remove`
   * where it has come here meanwhile.
   */
  bury: SecretStore["remove"];
  /**
   * Writes a secret that comes from somewhere else, where the database knows nothing of it: neither a value nor a removal;
   * or in place of what came from there before and was not touched since.
   *
   * @returns undefined where it does know something else, which stays as it is
   */
  adopt(company: Company, adoption: Adoption, caller: Caller): Promise<WriteResult | undefined>;
  readonly uses: SecretUses;
}

export interface Adoption extends Omit<Write, "options"> {
  readonly origin: "legacy" | "infisical";
  /** The version, of the same origin, that it may take the place of. */
  readonly over?: number;
  /** Whether to wait while the company's store is being changed. Default: true */
  readonly waits?: boolean;
}
