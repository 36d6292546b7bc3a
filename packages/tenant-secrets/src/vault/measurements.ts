import type { CacheMeasurements } from "../cache/cache.ts";
import type { BackfillMeasurements } from "../stores/hybrid/backfill.ts";

/** Numbers for whoever watches a process. No name of a company or a secret is in them. */
export interface Measurements {
  /** Of the values that are kept, sealed. */
  readonly cache: CacheMeasurements;
  readonly backfill: BackfillMeasurements;
  /** Values that were read after they had expired. */
  readonly expiredReads: number;
  /** Events of the audit log that the database refused for what was in them. */
  readonly eventsLost: number;
}
