import { sortToText, type Sort } from "../ui/data-table-columns.ts";

/** What the URL keeps of a list: names that were searched for, never a value. */
export interface ListParams {
  readonly q?: string;
  readonly sort?: string;
}

const longest = 100;

/** @returns what the URL says, without what is no text */
export function readListParams(search: Readonly<Record<string, unknown>>): ListParams {
  const { q, sort } = search;
  return {
    ...(typeof q === "string" && q !== "" && { q: q.slice(0, longest) }),
    ...(typeof sort === "string" && { sort }),
  };
}

export function withSearch({ sort }: ListParams, q: string): ListParams {
  return { ...(q !== "" && { q }), ...(sort !== undefined && { sort }) };
}

export function withSort({ q }: ListParams, sort: Sort | undefined): ListParams {
  const text = sortToText(sort);
  return { ...(q !== undefined && { q }), ...(text !== undefined && { sort: text }) };
}
