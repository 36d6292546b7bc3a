import { and, eq, inArray, isNull, or, sql, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { CompanyId } from "@repo/catalog";
import { z } from "zod";

const { apiKeys, memberNames, operators, users } = tables;

/** An actor in the stored form, in a company or on the platform. */
export interface NamedActor {
  readonly companyId: string | null;
  readonly kind: string;
  readonly id: string;
}

/**
 * The name of an actor: a person's in the company, also after they left it, an API key's, or on the platform an operator's.
 * Undefined for jobs, for operators in a company, where they have none, and for a person or a key that the company has never had.
 */
export type NameOf = (actor: NamedActor) => string | undefined;

const Names = z.array(
  z.object({ companyId: z.string().nullable(), kind: z.string(), id: z.string(), name: z.string() }),
);

/** The names that one company knows, in one statement. Other companies' and the platform's stay unknown. */
export function selectNamesInCompany(
  statements: Statements,
  company: CompanyId,
  actors: readonly NamedActor[],
): Promise<NameOf> {
  return selectNames(statements, actors, {
    people: eq(memberNames.companyId, company),
    keys: eq(apiKeys.companyId, company),
  });
}

/** The names in each actor's own company, and of the platform's API keys and operators. For operators. */
export async function selectNamesOnPlatform(
  statements: Statements,
  actors: readonly NamedActor[],
): Promise<NameOf> {
  const companies = [...new Set(actors.flatMap(({ companyId }) => companyId ?? []))];
  const nameOf = await selectNames(statements, actors, {
    people: inArray(memberNames.companyId, companies),
    keys: or(isNull(apiKeys.companyId), inArray(apiKeys.companyId, companies)),
  });
  const operatorNames = await selectOperatorNames(statements, idsOf(actors, "operator"));
  return (actor) => (actor.kind === "operator" ? operatorNames.get(actor.id) : nameOf(actor));
}

/** The name of the linked person, or the one that the operator was given. */
async function selectOperatorNames(
  statements: Statements,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await statements
    .select({ id: operators.id, name: sql<string>`coalesce(nullif(${users.name}, ''), ${operators.name})` })
    .from(operators)
    .leftJoin(users, eq(users.id, operators.userId))
    .where(inArray(operators.id, [...ids]));
  return new Map(rows.map(({ id, name }) => [id, name]));
}

async function selectNames(
  statements: Statements,
  actors: readonly NamedActor[],
  seen: { readonly people: SQL | undefined; readonly keys: SQL | undefined },
): Promise<NameOf> {
  const people = idsOf(actors, "user");
  const keys = idsOf(actors, "service");
  if (people.length === 0 && keys.length === 0) return () => undefined;
  const rows = await statements.execute(sql`
    select ${memberNames.companyId} as "companyId", 'user' as kind, ${memberNames.userId} as id, ${memberNames.name} as name
    from ${memberNames} where ${and(seen.people, inArray(memberNames.userId, people))}
    union all
    select ${apiKeys.companyId}, 'service', ${apiKeys.id}, ${apiKeys.name}
    from ${apiKeys} where ${and(seen.keys, inArray(apiKeys.id, keys))}`);
  const names = new Map(Names.parse([...rows]).map((row) => [placeOf(row), row.name] as const));
  return (actor) => names.get(placeOf(actor));
}

/** The ids that can be a person's or a key's: an event has whatever was sent as one. */
function idsOf(actors: readonly NamedActor[], kind: string): readonly string[] {
  const ids = actors.flatMap((actor) => (actor.kind === kind && isId(actor.id) ? [actor.id] : []));
  return [...new Set(ids)];
}

function isId(id: string): boolean {
  return z.uuid().safeParse(id).success;
}

/** A key acts for several companies under one name; a person has one in each. */
function placeOf({ companyId, kind, id }: NamedActor): string {
  return kind === "user" ? `${kind} ${id} ${companyId ?? ""}` : `${kind} ${id}`;
}
