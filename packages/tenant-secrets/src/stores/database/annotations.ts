import { and, eq, isNull, sql, type SQL } from "drizzle-orm";
import { tables } from "@repo/db";
import { notFound } from "@repo/catalog";
import { changeSecret } from "./change-secret.ts";
import {
  changeHead,
  inCompany,
  liveHead,
  lockLiveHead,
  ofVersion,
  type DatabaseParts,
} from "./secret-head.ts";
import type { SecretStore } from "../store.ts";

const { companySecretVersions } = tables;

/** What is known about a credential beside its value: when it ends, and whether its provider takes it. */
export function createAnnotations(parts: DatabaseParts): Pick<SecretStore, "setExpiry" | "keepCheck"> {
  const { audit } = parts;
  return {
    setExpiry: async (company, secretKey, options, caller) => {
      const { expiresAt, reminderDays } = options;
      const change = { company, secretKey, caller, action: "secret.set-expiry", options } as const;
      await changeSecret(parts, change, async (statements, locked) => {
        const head = liveHead(locked?.head);
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

    keepCheck: (company, secretKey, version, result, caller) =>
      inCompany(parts, company, async (statements) => {
        await lockLiveHead(statements, company.id, secretKey);
        const kept = await statements
          .update(companySecretVersions)
          .set({ checkResult: result, checkedAt: sql`now()` })
          .where(
            and(
              ofVersion({ companyId: company.id, secretKey }, version),
              isNull(companySecretVersions.destroyedAt),
            ),
          )
          .returning({ checkedAt: companySecretVersions.checkedAt });
        const checkedAt = kept[0]?.checkedAt ?? undefined;
        if (checkedAt === undefined) throw notFound();
        const entry = { action: "secret.check", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey, version, reason: result });
        return checkedAt;
      }),
  };
}

function isSameTime(expiresAt: Date | null): SQL {
  const { expiresAt: column } = companySecretVersions;
  return expiresAt === null ? isNull(column) : eq(column, expiresAt);
}
