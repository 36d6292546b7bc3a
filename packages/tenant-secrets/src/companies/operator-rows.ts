import { asc, eq, sql, type SQL } from "drizzle-orm";
import { tables } from "@repo/db";
import { operatorState } from "@repo/audit-log";
import { displayNameRule, isDisplayName, TenantSecretsError } from "@repo/catalog";
import type { Transaction } from "../access/operation.ts";
import { parseAddress } from "./members.ts";

const longestLifeMs = 366 * 24 * 3600 * 1000;

/** As `revokeApiKeys`. */
export async function revokeOperators(
  { statements, writer }: Transaction,
  which: SQL | undefined,
  most = 1,
): Promise<readonly { readonly id: string; readonly revision: number }[]> {
  const { operators } = tables;
  const rows = await statements
    .select()
    .from(operators)
    .where(which)
    .orderBy(asc(operators.id))
    .limit(most)
    .for("no key update");
  const revoked = [];
  for (const row of rows) {
    const { id, revision } = row;
    const state = operatorState(row);
    const isGenuine = writer.isGenuine(state, row);
    if (isGenuine && state.revoked) {
      revoked.push({ id, revision });
      continue;
    }
    const beside = await writer.close({ ...state, revoked: true }, isGenuine);
    await statements
      .update(operators)
      .set({ revokedAt: sql`coalesce(${operators.revokedAt}, now())`, ...beside })
      .where(eq(operators.id, id));
    revoked.push({ id, revision: beside.revision });
  }
  return revoked;
}

/** @returns the address as `users` has it @throws {TenantSecretsError} INVALID_INPUT */
export function requireAddress(given: string): string {
  const email = parseAddress(given);
  if (email === undefined) throw refused("that is no e-mail address");
  return email;
}

/** @throws {TenantSecretsError} INVALID_INPUT */
export function checkNewOperator(name: string, expiresAt: Date): void {
  if (!isDisplayName(name)) throw refused(`a name has ${displayNameRule}`);
  const lifeMs = expiresAt.getTime() - Date.now();
  if (!(lifeMs > 0 && lifeMs <= longestLifeMs)) {
    throw refused("the access expires in the future, at most 366 days from now");
  }
}

function refused(rule: string): TenantSecretsError {
  return new TenantSecretsError("INVALID_INPUT", `The operator was refused: ${rule}.`);
}
