import { parseArgs } from "node:util";

/** The two regions of a start with `--regions`. */
export type TwoRegions = readonly [string, string];

const form = /^[a-z][a-z0-9-]{0,19}$/;

/**
 * Reads the arguments of `npm start`.
 *
 * @returns undefined where there are none
 * @throws {Error} for any other argument than `--regions`, and for other regions than two that differ
 */
export function readRegions(args: readonly string[]): TwoRegions | undefined {
  const given = regionsOf(args);
  if (given === undefined) return undefined;
  const [first = "", second = "", ...others] = given.split(",");
  if (!form.test(first) || !form.test(second) || others.length > 0 || first === second)
    throw new Error(
      "--regions takes two regions, such as --regions eu,us. A region is named with lower-case letters, digits and hyphens, " +
        "begins with a letter, and has at most 20 characters; the two differ.",
    );
  return [first, second];
}

function regionsOf(args: readonly string[]): string | undefined {
  try {
    return parseArgs({ args: [...args], options: { regions: { type: "string" } } }).values.regions;
  } catch {
    throw new Error("npm start takes no argument but --regions, as in: npm start -- --regions eu,us");
  }
}
