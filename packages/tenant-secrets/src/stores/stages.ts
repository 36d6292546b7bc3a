import { tables, type Statements } from "@repo/db";
import type { Company } from "../companies/companies.ts";
import { openValue } from "../crypto/envelope.ts";
import { withKeysOfNow } from "../keys/company-keys.ts";
import { keyDestroyed, TenantSecretsError } from "../vocabulary/errors.ts";
import { Plaintext } from "../vocabulary/plaintext.ts";
import { nextGraceWindows } from "./grace-windows.ts";
import {
  changeHead,
  destroyed,
  expectVersion,
  inCompany,
  keepCurrentVersion,
  lockLiveHead,
  ofVersion,
  type DatabaseParts,
  type LiveHead,
} from "./secret-head.ts";
import type { SecretStore } from "./store.ts";
import { addCurrentVersion } from "./writes.ts";

const { companySecretVersions } = tables;

/** What changes which version counts. */
export function createStages(parts: DatabaseParts): Pick<SecretStore, "promote" | "discard" | "rollback"> {
  const { companyKeys, audit } = parts;

  return {
    promote: (company, secretKey, { expectedVersion, ...grace }, caller) =>
      inCompany(parts, company, async (statements) => {
        const head = await lockLiveHead(statements, company.id, secretKey);
        expectVersion(head, expectedVersion);
        const version = pendingVersion(head);
        const graceWindows = nextGraceWindows(head, grace);
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
        const entry = { action: "secret.promote", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey, version });
        return { version };
      }),

    discard: (company, secretKey, caller) =>
      inCompany(parts, company, async (statements) => {
        const head = await lockLiveHead(statements, company.id, secretKey);
        const version = pendingVersion(head);
        await statements.update(companySecretVersions).set(destroyed).where(ofVersion(head, version));
        await changeHead(statements, head, { pendingVersion: null });
        const entry = { action: "secret.discard", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey, version });
        return { version };
      }),

    rollback: (company, secretKey, { toVersion, expectedVersion, note }, caller) =>
      withKeysOfNow(async () => {
        const find = (statements: Statements) =>
          lockEarlierVersion(statements, company, secretKey, toVersion, expectedVersion);
        const earlier = await inCompany(parts, company, find);
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
          return await inCompany(parts, company, async (statements) => {
            // What was destroyed since it was opened does not come back by this road.
            const { head } = await find(statements);
            const version = await addCurrentVersion(statements, head, key, write, maker, "written");
            const entry = { action: "secret.rollback", outcome: "allowed", companyId: company.id } as const;
            await audit.addTo(statements, caller, { ...entry, secretKey, version });
            return { version };
          });
        } finally {
          plaintext.wipe();
        }
      }),
  };
}

interface EarlierVersion {
  readonly head: LiveHead;
  readonly sealed: string;
  readonly companyKeyNo: number;
  readonly hint: string | null;
  readonly expiry: Pick<typeof companySecretVersions.$inferSelect, "expiresAt" | "reminderDays">;
}

/** @throws {TenantSecretsError} NOT_FOUND; CONFLICT where it is not a version that can be gone back to */
async function lockEarlierVersion(
  statements: Statements,
  company: Company,
  secretKey: string,
  version: number,
  expectedVersion: number | undefined,
): Promise<EarlierVersion> {
  const head = await lockLiveHead(statements, company.id, secretKey);
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
  return { head, sealed, companyKeyNo, hint, expiry: { expiresAt, reminderDays } };
}

function pendingVersion(head: LiveHead): number {
  if (head.pendingVersion !== null) return head.pendingVersion;
  throw new TenantSecretsError("CONFLICT", "No version of this secret is pending: stage one first.", {
    currentVersion: head.currentVersion,
  });
}
