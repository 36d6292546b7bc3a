import { useSuspenseQuery } from "@tanstack/react-query";
import type { ApiAnswers } from "@repo/tenant-secrets/client";
import { useTRPC } from "../api.ts";
import type { EntryDescription } from "../frame/catalog.ts";

export type SecretList = ApiAnswers["secrets"]["list"];
export type SecretDescription = SecretList["secrets"][number];
export type Capabilities = SecretList["capabilities"];

/** The list that the secrets' page shows, too: it is asked for once. */
export function useSecretList(company: string): SecretList {
  const trpc = useTRPC();
  return useSuspenseQuery(trpc.secrets.list.queryOptions({ company })).data;
}

/** Who is asked whether a value works: the first word of "Stripe secret key". */
export function providerOf({ label }: EntryDescription): string {
  return label.split(" ")[0] ?? label;
}
