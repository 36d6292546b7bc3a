import { eq } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { notFound, TenantSecretsError, type RemoveOptions, type RemoveResult } from "@repo/catalog";
import type { CompanyScope } from "../../companies/companies.ts";
import type { OfSecret } from "../store.ts";
import { createChangeSecret, versionOf, type Changed, type SecretChange } from "./change-secret.ts";
import type { StorePart } from "./port.ts";
import type { DatabaseParts } from "./transaction.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  activeHead,
  canReturn,
  lockOrMakeHead,
  ofVersion,
  type Head,
} from "./secret-head.ts";

const { companies, companySecretVersions } = tables;

/**
 * Destroys every value of a secret. A tombstone that cannot be undone stays, with the version numbers.
 *
 * @param origin of the tombstone. Default: as it was, so that what is purged because Infisical lost it can return from there
 */
export async function purgeValues(
  statements: Statements,
  head: Head,
  origin: Head["origin"] = head.origin,
): Promise<void> {
  await changeHead(statements, head, {
    secretValueEncrypted: null,
    companyKeyVersion: null,
    pendingVersion: null,
    graceWindows: [],
    expiresAt: null,
    deletedAt: head.deletedAt ?? head.now,
    origin,
    recoverUntil: null,
    purgedAt: head.now,
  });
  await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head));
}

export function createRemoval(
  parts: DatabaseParts,
): StorePart<"remove" | "createTombstone", "restore" | "purge"> {
  const changeSecret = createChangeSecret(parts);

  const insertTombstone = async (
    statements: Statements,
    head: Head,
    { caller: { actor } }: CompanyScope,
  ): Promise<Changed> => {
    const [row] = await statements
      .select({ recoveryDays: companies.recoveryDays })
      .from(companies)
      .where(eq(companies.id, head.companyId));
    if (row === undefined) throw notFound();
    const recoverUntil = new Date(head.now.getTime() + row.recoveryDays * 86_400_000);
    await changeHead(statements, head, {
      deletedAt: head.now,
      removedByKind: actor.kind,
      removedById: actor.id,
      recoverUntil,
      // It does not come back from Infisical.
      origin: "written",
    });
    return { recoverUntil, version: head.currentVersion ?? undefined };
  };

  /** Of a secret that was removed here before. What can be restored of it stays so. */
  const renewTombstone = (statements: Statements, head: Head, { caller: { actor } }: CompanyScope) =>
    changeHead(statements, head, {
      deletedAt: head.now,
      removedByKind: actor.kind,
      removedById: actor.id,
      origin: "written",
    });

  /** Removes a secret whose head `lock` locks: the head that exists, or else a new one, which is a removal already. */
  const removeLocked = async (
    scope: CompanyScope,
    of: OfSecret<RemoveOptions>,
    lock?: SecretChange["lock"],
  ): Promise<RemoveResult> => {
    const change = { action: "secret.remove", of, lock } as const;
    const { recoverUntil } = await changeSecret(scope, change, async (statements, locked) => {
      const isUnknown = lock !== undefined && locked !== undefined && (locked.made || canReturn(locked.head));
      // Where a secret came here since its caller looked, it would stay; where it was removed, there is none.
      const head = isUnknown ? locked.head : activeHead(locked?.head);
      expectVersion(head, of.expectedVersion);
      if (!isUnknown) return insertTombstone(statements, head, scope);
      if (!locked.made) await renewTombstone(statements, head, scope);
      return {};
    });
    return { recoverUntil };
  };

  return {
    remove: async (scope, { inInfisical = false, ...of }) => {
      if (inInfisical) {
        throw new TenantSecretsError(
          "NOT_SUPPORTED",
          "This company's secrets live in the database alone: leave out that it is to be deleted in Infisical.",
        );
      }
      return removeLocked(scope, of);
    },

    createTombstone: (scope, of) => removeLocked(scope, of, lockOrMakeHead),

    versions: {
      restore: async (scope, of) => {
        const change = { action: "secret.restore", of } as const;
        const changed = await changeSecret(scope, change, async (statements, locked) => {
          const head = locked?.head;
          if (head?.currentVersion == null) throw notFound();
          if (head.recoverUntil === null || head.recoverUntil <= head.now) throw notFound();
          // A restored copy does not follow Infisical any more.
          const restored = { deletedAt: null, recoverUntil: null, origin: "written" } as const;
          await changeHead(statements, head, restored);
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
          // A copy that a caller removes by this does not come back from Infisical.
          await purgeValues(statements, head, head.deletedAt === null ? "written" : head.origin);
          return { version: head.currentVersion };
        });
      },
    },
  };
}
