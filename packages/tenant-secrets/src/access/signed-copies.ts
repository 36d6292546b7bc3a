import type { Statements } from "@repo/db";

/** What other regions are told of a company. */
export interface CopiedCompany {
  readonly id: string;
  readonly subdomain: string;
  readonly status: string;
  readonly secondFactorRequired: boolean;
  readonly recoveryDays: number;
  readonly homeRegion: string;
  readonly homeEpoch: number;
}

/** A company key, with its 32 bytes, which the caller wipes. */
export interface CopiedKey {
  readonly companyId: string;
  readonly keyVersion: number;
  readonly secret: Buffer;
}

export interface CopiesOfKey {
  /** The only region to make it for. */
  readonly region?: string;
  /** Replaces the copies that there are. */
  readonly renews?: boolean;
}

/**
 * Makes the copies that the home signs, within one transaction and with keys loaded before it, for each region that the company is
 * copied to. The database refuses to commit a change that they do not say. Nothing is made for a company that is copied nowhere.
 *
 * @throws {TenantSecretsError} INTEGRITY_FAILURE if the row of one of these regions is not genuine
 */
export interface CopyWriter {
  /** After the company's row has changed. A company that is not active has no copy, which the database sees to. */
  company(company: CopiedCompany): Promise<void>;
  /** A key that has no copy yet. */
  key(key: CopiedKey, how?: CopiesOfKey): Promise<void>;
}

export interface SignedCopies {
  /**
   * Runs `work`, which is one transaction. Runs it a second time if regions or keys have changed meanwhile.
   *
   * @throws the errors of `work` and of loading keys
   */
  during<T>(work: (copiesIn: (statements: Statements) => CopyWriter) => Promise<T>): Promise<T>;
  /** Loads regions and keys again at the next use. */
  invalidate(): void;
}
