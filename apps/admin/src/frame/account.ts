import { useSuspenseQuery, type QueryClient } from "@tanstack/react-query";
import { useParams, useRouter } from "@tanstack/react-router";
import type { ApiAnswers, Verb } from "@repo/tenant-secrets/client";
import { queriesOf, type Api } from "../api.ts";

/** Who has signed in, and what they may do. */
export type Account = ApiAnswers["me"]["get"];

/** For guards, which run outside components. @throws {TRPCClientError} UNAUTHENTICATED without a session */
export function findAccount(api: Api): Promise<Account> {
  return api.queryClient.ensureQueryData(accountQuery(api));
}

/** Asks who is signed in again: after a sign-in, a confirmation, a change of the account or of a role. */
export async function refreshAccount(api: Api): Promise<void> {
  await api.queryClient.invalidateQueries(accountQuery(api));
}

/** Forgets all answers: another person signs in next. */
export function forgetEverything(queryClient: QueryClient): void {
  queryClient.clear();
}

/** The query of the account, for what asks again by itself. */
export function accountQuery(api: Api) {
  return queriesOf(api, "person").me.get.queryOptions();
}

/** In pages of signed-in people. Of the person, also where the page acts as an operator. */
export function useAccount(): Account {
  const { api } = useRouter().options.context;
  return useSuspenseQuery(accountQuery(api)).data;
}

/** Whether a person's role in a company has the verb. */
export function permits(account: Account | undefined, company: string, verb: Verb): boolean {
  const found = account?.companies.find(({ subdomain }) => subdomain === company);
  return found?.verbs.includes(verb) ?? false;
}

/** The company of the page. */
export interface OpenCompany extends Pick<Account["companies"][number], "subdomain" | "role"> {
  /** Whether the person's role has the verb. What it has not is not shown, and never asked for: refusals are counted. */
  readonly can: (verb: Verb) => boolean;
}

/** In pages below `/c/$company`. */
export function useCompany(): OpenCompany {
  const { company } = useParams({ from: "/signed-in/c/$company" });
  const account = useAccount();
  const found = account.companies.find(({ subdomain }) => subdomain === company);
  // The guard lets a page of another company not come up; a role that was taken meanwhile leaves it without a verb.
  return {
    subdomain: company,
    role: found?.role ?? "auditor",
    can: (verb) => permits(account, company, verb),
  };
}
