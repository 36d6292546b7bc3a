import { randomUUID } from "node:crypto";
import { and, asc, eq, gt, isNotNull, isNull, lte, sql } from "drizzle-orm";
import { readSecretHead, tables, type Database, type Statements } from "@repo/db";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import type { Capabilities, RemoveOptions, RemoveResult } from "../catalog/company-secrets.ts";
import type { Company } from "../companies/companies.ts";
import { fingerprint, requestMac } from "../crypto/derivation.ts";
import { integrityFailure, openValue, sealValue } from "../crypto/envelope.ts";
import type { CompanyKeys } from "../keys/company-keys.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import { Plaintext } from "../vocabulary/plaintext.ts";
import type { SecretStore, StoredSecret } from "./store.ts";

const { companySecrets, companySecretVersions, writeRequests } = tables;
type Head = typeof companySecrets.$inferSelect;

/** How long a removed secret can be restored. */
const recoveryDays = 30;

export const databaseCapabilities: Capabilities = {
  conditionalWrites: true,
  requestIds: true,
  recovery: true,
  surroundingWhiteSpace: true,
};

/** What the database knows of a secret: its value, that it was removed, or nothing at all. */
export type Knowledge =
  | { readonly state: "present"; readonly secret: StoredSecret }
  | { readonly state: "removed" }
  | { readonly state: "unknown" };

/** Strategy B, and what the hybrid store needs of it beyond the port. */
export interface DatabaseStore extends SecretStore {
  know(company: Company, secretKey: string): Promise<Knowledge>;
  /** Secret keys that were removed: an old copy elsewhere must not bring them back. */
  removedKeys(company: Company): Promise<ReadonlySet<string>>;
  /** Removes a secret that this database never held, so that it stays removed wherever else it is. */
  buryUnknown: SecretStore["remove"];
}

