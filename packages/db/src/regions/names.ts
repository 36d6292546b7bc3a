/** The two regions of one replication. */
export interface Route {
  /** Where the companies are at home. */
  readonly home: string;
  /** Where their copies go. */
  readonly target: string;
}

const form = /^[a-z][a-z0-9-]{0,19}$/;

/**
 * What the parts of one replication are called, from one end to the other. A region has no underscore in its name, so that
 * no two routes share a name, and at most 20 characters, so that all are within PostgreSQL's 63.
 */
export interface RouteNames {
  /** At the home: what is published for the target, and the role that brings it out. */
  readonly publication: string;
  readonly exporter: string;
  /** In the export: its database, the subscription to the home with a slot of that name there, and the target's role. */
  readonly database: string;
  readonly exportSubscription: string;
  readonly foreigner: string;
  /** At the target: its subscription. Copies that come by another one are refused (regions.sql). */
  readonly subscription: string;
  /** Of that subscription, in the export. Slots are named without hyphens. */
  readonly slot: string;
}

/** @throws {RangeError} for a region that is not named by lower-case letters, digits and hyphens, at most 20 of them */
export function namesOf({ home, target }: Route): RouteNames {
  for (const region of [home, target])
    if (!form.test(region))
      throw new RangeError(
        "A region is named with lower-case letters, digits and hyphens, at most 20 of them.",
      );
  if (home === target) throw new RangeError("A region has no copies of its own companies.");
  const inSlots = target.replaceAll("-", "_");
  return {
    publication: `copies_to_${target}`,
    exporter: `tenant_secrets_export_${target}`,
    database: `copies_to_${inSlots}`,
    exportSubscription: `copies_to_${inSlots}`,
    foreigner: `tenant_secrets_region_${target}`,
    subscription: `copies_from_${home}_to_${target}`,
    slot: `copies_from_export_${inSlots}`,
  };
}

/** The publication of an export. */
export const exportPublication = "copies";
