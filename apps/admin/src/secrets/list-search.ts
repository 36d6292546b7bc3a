/** The filters of the list, in the order in which they are offered. */
export const filters = ["set", "missing", "rejected", "expiring", "pending"] as const;
export type Shown = (typeof filters)[number];

/** What of the list is in its address. Names and words, never a value. */
export interface SecretsSearch {
  readonly q?: string;
  readonly show?: Shown;
  /** Of `sortToText`. */
  readonly sort?: string;
}

/** @returns without what is none of it; a colleague gets such an address, too */
export function readSecretsSearch(search: Readonly<Record<string, unknown>>): SecretsSearch {
  const { q, show, sort } = search;
  const shown = filters.find((filter) => filter === show);
  return {
    // The router reads a word that is a number as one.
    ...((typeof q === "string" || typeof q === "number") && q !== "" && { q: String(q) }),
    ...(shown !== undefined && { show: shown }),
    ...(typeof sort === "string" && sort !== "" && { sort }),
  };
}