export function createDatabaseStore(
  database: Database,
  companyKeys: CompanyKeys,
  audit: AuditLog,
): DatabaseStore {
  const know = async (company: Company, secretKey: string): Promise<Knowledge> => {
    const head = await onDatabase(() => readSecretHead(database, company.id, secretKey));
    if (head === undefined) return { state: "unknown" };
    if (head.companyId !== company.id || head.secretKey !== secretKey) throw integrityFailure();
    if (head.deletedAt !== null || head.currentVersion === null) return { state: "removed" };
    if (head.sealed === null || head.companyKeyNo === null) throw integrityFailure();
    const key = await companyKeys.forOpening(company.id, head.companyKeyNo);
    const place = { companyId: company.id, secretKey, version: head.currentVersion, companyKeyNo: key.no };
    const plaintext = new Plaintext(openValue(key.valueKey, place, head.sealed));
    return { state: "present", secret: { plaintext, version: head.currentVersion } };
  };

  const removeHead = async (
    company: Company,
    secretKey: string,
    { expectedVersion }: RemoveOptions,
    caller: Caller,
    findHead: typeof lockHead,
  ): Promise<RemoveResult> => {
    await audit.ready();
    return onDatabase(() =>
      database.inCompany(company.id, async (statements) => {
        const head = await findHead(statements, company, secretKey);
        expect(expectedVersion, liveVersion(head));
        const [tombstone] = await statements
          .update(companySecrets)
          .set({
            deletedAt: sql`now()`,
            recoverUntil: sql`now() + make_interval(days => ${recoveryDays})`,
            updatedAt: sql`now()`,
          })
          .where(ofSecret(company, secretKey))
          .returning({ recoverUntil: companySecrets.recoverUntil });
        await audit.addTo(statements, caller, {
          action: "secret.remove",
          outcome: "allowed",
          companyId: company.id,
          secretKey,
          version: head.currentVersion ?? undefined,
        });
        return { recoverUntil: tombstone?.recoverUntil ?? undefined };
      }),
    );
  };

  return {
    name: "database",
    capabilities: databaseCapabilities,
    know,

    read: async (company, secretKey) => {
      const knowledge = await know(company, secretKey);
      return knowledge.state === "present" ? knowledge.secret : undefined;
    },

    list: (company) =>
      onDatabase(() =>
        database.inCompany(company.id, async (statements) => {
          const rows = await statements
            .select()
            .from(companySecrets)
            .innerJoin(
              companySecretVersions,
              and(
                eq(companySecretVersions.companyId, companySecrets.companyId),
                eq(companySecretVersions.secretKey, companySecrets.secretKey),
                eq(companySecretVersions.version, companySecrets.currentVersion),
              ),
            )
            .where(and(eq(companySecrets.companyId, company.id), isNull(companySecrets.deletedAt)))
            .orderBy(asc(companySecrets.secretKey));
          if (rows.some((row) => row.company_secrets.companyId !== company.id)) throw integrityFailure();
          return rows.map(({ company_secrets: head, company_secret_versions: version }) => ({
            secretKey: head.secretKey,
            version: version.version,
            place: "database" as const,
            hint: version.hint ?? undefined,
            fingerprint: version.fingerprint ?? undefined,
            createdAt: head.createdAt,
            updatedAt: head.updatedAt,
          }));
        }),
      ),

    removedKeys: (company) =>
      onDatabase(() =>
        database.inCompany(company.id, async (statements) => {
          const rows = await statements
            .select({ secretKey: companySecrets.secretKey })
            .from(companySecrets)
            .where(and(eq(companySecrets.companyId, company.id), isNotNull(companySecrets.deletedAt)));
          return new Set(rows.map((row) => row.secretKey));
        }),
      ),

    write: async (company, { secretKey, plaintext, hint, options }, caller) => {
      const key = await companyKeys.forSealing(company.id);
      await audit.ready();
      const bodyMac = requestMac(key, [
        secretKey,
        String(options.expectedVersion),
        options.note ?? "",
        plaintext.bytes,
      ]);
      const named = fingerprint(key, plaintext.bytes);
      const request =
        options.requestId === undefined ? undefined : requestOf(company, caller, options.requestId);
      const entry = { action: "secret.write", outcome: "allowed", companyId: company.id, secretKey } as const;
      return onDatabase(() =>
        database.inCompany(company.id, async (statements) => {
          const head = await lockHead(statements, company, secretKey);
          if (request !== undefined) {
            const applied = await findRequest(statements, request);
            if (applied !== undefined) {
              if (applied.bodyMac !== bodyMac || applied.version === null) throw requestIdTaken();
              await audit.addTo(statements, caller, {
                ...entry,
                version: applied.version,
                reason: "REPLAYED",
              });
              return { version: applied.version };
            }
          }
          expect(options.expectedVersion, liveVersion(head));

          const version = head.lastVersion + 1;
          const place = { companyId: company.id, secretKey, version, companyKeyNo: key.no };
          const previousId = await keepCurrent(statements, company, head);
          await statements.insert(companySecretVersions).values({
            companyId: company.id,
            secretKey,
            version,
            id: randomUUID(),
            previousVersionId: previousId,
            fingerprint: named,
            hint: hint ?? null,
            note: options.note ?? null,
            actorKind: caller.actor.kind,
            actorId: caller.actor.id,
          });
          await statements
            .update(companySecrets)
            .set({
              secretValueEncrypted: sealValue(key.valueKey, place, plaintext.bytes),
              companyKeyNo: key.no,
              currentVersion: version,
              lastVersion: version,
              origin: "written",
              deletedAt: null,
              recoverUntil: null,
              purgedAt: null,
              updatedAt: sql`now()`,
            })
            .where(ofSecret(company, secretKey));
          if (request !== undefined) await keepRequest(statements, { ...request, bodyMac, version });
          await audit.addTo(statements, caller, { ...entry, version });
          return { version };
        }),
      );
    },

    remove: (company, secretKey, options, caller) =>
      removeHead(company, secretKey, options, caller, getLiveHead),
    buryUnknown: (company, secretKey, options, caller) =>
      removeHead(company, secretKey, options, caller, lockHead),
  };
}

function ofSecret(company: Company, secretKey: string) {
  return and(eq(companySecrets.companyId, company.id), eq(companySecrets.secretKey, secretKey));
}

