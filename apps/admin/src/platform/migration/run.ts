import { keepPreviousData, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { useTRPC, type useTRPCClient } from "../../api.ts";
import { useRuns, type Run } from "../../frame/runs.ts";
import type { CompanyMigration } from "./words.ts";

/** As many companies of a migration are on a page. */
export const companiesOnPage = 100;
/** No oftener are the companies of a migration asked for while it goes on: each look is audited. */
const betweenLooksMs = 10_000;

/** One migration. Those of the last seven days are followed by the list of runs, which is not audited. */
export function useMigration(id: string) {
  const trpc = useTRPC();
  const recent = useRuns({ kind: "migrate", recent: true, limit: 50 });
  const found = recent.data?.runs.find((run) => run.id === id);
  const isOlder = recent.data !== undefined && found === undefined;
  const older = useQuery(trpc.runs.get.queryOptions({ run: id }, { enabled: isOlder, retry: false }));
  if (isOlder) return older;
  return { data: found, error: recent.error, refetch: recent.refetch };
}

interface Shown {
  readonly state: CompanyMigration["state"] | undefined;
  /** The id of the last company of the page before. */
  readonly after: string | undefined;
}

/** The companies of a migration, asked for again as it goes on. */
export function useMigrationCompanies({ id, state, done, notBefore }: Run, shown: Shown) {
  const trpc = useTRPC();
  const queryClient = useQueryClient();
  const query = useQuery(
    trpc.migrations.companies.queryOptions(
      { run: id, ...shown, limit: companiesOnPage },
      { refetchOnMount: "always", placeholderData: keepPreviousData },
    ),
  );
  const { dataUpdatedAt } = query;
  // Where the run was when its companies were asked for.
  const looked = useRef("");
  const now = `${state} ${done} ${notBefore?.getTime()}`;
  useEffect(() => {
    if (dataUpdatedAt === 0 || looked.current === now) return;
    const isFirst = looked.current === "";
    const isSameState = looked.current.startsWith(`${state} `);
    if (isFirst) {
      looked.current = now;
      return;
    }
    const wait = isSameState ? Math.max(0, dataUpdatedAt + betweenLooksMs - Date.now()) : 0;
    const timer = setTimeout(() => {
      looked.current = now;
      void queryClient.invalidateQueries(trpc.migrations.companies.pathFilter());
    }, wait);
    return () => clearTimeout(timer);
  }, [dataUpdatedAt, now, queryClient, state, trpc]);
  return query;
}

/** More are not named when another migration goes on from one: it is about all companies then. */
const mostNamed = 1000;
const readAtOnce = 500;

/** All companies of a migration. @returns undefined where they are too many to be named */
export async function readCompanies(
  client: Pick<ReturnType<typeof useTRPCClient>, "migrations">,
  run: string,
): Promise<readonly CompanyMigration[] | undefined> {
  const found: CompanyMigration[] = [];
  for (;;) {
    const after = found.at(-1)?.company.id;
    const { companies } = await client.migrations.companies.query({ run, after, limit: readAtOnce });
    found.push(...companies);
    if (found.length > mostNamed) return undefined;
    if (companies.length < readAtOnce) return found;
  }
}
