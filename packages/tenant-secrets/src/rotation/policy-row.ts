import { and, eq, type SQL } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { notFound, SecretKey } from "@repo/catalog";

const { rotationPolicies } = tables;

export type PolicyRow = typeof rotationPolicies.$inferSelect;

/** The secret whose policy it is. */
export type PolicySecret = Pick<PolicyRow, "companyId" | "secretKey">;

export function ofPolicy({ companyId, secretKey }: PolicySecret): SQL | undefined {
  return and(eq(rotationPolicies.companyId, companyId), eq(rotationPolicies.secretKey, secretKey));
}

/** @throws {TenantSecretsError} NOT_FOUND */
export async function lockPolicy(statements: Statements, secret: PolicySecret): Promise<PolicyRow> {
  if (!SecretKey.safeParse(secret.secretKey).success) throw notFound();
  const [policy] = await statements.select().from(rotationPolicies).where(ofPolicy(secret)).for("update");
  if (policy === undefined) throw notFound();
  return policy;
}
