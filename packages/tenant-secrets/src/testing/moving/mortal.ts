import type { Database } from "@repo/db";
import type { InfisicalClient } from "@repo/infisical";
import { withCommitPoints, withRequestPoints, withWritePoints } from "../points.ts";

/** The end of a process in the middle of its work. */
class Killed extends Error {}

/** What happens at the points of a process, which are counted from its start. */
export interface Fate {
  /** The point at which the process ends. */
  readonly killAt?: number | undefined;
  /** What others do while the process is at a point. */
  readonly meanwhile?: ReadonlyMap<number, () => Promise<unknown>>;
}

export interface Mortal {
  readonly database: Database;
  readonly infisical: InfisicalClient;
  /** Counts points from 0 again. */
  begin(fate: Fate): void;
  /** How many points were reached since. */
  reached(): number;
  isDead(): boolean;
}

/** How long a process is at a point at most, in milliseconds: what others do there may wait for the process itself. */
const longestStayMs = 15;

/**
 * The connections of a process that can be killed without ending this one: once it is dead, it changes nothing in the database
 * or Infisical any more, and its open transaction is undone.
 */
export function createMortal(of: Pick<Mortal, "database" | "infisical">): Mortal {
  let fate: Fate = {};
  let points = 0;
  let dead = false;

  const mustLive = (): void => {
    if (dead) throw new Killed();
  };

  const reach = async (): Promise<void> => {
    mustLive();
    const point = points++;
    const others = fate.meanwhile?.get(point);
    if (others !== undefined) {
      const stay = Promise.withResolvers<void>();
      const timer = setTimeout(stay.resolve, longestStayMs);
      await Promise.race([others(), stay.promise]);
      clearTimeout(timer);
    }
    if (point === fate.killAt) dead = true;
    mustLive();
  };

  const database = withCommitPoints(of.database, reach);
  const infisical = withRequestPoints(withWritePoints(of.infisical, reach), reach);
  return {
    database: {
      ...database,
      inCompany: async (companyId, work) => {
        mustLive();
        return database.inCompany(companyId, work);
      },
      acrossCompanies: async (work) => {
        mustLive();
        return database.acrossCompanies(work);
      },
      outsideCompanies: async (work) => {
        mustLive();
        return database.outsideCompanies(work);
      },
    },
    infisical,
    begin: (next) => {
      fate = next;
      points = 0;
    },
    reached: () => points,
    isDead: () => dead,
  };
}
