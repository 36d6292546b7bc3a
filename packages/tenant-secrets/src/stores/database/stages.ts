import { tables, type Statements } from "@repo/db";
import { keyDestroyed, type PendingOptions, type RollbackOptions, TenantSecretsError } from "@repo/catalog";
import { decryptValue, Plaintext } from "@repo/envelope";
import { actorColumns } from "../../access/request-ids.ts";
import { withCurrentKeys } from "../../keys/company/company-keys.ts";
import { createChangeSecret, findChange, versionOf } from "./change-secret.ts";
import { addCurrentVersions } from "./new-version.ts";
import { inCompany } from "./transaction.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import { encryptedBytes, type GrowingParts } from "./quotas.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  keepCurrentVersion,
  activeHead,
  lockHead,
  ofVersion,
  type ActiveHead,
} from "./secret-head.ts";
import type { VersionedOperations } from "../store.ts";

const { companySecretVersions } = tables;

/** What changes which version is active. */
export function createStages(
  parts: GrowingParts,
): Pick<VersionedOperations, "promote" | "discard" | "rollback"> {
  const { companyKeys, quotas } = parts;
  const changeSecret = createChangeSecret(parts);

  return {
    promote: async (scope, pending) => {
      const change = { action: "secret.promote", of: pending } as const;
      const changed = await changeSecret(scope, change, async (statements, locked) => {
        const head = activeHead(locked?.head);
        const version = pendingVersion(head, pending);
        const graceWindows = nextGraceWindows(head, pending);
        await keepCurrentVersion(statements, head);
        const ofPending = ofVersion(head, version);
        const [row] = await statements.select().from(companySecretVersions).where(ofPending).for("update");
        if (row === undefined || row.valueEncrypted === null) throw keyDestroyed();
        // The head first: a trigger lets an encrypted value into it only from the row where it still is.
        await changeHead(statements, head, {
          graceWindows,
          secretValueEncrypted: row.valueEncrypted,
          companyKeyVersion: row.companyKeyVersion,
          currentVersion: version,
          pendingVersion: null,
          canary: null,
          expiresAt: row.expiresAt,
          origin: "written",
        });
        const moved = { valueEncrypted: null, companyKeyVersion: null };
        await statements.update(companySecretVersions).set(moved).where(ofPending);
        return { version };
      });
      return versionOf(changed);
    },

    discard: async (scope, pending) => {
      const change = { action: "secret.discard", of: pending } as const;
      const changed = await changeSecret(scope, change, async (statements, locked) => {
        const head = activeHead(locked?.head);
        const version = pendingVersion(head, pending);
        await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head, version));
        await changeHead(statements, head, { pendingVersion: null, canary: null });
        return { version };
      });
      return versionOf(changed);
    },

    rollback: (scope, asked) =>
      withCurrentKeys(async () => {
        const { company, caller } = scope;
        const { secretKey, toVersion, note } = asked;
        const change = { action: "secret.rollback", of: asked } as const;
        const earlier = await inCompany(parts, { company }, async (statements) => {
          const head = await lockHead(statements, company.id, secretKey);
          const isApplied = (await findChange(statements, scope, change)) !== undefined;
          return isApplied ? undefined : findEarlierVersion(statements, activeHead(head), asked);
        });
        if (earlier === undefined) return versionOf(await changeSecret(scope, change, appliedBefore));
        const { companyKeyVersion, encrypted, lastFour, expiry } = earlier;
        const opening = await companyKeys.forDecryption(company.id, companyKeyVersion);
        const key = await companyKeys.forEncryption(company.id);
        const place = { companyId: company.id, secretKey, version: toVersion, companyKeyVersion };
        const plaintext = new Plaintext(decryptValue(opening.valueKey, place, encrypted));
        try {
          // It is the same credential, and so ends on the same day.
          const options = { ...expiry, note: note ?? `As version ${toVersion}.` };
          const write = { secretKey, plaintext, lastFour: lastFour ?? undefined, options };
          const room = await quotas.roomOf(company);
          const changed = await changeSecret(scope, change, async (statements, locked) => {
            const head = activeHead(locked?.head);
            room.take(statements, { secrets: 0, versions: 1, bytes: encryptedBytes(plaintext.bytes.length) });
            // A version that was destroyed since it was decrypted is not written again.
            await findEarlierVersion(statements, head, asked);
            const made = { write, key, maker: actorColumns(caller) };
            const [version] = await addCurrentVersions(statements, [{ head, made }]);
            if (version === undefined) throw new Error("a target has a version");
            return { version };
          });
          return versionOf(changed);
        } finally {
          plaintext.wipe();
        }
      }),
  };
}

function appliedBefore(): Promise<never> {
  throw new Error("a request that was applied is not forgotten a moment later");
}

interface EarlierVersion {
  readonly encrypted: string;
  readonly companyKeyVersion: number;
  readonly lastFour: string | null;
  readonly expiry: Pick<typeof companySecretVersions.$inferSelect, "expiresAt" | "reminderDays">;
}

/** @throws {TenantSecretsError} NOT_FOUND; CONFLICT where it is not a version that can be gone back to */
async function findEarlierVersion(
  statements: Statements,
  head: ActiveHead,
  { toVersion: version, expectedVersion }: RollbackOptions,
): Promise<EarlierVersion> {
  expectVersion(head, expectedVersion);
  const { currentVersion } = head;
  const refuse = (sentence: string) => new TenantSecretsError("CONFLICT", sentence, { currentVersion });
  if (version === currentVersion) throw refuse(`Version ${version} is the current one already.`);
  if (version === head.pendingVersion)
    throw refuse(`Version ${version} is pending: promote it, or discard it.`);
  const [row] = await statements.select().from(companySecretVersions).where(ofVersion(head, version));
  if (row === undefined) {
    throw new TenantSecretsError("NOT_FOUND", `This secret has no version ${version}: look at its history.`);
  }
  const { valueEncrypted, companyKeyVersion, lastFour, expiresAt, reminderDays } = row;
  if (valueEncrypted === null || companyKeyVersion === null) {
    throw refuse(`The value of version ${version} was destroyed: nothing brings it back.`);
  }
  return { encrypted: valueEncrypted, companyKeyVersion, lastFour, expiry: { expiresAt, reminderDays } };
}

/** @throws {TenantSecretsError} CONFLICT where none is pending, or another one than is meant */
function pendingVersion(
  head: ActiveHead,
  { expectedVersion, pendingVersion: meant }: PendingOptions,
): number {
  const { currentVersion, pendingVersion: pending } = head;
  expectVersion(head, expectedVersion);
  if (pending !== null && (meant === undefined || meant === pending)) return pending;
  const sentence =
    meant === undefined
      ? "No version of this secret is pending: stage one first."
      : pending === null
        ? `No version of this secret is pending, and so version ${meant} is not: look at its history.`
        : `Version ${pending} is pending, not ${meant}: it was staged since. Look at it, then decide.`;
  throw new TenantSecretsError("CONFLICT", sentence, { currentVersion });
}
