import { tables, type Statements } from "@repo/db";
import { keyDestroyed, type PendingOptions, type RollbackOptions, TenantSecretsError } from "@repo/catalog";
import { openValue, Plaintext } from "@repo/envelope";
import { withKeysOfNow } from "../../keys/company/company-keys.ts";
import { changeSecret, findChange, versionOf } from "./change-secret.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import { sealedBytes, type GrowingParts } from "./quotas.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  inCompany,
  keepCurrentVersion,
  liveHead,
  lockHead,
  ofVersion,
  type LiveHead,
} from "./secret-head.ts";
import type { SecretStore } from "../store.ts";
import { addCurrentVersion } from "./writes.ts";

const { companySecretVersions } = tables;

/** What changes which version counts. */
export function createStages(parts: GrowingParts): Pick<SecretStore, "promote" | "discard" | "rollback"> {
  const { companyKeys } = parts;

  return {
    promote: async (company, secretKey, options, caller) => {
      const change = { company, secretKey, caller, action: "secret.promote", options } as const;
      return versionOf(
        await changeSecret(parts, change, async (statements, locked) => {
          const head = liveHead(locked?.head);
          const version = pendingVersion(head, options);
          const graceWindows = nextGraceWindows(head, options);
          await keepCurrentVersion(statements, head);
          const row = ofVersion(head, version);
          const [pending] = await statements.select().from(companySecretVersions).where(row).for("update");
          if (pending === undefined || pending.sealed === null) throw keyDestroyed();
          // The head first: a sealed value may only come to it from where it still stands.
          await changeHead(statements, head, {
            graceWindows,
            secretValueEncrypted: pending.sealed,
            companyKeyNo: pending.companyKeyNo,
            currentVersion: version,
            pendingVersion: null,
            expiresAt: pending.expiresAt,
            origin: "written",
          });
          await statements.update(companySecretVersions).set({ sealed: null, companyKeyNo: null }).where(row);
          return { version };
        }),
      );
    },

    discard: async (company, secretKey, options, caller) => {
      const change = { company, secretKey, caller, action: "secret.discard", options } as const;
      return versionOf(
        await changeSecret(parts, change, async (statements, locked) => {
          const head = liveHead(locked?.head);
          const version = pendingVersion(head, options);
          await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head, version));
          await changeHead(statements, head, { pendingVersion: null });
          return { version };
        }),
      );
    },

    rollback: (company, secretKey, options, caller) =>
      withKeysOfNow(async () => {
        const { toVersion, note } = options;
        const change = { company, secretKey, caller, action: "secret.rollback", options } as const;
        const earlier = await inCompany(parts, company, async (statements) => {
          const head = await lockHead(statements, company.id, secretKey);
          const isApplied = (await findChange(statements, change)) !== undefined;
          return isApplied ? undefined : findEarlierVersion(statements, liveHead(head), options);
        });
        if (earlier === undefined) return versionOf(await changeSecret(parts, change, appliedBefore));
        const opening = await companyKeys.forOpening(company.id, earlier.companyKeyNo);
        const key = await companyKeys.forSealing(company.id);
        const place = { companyId: company.id, secretKey, version: toVersion };
        const plaintext = new Plaintext(
          openValue(opening.valueKey, { ...place, companyKeyNo: earlier.companyKeyNo }, earlier.sealed),
        );
        try {
          const write = {
            secretKey,
            plaintext,
            hint: earlier.hint ?? undefined,
            // It is the same credential.
            options: { ...earlier.expiry, note: note ?? `As version ${toVersion}.` },
          };
          const maker = { actorKind: caller.actor.kind, actorId: caller.actor.id };
          const room = await parts.quotas.roomOf(company);
          const changed = await changeSecret(parts, change, async (statements, locked) => {
            const head = liveHead(locked?.head);
            room.take(statements, { secrets: 0, versions: 1, bytes: sealedBytes(plaintext.bytes.length) });
            // What was destroyed since it was opened does not come back by this road.
            await findEarlierVersion(statements, head, options);
            return { version: await addCurrentVersion(statements, head, key, write, maker, "written") };
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
  readonly sealed: string;
  readonly companyKeyNo: number;
  readonly hint: string | null;
  readonly expiry: Pick<typeof companySecretVersions.$inferSelect, "expiresAt" | "reminderDays">;
}

/** @throws {TenantSecretsError} NOT_FOUND; CONFLICT where it is not a version that can be gone back to */
async function findEarlierVersion(
  statements: Statements,
  head: LiveHead,
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
  const { sealed, companyKeyNo, hint, expiresAt, reminderDays } = row;
  if (sealed === null || companyKeyNo === null) {
    throw refuse(`The value of version ${version} was destroyed: nothing brings it back.`);
  }
  return { sealed, companyKeyNo, hint, expiry: { expiresAt, reminderDays } };
}

/** @throws {TenantSecretsError} CONFLICT where none is pending, or another one than is meant */
function pendingVersion(head: LiveHead, { expectedVersion, pendingVersion: meant }: PendingOptions): number {
  const { currentVersion, pendingVersion: pending } = head;
  expectVersion(head, expectedVersion);
  if (pending !== null && (meant === undefined || meant === pending)) return pending;
  const sentence =
    meant === undefined
      ? "No version of this secret is pending: stage one first."
      : pending === null
        ? `No version of this secret is pending, and so version ${meant} is not: look at its history.`
        : `Version ${pending} is pending, not ${meant}: somebody else staged it. Look at it, then decide.`;
  throw new TenantSecretsError("CONFLICT", sentence, { currentVersion });
}
