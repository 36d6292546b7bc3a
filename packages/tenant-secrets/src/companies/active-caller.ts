import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { type Caller, forbidden, personOf, unauthenticated } from "@repo/catalog";
import type { Company } from "./companies.ts";

const { memberships, operators, users } = tables;

/**
 * Checks in the database that a caller who grants access may still do so. Authentication is cached for up to five seconds, and
 * an access granted within that time would outlive it. The caller's rows are locked, so that a revocation waits for the change
 * and then sees what it granted. Product code that acts as an operator without a row passes.
 *
 * @param company where the caller acts; left out for the platform
 * @throws {TenantSecretsError} UNAUTHENTICATED for a revoked operator and a disabled person; FORBIDDEN for a person whose role
 *   in the company has changed
 */
export async function requireActiveCaller(
  statements: Statements,
  caller: Caller,
  company?: Company,
): Promise<void> {
  const { actor } = caller;
  if (actor.kind === "operator") {
    const [row] = await statements
      .select({ isActive: sql<boolean>`${operators.revokedAt} is null and ${operators.expiresAt} > now()` })
      .from(operators)
      .where(sql`${operators.id}::text = ${actor.id}`)
      .for("share");
    if (row?.isActive === false) throw unauthenticated();
  }
  const person = personOf(caller);
  if (person !== undefined) {
    const id = z.uuid().safeParse(person.id).data;
    if (id === undefined) throw unauthenticated();
    const [user] = await statements
      .select({ disabledAt: users.disabledAt })
      .from(users)
      .where(eq(users.id, id))
      .for("share");
    if (user === undefined || user.disabledAt !== null) throw unauthenticated();
    if (company === undefined || actor.kind !== "user") return;
    const [membership] = await statements
      .select({ role: memberships.role })
      .from(memberships)
      .where(and(eq(memberships.companyId, company.id), eq(memberships.userId, id)))
      .for("share");
    if (membership === undefined || membership.role !== actor.roles.get(company.id)) {
      throw forbidden("do this any more, as its role was changed");
    }
  }
}
