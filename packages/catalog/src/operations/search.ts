import { z } from "zod";
import { company, value, version } from "./fields.ts";
import { operation, type InputOf, type OutputOf } from "./operation.ts";

const ValueMatch = z.object({
  /** Its subdomain. */
  company: z.string(),
  secretKey: z.string(),
  version,
  /** Whether that is the current version, or an earlier one. Of a company on Infisical none is current that the database has. */
  current: z.boolean(),
  /** Whether the secret has been removed, and could still be restored. */
  removed: z.boolean(),
});
export type ValueMatch = Readonly<z.infer<typeof ValueMatch>>;

export const searchOperations = {
  /**
   * Where exactly this value is, among current and earlier versions in the database: "is this leaked string one of ours?" In
   * one company, or for operators in every one. A mutation, so that no URL holds the value.
   */
  search: operation({
    kind: "mutation",
    verb: "search",
    stepUp: true,
    input: z.strictObject({
      /** Left out: in every company, for operators. */
      company: company.optional(),
      /** As it is stored: an object's is its JSON. */
      value,
    }),
    output: z.object({
      matches: z.array(ValueMatch).readonly(),
      /** Whether these are all: a search ends at 200. */
      complete: z.boolean(),
      /** How many companies were searched through. */
      searched: z.int(),
      /** How many of them are hybrid: what only Infisical has of theirs was not looked at. */
      partly: z.int(),
      /**
       * How many companies were not searched, and why: their values are in Infisical; their keys are destroyed, or unavailable; they
       * are suspended.
       */
      notSearched: z.object({
        inInfisical: z.int(),
        keysDestroyed: z.int(),
        keysUnavailable: z.int(),
        suspended: z.int(),
      }),
    }),
  }),
};

type Search = (typeof searchOperations)["search"];
export type ValueSearch = Readonly<OutputOf<Search>>;
export type SearchedValue = InputOf<Search>;
