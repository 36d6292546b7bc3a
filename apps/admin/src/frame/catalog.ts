import { useSuspenseQuery } from "@tanstack/react-query";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";

export type CatalogDescription = ApiAnswers["catalog"]["describe"];
export type EntryDescription = Omit<CatalogDescription["secrets"][number], "secretKey">;

/** The catalogue of the product that the server has: it stays the same while the page is open. */
export function useCatalog(): CatalogDescription {
  const trpc = useTRPC();
  return useSuspenseQuery(trpc.catalog.describe.queryOptions()).data;
}

/** @returns undefined for a secret key that can have no value here */
export function entryOf(
  { secrets, custom }: CatalogDescription,
  secretKey: string,
): EntryDescription | undefined {
  const listed = secrets.find((entry) => entry.secretKey === secretKey);
  return listed ?? (new RegExp(custom.pattern).test(secretKey) ? custom : undefined);
}
