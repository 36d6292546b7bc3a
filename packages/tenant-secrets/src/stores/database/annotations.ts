import { and, eq, isNull, sql, type SQL } from "drizzle-orm";
import { tables } from "@repo/db";
import { notFound } from "@repo/catalog";
import { createChangeSecret } from "./change-secret.ts";
import { triedIn } from "./canary.ts";
import type { StorePart } from "./port.ts";
import { inCompany, type DatabaseParts } from "./transaction.ts";
import { changeHead, activeHead, lockHead, ofVersion } from "./secret-head.ts";

const { companySecretVersions } = tables;

/** What is known about a credential beside its value: when it ends, and whether its provider takes it. */
export function createAnnotations(parts: DatabaseParts): StorePart<"checks", "setExpiry"> {
  const changeSecret = createChangeSecret(parts);
  return {
    versions: {
      setExpiry: async (scope, of) => {
        const { expiresAt, reminderDays } = of;
        await changeSecret(scope, { action: "secret.set-expiry", of }, async (statements, locked) => {
          const head = activeHead(locked?.head);
          await changeHead(statements, head, { expiresAt });
          await statements
            .update(companySecretVersions)
            .set({
              expiresAt,
              ...(reminderDays === undefined ? {} : { reminderDays: [...reminderDays] }),
              // Of another day there are reminders again.
              remindedDays: sql`case when ${isSameTime(expiresAt)} then ${companySecretVersions.remindedDays} end`,
            })
            .where(ofVersion(head, head.currentVersion));
          return { version: head.currentVersion };
        });
      },
    },

    checks: {
      recordCheck: ({ company, caller }, { secretKey, version, result }) =>
        inCompany(parts, { company }, async (statements) => {
          const head = activeHead(await lockHead(statements, company.id, secretKey));
          // One refusal ends it, in all processes: the run that began it decides what that means.
          if (result === "rejected" && triedIn(head)?.version === version)
            await changeHead(statements, head, { canary: null });
          const isThere = isNull(companySecretVersions.destroyedAt);
          const [updated] = await statements
            .update(companySecretVersions)
            .set({ checkResult: result, checkedAt: sql`now()` })
            .where(and(ofVersion({ companyId: company.id, secretKey }, version), isThere))
            .returning({ checkedAt: companySecretVersions.checkedAt });
          if (updated?.checkedAt == null) throw notFound();
          const entry = { action: "secret.check", outcome: "success", companyId: company.id } as const;
          await parts.audit.recordInTransaction(statements, caller, {
            ...entry,
            secretKey,
            version,
            reason: result,
          });
          return updated.checkedAt;
        }),
    },
  };
}

function isSameTime(expiresAt: Date | null): SQL {
  const { expiresAt: column } = companySecretVersions;
  return expiresAt === null ? isNull(column) : eq(column, expiresAt);
}
