import { and, eq, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { type CompanyId, notFound, type RunDescription } from "@repo/catalog";
import { selectNamesInCompany, selectNamesOnPlatform } from "../companies/actor-names.ts";
import type { RunRow } from "./lease.ts";
import { progressOf } from "./progress.ts";
import { newestFirst } from "./run-pages.ts";
import type { Run } from "./run.ts";

const { companies, operators, runs } = tables;

/** What a kind of runs is called, and what its runs are about. */
export type DescribedKind = Pick<
  Run<never, object, never>,
  "kind" | "titleOf" | "concerns" | "isRoutine" | "keyVersionOf" | "cancellable" | "inBackground"
>;

export interface SelectedRuns {
  readonly where: SQL | undefined;
  readonly limit: number;
  /** For people of this company, who learn no name of an operator. Left out: for operators. */
  readonly company?: CompanyId | undefined;
}

interface FoundRow {
  readonly row: RunRow;
  readonly driven: boolean;
  readonly subdomain: string | null;
  readonly operatorName: string | null;
}

/** Runs in words, the newest first. */
export interface RunDescriptions {
  readonly select: (statements: Statements, selected: SelectedRuns) => Promise<readonly RunDescription[]>;
  /** For operators. @throws {TenantSecretsError} NOT_FOUND */
  readonly get: (statements: Statements, where: SQL | undefined) => Promise<RunDescription>;
}

export function createRunDescriptions(kinds: readonly DescribedKind[]): RunDescriptions {
  const byKind = new Map(kinds.map((each) => [each.kind, each]));
  const itsOperator = and(
    eq(runs.requestedByKind, "operator"),
    eq(sql`${operators.id}::text`, runs.requestedById),
  );

  const describe = (
    { row, driven, subdomain, operatorName }: FoundRow,
    name: string | undefined,
  ): RunDescription => {
    const { id, kind, subject, state, phase, attempts, errorCode, errorMessage } = row;
    const { requestedByKind, requestedById, notBefore, startedAt, updatedAt, finishedAt } = row;
    const known = byKind.get(kind);
    return {
      id,
      kind,
      title: known?.titleOf(row) ?? kind,
      subject,
      company: subdomain === null ? undefined : { subdomain },
      keyVersion: known?.keyVersionOf(row),
      state,
      phase,
      ...progressOf(row),
      driven,
      allows: known === undefined ? [] : allowedOf(row, known),
      notBefore: notBefore ?? undefined,
      attempts,
      error: errorCode === null ? undefined : { code: errorCode, message: errorMessage ?? "" },
      requestedBy: { kind: requestedByKind, id: requestedById, name: operatorName ?? name },
      startedAt,
      updatedAt,
      finishedAt: finishedAt ?? undefined,
    };
  };

  const select: RunDescriptions["select"] = async (statements, { where, limit, company }) => {
    const found: readonly FoundRow[] = await statements
      .select({
        row: runs,
        driven: sql<boolean>`coalesce(${runs.leaseUntil} > now(), false)`,
        subdomain: companies.subdomain,
        operatorName: operators.name,
      })
      .from(runs)
      .leftJoin(companies, eq(companies.id, runs.companyId))
      .leftJoin(operators, company === undefined ? itsOperator : sql`false`)
      .where(where)
      .orderBy(...newestFirst)
      .limit(limit);
    const actorOf = ({ row }: FoundRow) => ({
      companyId: row.companyId,
      kind: row.requestedByKind,
      id: row.requestedById,
    });
    const actors = found.map(actorOf);
    const nameOf =
      company === undefined
        ? await selectNamesOnPlatform(statements, actors)
        : await selectNamesInCompany(statements, company, actors);
    return found.map((each) => describe(each, nameOf(actorOf(each))));
  };

  return {
    select,
    get: async (statements, where) => {
      const [found] = await select(statements, { where, limit: 1 });
      if (found === undefined) throw notFound();
      return found;
    },
  };
}

/** What RunControl does not refuse. */
function allowedOf(
  { state, finishedAt }: RunRow,
  { cancellable, inBackground }: DescribedKind,
): RunDescription["allows"] {
  if (finishedAt !== null) return [];
  return [
    ...(inBackground && state === "running" ? (["pause"] as const) : []),
    ...(inBackground ? (["resume"] as const) : []),
    ...(cancellable && state !== "cancelling" ? (["cancel"] as const) : []),
  ];
}
