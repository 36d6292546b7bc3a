import { and, eq, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { z } from "zod";
import { type Caller, forbidden, unauthenticated } from "@repo/catalog";
import type { Company } from "./companies.ts";

const { memberships, operators, users } = tables;

/**
 * Holds a caller who gives somebody access to what the database says of them now: what was found out about a credential counts
 * for up to five seconds elsewhere, and what is made with one outlives it. Their rows are locked, so that a revocation waits for
 * the change, and then sees what was made. Code of the product that calls as an operator without a row is let pass.
 *
 * @param company where the caller acts; left out for the platform
 * @throws {TenantSecretsError} UNAUTHENTICATED for an operator who was revoked and a person who was disabled; FORBIDDEN for a
 *   person whose role in the company is another by now
 */
export async function requireActiveCaller(
  statements: Statements,
  { actor }: Caller,
  company?: Company,
): Promise<void> {
  if (actor.kind === "operator") {
    const [row] = await statements
      .select({ isActive: sql<boolean>`${operators.revokedAt} is null and ${operators.expiresAt} > now()` })
      .from(operators)
      .where(sql`${operators.id}::text = ${actor.id}`)
      .for("share");
    if (row?.isActive === false) throw unauthenticated();
  }
  if (actor.kind === "user") {
    const id = z.uuid().safeParse(actor.id).data;
    if (id === undefined) throw unauthenticated();
    const [user] = await statements
      .select({ disabledAt: users.disabledAt })
      .from(users)
      .where(eq(users.id, id))
      .for("share");
    if (user === undefined || user.disabledAt !== null) throw unauthenticated();
    if (company === undefined) return;
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
