import type { Caller, RegionStatus } from "@repo/catalog";
import type { Database } from "@repo/db";
import { faultsOfSide, readRegionSide } from "@repo/db/regions";
import type { Operations } from "../access/operation.ts";
import type { RegionRegistry } from "./registry.ts";

/** How copies fare between this region and each other one, as far as this one sees it. */
export interface RegionStatusReader {
  /** Not audited: an open page asks for it again and again. A denial is. @throws {TenantSecretsError} FORBIDDEN */
  status(caller: Caller): Promise<RegionStatus>;
  /** As `status`, without reading the copies. For readiness and metrics. @throws {DatabaseError} */
  look(): Promise<readonly RegionLook[]>;
}

export interface RegionLook {
  readonly region: string;
  readonly faults: RegionStatus["others"][number]["sends"]["faults"];
  readonly walBytes: number;
}

interface Dependencies {
  readonly database: Database;
  readonly operations: Pick<Operations, "authorize">;
  readonly registry: Pick<RegionRegistry, "list">;
  readonly ownRegion: string;
}

export function createRegionStatus(dependencies: Dependencies): RegionStatusReader {
  const { database, operations, registry, ownRegion: own } = dependencies;
  const read = (other: string, withDigests: boolean) =>
    database.acrossCompanies((statements) => readRegionSide(statements, { own, other, withDigests }));
  return {
    status: async (caller) => {
      const to = "see the state of regions";
      await operations.authorize({ caller, action: "region.status", verb: "operators", to });
      const others: RegionStatus["others"][number][] = [];
      for (const { region, address } of await registry.list()) {
        const side = await read(region, true);
        const faults = faultsOfSide(side);
        const { companies, copies, walBytes } = side.sends;
        const { beatAgeMs, refusals } = side.takes;
        others.push({
          region,
          address,
          sends: { companies, copies, digest: side.sends.digest ?? "", faults: faults.sends, walBytes },
          takes: {
            copies: side.takes.copies,
            digest: side.takes.digest ?? "",
            faults: faults.takes,
            ageSeconds: beatAgeMs === null ? undefined : Math.max(0, beatAgeMs / 1000),
            refusals,
          },
        });
      }
      return { region: own, others };
    },
    look: async () => {
      const found: RegionLook[] = [];
      for (const { region } of await registry.list()) {
        const side = await read(region, false);
        const { sends, takes } = faultsOfSide(side);
        found.push({ region, faults: [...sends, ...takes], walBytes: side.sends.walBytes });
      }
      return found;
    },
  };
}
