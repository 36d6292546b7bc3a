import type { ShadowReads } from "@repo/catalog";
import type { CacheMeasurements } from "../cache/cache.ts";
import type { BackfillMeasurements } from "../stores/hybrid/backfill.ts";
import type { ExternalFailureCounts } from "../keys/external/failures.ts";
import type { CopyMeasurements } from "../regions/copy-ages.ts";

/** Metrics of one process. None contains the name of a company or a secret. */
export interface Measurements {
  /** The encrypted secret cache. */
  readonly cache: CacheMeasurements;
  readonly backfill: BackfillMeasurements;
  /** Served values that were compared with Infisical afterwards. */
  readonly shadowReads: ShadowReads;
  /** Answers from copies of companies that are at home elsewhere. */
  readonly copies: CopyMeasurements;
  /** Reads of values that had expired. */
  readonly expiredReads: number;
  /** Audit events that the database rejected because of their content. */
  readonly eventsLost: number;
  /** Calls to companies' own keys that failed. */
  readonly externalKeyFailures: ExternalFailureCounts;
}
