import { eq } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { notFound, TenantSecretsError } from "@repo/catalog";
import { createChangeSecret, versionOf, type Changed, type SecretChange } from "./change-secret.ts";
import type { StorePart } from "./port.ts";
import type { DatabaseParts } from "./transaction.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  liveHead,
  lockOrMakeHeads,
  ofVersion,
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

export function createRemoval(parts: DatabaseParts): StorePart<"remove" | "bury", "restore" | "purge"> {
  const changeSecret = createChangeSecret(parts);

  const entomb = async (statements: Statements, head: LiveHead): Promise<Changed> => {
    const [row] = await statements
      .select({ recoveryDays: companies.recoveryDays })
      .from(companies)
      .where(eq(companies.id, head.companyId));
    if (row === undefined) throw notFound();
    const recoverUntil = new Date(head.now.getTime() + row.recoveryDays * 86_400_000);
    await changeHead(statements, head, {
      deletedAt: head.now,
      recoverUntil,
      // A copy that is restored does not follow what it was copied from any more.
      origin: "written",
    });
    return { recoverUntil, version: head.currentVersion };
  };

  return {
    remove: async (scope, { inInfisical = false, ...of }) => {
      if (inInfisical) {
        throw new TenantSecretsError(
          "NOT_SUPPORTED",
          "This company's secrets live in the database alone: leave out that it is to be deleted in Infisical.",
        );
      }
      const change = { action: "secret.remove", of } as const;
      const { recoverUntil } = await changeSecret(scope, change, async (statements, locked) => {
        const head = liveHead(locked?.head);
        expectVersion(head, of.expectedVersion);
        return entomb(statements, head);
      });
      return { recoverUntil };
    },

    bury: async (scope, of) => {
      const change: SecretChange = {
        action: "secret.remove",
        of,
        lock: async (statements, companyId, secretKey) =>
          (await lockOrMakeHeads(statements, companyId, [secretKey])).get(secretKey),
      };
      const { recoverUntil } = await changeSecret(scope, change, async (statements, locked) => {
        if (locked?.made === true) {
          expectVersion(locked.head, of.expectedVersion);
          return {};
        }
        // It came here since the caller looked, and would stay; or it was removed, and then there is none.
        const head = liveHead(locked?.head);
        expectVersion(head, of.expectedVersion);
        return entomb(statements, head);
      });
      return { recoverUntil };
    },

    versions: {
      restore: async (scope, of) => {
        const change = { action: "secret.restore", of } as const;
        const changed = await changeSecret(scope, change, async (statements, locked) => {
          const head = locked?.head;
          if (head?.currentVersion == null) throw notFound();
          if (head.recoverUntil === null || head.recoverUntil <= head.now) throw notFound();
          await changeHead(statements, head, { deletedAt: null, recoverUntil: null });
          return { version: head.currentVersion };
        });
        return versionOf(changed);
      },

      purge: async (scope, of) => {
        const change = { action: "secret.purge", of } as const;
        await changeSecret(scope, change, async (statements, locked) => {
          const head = locked?.head;
          if (head?.currentVersion == null || head.purgedAt !== null) throw notFound();
          if (head.deletedAt === null && of.force !== true) {
            throw new TenantSecretsError(
              "CONFLICT",
              "This secret is still there: remove it first, or say that it is to be purged all the same.",
              { currentVersion: head.currentVersion },
            );
          }
          await purgeValues(statements, head);
          return { version: head.currentVersion };
        });
      },
    },
  };
}
