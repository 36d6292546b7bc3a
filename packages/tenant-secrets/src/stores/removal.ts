import { and, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { RemoveResult } from "../catalog/company-secrets.ts";
import type { Company } from "../companies/companies.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import type { DatabaseStore } from "./database-store.ts";
import {
  destroyed,
  expectVersion,
  inCompany,
  liveHead,
  lockHead,
  lockLiveHead,
  lockOrMakeHeads,
  ofSecret,
  ofVersion,
  type DatabaseParts,
  type LiveHead,
} from "./secret-head.ts";

const { companies, companySecrets, companySecretVersions } = tables;

/** What is left of a secret whose values are destroyed: a tombstone that cannot be undone, and the numbers. */
export const purged = {
  secretValueEncrypted: null,
  companyKeyNo: null,
  pendingVersion: null,
  previousVersion: null,
  previousUntil: null,
  expiresAt: null,
  remindedDays: null,
  deletedAt: sql`coalesce(${companySecrets.deletedAt}, now())`,
  recoverUntil: null,
  purgedAt: sql`now()`,
  updatedAt: sql`now()`,
};

export function createRemoval(
  parts: DatabaseParts,
): Pick<DatabaseStore, "remove" | "bury" | "restore" | "purge"> {
  const { audit } = parts;

  const entomb = async (
    statements: Statements,
    company: Company,
    { secretKey, currentVersion }: LiveHead,
    caller: Caller,
  ): Promise<RemoveResult> => {
    const days = sql`(select ${companies.recoveryDays} from ${companies} where ${companies.id} = ${company.id})`;
    const [tombstone] = await statements
      .update(companySecrets)
      .set({
        deletedAt: sql`now()`,
        recoverUntil: sql`now() + make_interval(days => ${days})`,
        // A copy that is restored does not follow what it was copied from any more.
        origin: "written",
        updatedAt: sql`now()`,
      })
      .where(ofSecret(company.id, secretKey))
      .returning({ recoverUntil: companySecrets.recoverUntil });
    const entry = { action: "secret.remove", outcome: "allowed", companyId: company.id } as const;
    await audit.addTo(statements, caller, { ...entry, secretKey, version: currentVersion });
    return { recoverUntil: tombstone?.recoverUntil ?? undefined };
  };

  return {
    remove: (company, secretKey, { expectedVersion }, caller) =>
      inCompany(parts, company, async (statements) => {
        const head = await lockLiveHead(statements, company.id, secretKey);
        expectVersion(head, expectedVersion);
        return entomb(statements, company, head, caller);
      }),

    bury: (company, secretKey, { expectedVersion }, caller) =>
      inCompany(parts, company, async (statements) => {
        const locked = (await lockOrMakeHeads(statements, company.id, [secretKey])).get(secretKey);
        if (locked?.made !== true) {
          // It came here since the caller looked, and would stay; or it was removed, and then there is none.
          const head = liveHead(locked?.head);
          expectVersion(head, expectedVersion);
          return entomb(statements, company, head, caller);
        }
        expectVersion(locked.head, expectedVersion);
        const entry = { action: "secret.remove", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey });
        return { recoverUntil: undefined };
      }),

    restore: (company, secretKey, caller) =>
      inCompany(parts, company, async (statements) => {
        const head = await lockHead(statements, company.id, secretKey);
        if (head?.currentVersion == null) throw notFound();
        const restored = await statements
          .update(companySecrets)
          .set({ deletedAt: null, recoverUntil: null, updatedAt: sql`now()` })
          .where(and(ofSecret(company.id, secretKey), sql`${companySecrets.recoverUntil} > now()`))
          .returning({ id: companySecrets.id });
        if (restored.length === 0) throw notFound();
        const entry = { action: "secret.restore", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey, version: head.currentVersion });
        return { version: head.currentVersion };
      }),

    purge: (company, secretKey, { force = false }, caller) =>
      inCompany(parts, company, async (statements) => {
        const head = await lockHead(statements, company.id, secretKey);
        if (head?.currentVersion == null || head.purgedAt !== null) throw notFound();
        if (head.deletedAt === null && !force) {
          throw new TenantSecretsError(
            "CONFLICT",
            "This secret is still there: remove it first, or say that it is to be purged all the same.",
            { currentVersion: head.currentVersion },
          );
        }
        await statements.update(companySecrets).set(purged).where(ofSecret(company.id, secretKey));
        await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head));
        const entry = { action: "secret.purge", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey, version: head.currentVersion });
      }),
  };
}