async function selectHead(
  statements: Statements,
  company: Company,
  secretKey: string,
): Promise<Head | undefined> {
  const [head] = await statements
    .select()
    .from(companySecrets)
    .where(ofSecret(company, secretKey))
    .for("update");
  return head;
}

async function getLiveHead(statements: Statements, company: Company, secretKey: string): Promise<Head> {
  const head = await selectHead(statements, company, secretKey);
  if (head === undefined || head.deletedAt !== null) throw notFound();
  return head;
}

/** The head, locked; where there is none, one that reads as removed, which the same transaction fills. */
async function lockHead(statements: Statements, company: Company, secretKey: string): Promise<Head> {
  const found = await selectHead(statements, company, secretKey);
  if (found !== undefined) return found;
  await statements
    .insert(companySecrets)
    .values({ companyId: company.id, secretKey, lastVersion: 0, origin: "written", deletedAt: sql`now()` })
    .onConflictDoNothing();
  const head = await selectHead(statements, company, secretKey);
  if (head === undefined) throw new Error("the head of a secret is permanent");
  return head;
}

/** Moves the sealed value of the version that is current now to that version's own row. @returns the row's id */
async function keepCurrent(statements: Statements, company: Company, head: Head): Promise<string | null> {
  if (head.currentVersion === null) return null;
  const [row] = await statements
    .update(companySecretVersions)
    .set({ sealed: head.secretValueEncrypted, companyKeyNo: head.companyKeyNo })
    .where(
      and(
        eq(companySecretVersions.companyId, company.id),
        eq(companySecretVersions.secretKey, head.secretKey),
        eq(companySecretVersions.version, head.currentVersion),
      ),
    )
    .returning({ id: companySecretVersions.id });
  if (row === undefined) throw new Error("every version has a row");
  return row.id;
}

function liveVersion(head: Head): number {
  return head.deletedAt === null ? (head.currentVersion ?? 0) : 0;
}

function expect(expectedVersion: number | undefined, currentVersion: number): void {
  if (expectedVersion === undefined || expectedVersion === currentVersion) return;
  throw new TenantSecretsError(
    "CONFLICT",
    `The secret is at version ${currentVersion}, not ${expectedVersion}: somebody else changed it. Look at it again, then decide.`,
    { currentVersion },
  );
}

interface RequestName {
  readonly companyId: string;
  readonly actorKind: string;
  readonly actorId: string;
  readonly requestId: string;
}

function requestOf(company: Company, caller: Caller, requestId: string): RequestName {
  return { companyId: company.id, actorKind: caller.actor.kind, actorId: caller.actor.id, requestId };
}

/** A request is remembered for this long. */
const remembered = sql`now() - interval '24 hours'`;

async function findRequest(statements: Statements, name: RequestName) {
  const [row] = await statements
    .select()
    .from(writeRequests)
    .where(
      and(
        eq(writeRequests.companyId, name.companyId),
        eq(writeRequests.actorKind, name.actorKind),
        eq(writeRequests.actorId, name.actorId),
        eq(writeRequests.requestId, name.requestId),
        gt(writeRequests.createdAt, remembered),
      ),
    );
  return row;
}

/** Takes the place of a forgotten request of the same name; one that came in between is another secret's. */
async function keepRequest(
  statements: Statements,
  request: RequestName & { readonly bodyMac: string; readonly version: number },
): Promise<void> {
  const { companyId, actorKind, actorId, requestId, createdAt } = writeRequests;
  const kept = await statements
    .insert(writeRequests)
    .values(request)
    .onConflictDoUpdate({
      target: [companyId, actorKind, actorId, requestId],
      set: { bodyMac: request.bodyMac, version: request.version, createdAt: sql`now()` },
      setWhere: lte(createdAt, remembered),
    })
    .returning({ version: writeRequests.version });
  if (kept.length === 0) throw requestIdTaken();
}

function requestIdTaken(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    "This request id was used for another write within the last 24 hours: send a new id.",
  );
}
