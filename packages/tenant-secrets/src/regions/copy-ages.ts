import { TenantSecretsError } from "@repo/catalog";
import type { Database } from "@repo/db";
import { readBeat } from "@repo/db/regions";

/**
 * How old copies are: a home writes a beat each second, and what is here is complete up to the last one that has arrived. An age
 * compares the home's clock with the one of this process.
 */
export interface CopyAges {
  /**
   * Without waiting, by the last beat that this process has seen; the next one is looked up in the background.
   *
   * @returns in milliseconds; undefined where no beat is known
   */
  of(homeRegion: string): number | undefined;
  /** A beat that came with a copy. @param beatAtMs in milliseconds of Unix time; null where none has arrived */
  note(homeRegion: string, beatAtMs: number | null): void;
  /** @throws {TenantSecretsError} STORE_UNAVAILABLE where copies are older; DATABASE_UNAVAILABLE */
  require(homeRegion: string, maxAgeMs: number): Promise<void>;
  /** Counts an answer from a copy. */
  countRead(homeRegion: string): void;
  measure(): CopyMeasurements;
}

/** By the home of the copies. */
export interface CopyMeasurements {
  /** Answers from copies since the process started. */
  readonly reads: Readonly<Record<string, number>>;
  /** In seconds; of homes whose copies were read. */
  readonly ageSeconds: Readonly<Record<string, number>>;
}

/** For how long the last beat that was looked up is the last one, in milliseconds. */
const lookAgainMs = 1000;

interface Known {
  beatAtMs: number | undefined;
  lookedAt: number;
  looking: Promise<void> | undefined;
}

export function createCopyAges(database: Database, ownRegion: string): CopyAges {
  const homes = new Map<string, Known>();
  const reads = new Map<string, number>();

  const knownOf = (homeRegion: string): Known => {
    const known = homes.get(homeRegion) ?? { beatAtMs: undefined, lookedAt: -Infinity, looking: undefined };
    homes.set(homeRegion, known);
    return known;
  };
  const note = (known: Known, beatAtMs: number | undefined): void => {
    if (beatAtMs !== undefined && beatAtMs > (known.beatAtMs ?? 0)) known.beatAtMs = beatAtMs;
  };
  const look = (homeRegion: string, known: Known): Promise<void> =>
    (known.looking ??= readBeat(database, ownRegion, homeRegion)
      .then((beatAtMs) => note(known, beatAtMs))
      .finally(() => {
        known.lookedAt = performance.now();
        known.looking = undefined;
      }));
  const ageOf = ({ beatAtMs }: Known): number | undefined =>
    beatAtMs === undefined ? undefined : Math.max(0, Math.round(Date.now() - beatAtMs));
  const of: CopyAges["of"] = (homeRegion) => {
    const known = knownOf(homeRegion);
    if (performance.now() - known.lookedAt > lookAgainMs) look(homeRegion, known).catch(() => {});
    return ageOf(known);
  };

  return {
    of,
    note: (homeRegion, beatAtMs) => note(knownOf(homeRegion), beatAtMs ?? undefined),
    require: async (homeRegion, maxAgeMs) => {
      const known = knownOf(homeRegion);
      if ((ageOf(known) ?? Infinity) <= maxAgeMs) return;
      await look(homeRegion, known);
      const ageMs = ageOf(known);
      if (ageMs === undefined || ageMs > maxAgeMs) throw tooOld(homeRegion, ageMs, maxAgeMs);
    },
    countRead: (homeRegion) => void reads.set(homeRegion, (reads.get(homeRegion) ?? 0) + 1),
    measure: () => ({
      reads: Object.fromEntries(reads),
      ageSeconds: Object.fromEntries(
        [...reads.keys()].map((homeRegion) => [homeRegion, (of(homeRegion) ?? Number.NaN) / 1000]),
      ),
    }),
  };
}

function tooOld(homeRegion: string, ageMs: number | undefined, maxAgeMs: number): TenantSecretsError {
  const age =
    ageMs === undefined ? "of an unknown age, because the home has never been heard of" : `${ageMs} ms old`;
  return new TenantSecretsError(
    "STORE_UNAVAILABLE",
    `The copies here are ${age}, and at most ${maxAgeMs} ms were asked for (maxAgeMs): try again in a moment, or read in region ${homeRegion}.`,
    { store: "unchanged", fields: ["maxAgeMs"], retryAfterMs: 1000 },
  );
}
