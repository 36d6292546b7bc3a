import type { ReactNode } from "react";

/** One column of a DataTable. Keep the array at module scope or in `useMemo`. */
export interface Column<Row> {
  readonly id: string;
  /** On phones it stands before the cell. */
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  /** Makes the column one to sort by. Rows without come last, in both orders. */
  readonly sortBy?: (row: Row) => string | number | Date | undefined;
  /** What a search looks at. Never a value of a secret. */
  readonly text?: (row: Row) => string;
  readonly align?: "end";
  /** On phones: the card's heading, its corner (a menu, whose header is only read aloud), or left out. Default: a line with the header. */
  readonly onPhone?: "heading" | "corner" | "none";
}

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

/** For the link of a row: it fills the whole row or card, behind the buttons that are in it. */
export const rowLinkLook = "after:absolute after:inset-0 after:content-['']";

/** For what is to be clicked in a row beside its link. */
export const aboveRowLink = "relative z-10";

/** Puts the focus on the link of a row, if there is one. */
export function focusRow(table: HTMLElement | null, index: number): void {
  const row = table?.querySelectorAll("[data-row]")[index];
  const link = row?.querySelector("a, button");
  if (link instanceof HTMLElement) link.focus();
}

/** In words for a URL: "updated", "-updated". */
export function sortToText(sort: Sort | undefined): string | undefined {
  return sort === undefined ? undefined : `${sort.descending ? "-" : ""}${sort.column}`;
}

/** @returns undefined for anything that is no sort by one of these columns */
export function sortFromText(text: unknown, columns: readonly { readonly id: string }[]): Sort | undefined {
  if (typeof text !== "string") return undefined;
  const column = text.replace(/^-/, "");
  return columns.some(({ id }) => id === column) ? { column, descending: text.startsWith("-") } : undefined;
}
