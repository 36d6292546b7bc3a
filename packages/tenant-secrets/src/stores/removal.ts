import { eq } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { RemoveResult } from "../catalog/company-secrets.ts";
import type { Company } from "../companies/companies.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import type { DatabaseStore } from "./database-store.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  inCompany,
  liveHead,
  lockHead,
  lockLiveHead,
  lockOrMakeHeads,
  ofVersion,
  type DatabaseParts,
  type Head,
  type LiveHead,
} from "./secret-head.ts";

const { companies, companySecretVersions } = tables;

/** Destroys every value of a secret. What is left is a tombstone that cannot be undone, and the numbers. */
export async function purgeValues(statements: Statements, head: Head): Promise<void> {
  await changeHead(statements, head, {
    secretValueEncrypted: null,
    companyKeyNo: null,
    pendingVersion: null,
    graceWindows: [],
    expiresAt: null,
    deletedAt: head.deletedAt ?? head.now,
    recoverUntil: null,
    purgedAt: head.now,
  });
  await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head));
}

export function createRemoval(
  parts: DatabaseParts,
): Pick<DatabaseStore, "remove" | "bury" | "restore" | "purge"> {
  const { audit } = parts;

  const entomb = async (
    statements: Statements,
    company: Company,
    head: LiveHead,
    caller: Caller,
  ): Promise<RemoveResult> => {
    const [row] = await statements
      .select({ recoveryDays: companies.recoveryDays })
      .from(companies)
      .where(eq(companies.id, company.id));
    if (row === undefined) throw notFound();
    const recoverUntil = new Date(head.now.getTime() + row.recoveryDays * 86_400_000);
    await changeHead(statements, head, {
      deletedAt: head.now,
      recoverUntil,
      // A copy that is restored does not follow what it was copied from any more.
      origin: "written",
    });
    const entry = { action: "secret.remove", outcome: "allowed", companyId: company.id } as const;
    const { secretKey, currentVersion: version } = head;
    await audit.addTo(statements, caller, { ...entry, secretKey, version });
    return { recoverUntil };
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
        if (head.recoverUntil === null || head.recoverUntil <= head.now) throw notFound();
        await changeHead(statements, head, { deletedAt: null, recoverUntil: null });
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
        await purgeValues(statements, head);
        const entry = { action: "secret.purge", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey, version: head.currentVersion });
      }),
  };
}
