/** What the cache of this process has done since it started. All but `entries` and `bytes` only ever grow. */
export interface CacheMeasurements {
  /** Values that were at hand. */
  readonly hits: number;
  /** Secrets that were known not to be there. */
  readonly absentHits: number;
  /** Values that were past their time and were served because the store could not be asked. */
  readonly staleHits: number;
  /** What a store had to be asked for. */
  readonly misses: number;
  /** Callers who waited for what another one was asking for already. */
  readonly joined: number;
  /** How often something was forgotten because it had changed, or might have. */
  readonly invalidations: number;
  /** What was forgotten to make room. */
  readonly evictions: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What became of values that a hybrid company still had in Infisical only. */
export interface AdoptionMeasurements {
  readonly adopted: number;
  /** Adopted values that Infisical had a newer one for. */
  readonly refreshed: number;
  /** Looks at Infisical, and copies into the database, that failed; what the database has was served. */
  readonly failed: number;
}

/** Numbers for whoever watches a process. No name of a company or a secret is in them. */
export interface Measurements {
  readonly cache: CacheMeasurements;
  readonly adoption: AdoptionMeasurements;
}
