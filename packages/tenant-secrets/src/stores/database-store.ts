import { and, asc, eq, sql } from "drizzle-orm";
import { readSecretHead, tables, type Database, type SecretHeadRow, type Statements } from "@repo/db";
import type { AuditLog } from "../access/audit.ts";
import { onDatabase } from "../access/database-errors.ts";
import type { Capabilities, WriteResult } from "../catalog/company-secrets.ts";
import type { Company } from "../companies/companies.ts";
import { fingerprint, requestMac, type CompanyKey } from "../crypto/derivation.ts";
import { integrityFailure, openValue, sealValue } from "../crypto/envelope.ts";
import { withKeysOfNow, type CompanyKeys } from "../keys/company-keys.ts";
import type { Caller } from "../vocabulary/actor.ts";
import { notFound } from "../vocabulary/errors.ts";
import { Plaintext } from "../vocabulary/plaintext.ts";
import {
  expectVersion,
  keepCurrentVersion,
  lockHead,
  lockLiveHead,
  lockOrMakeHead,
  ofSecret,
  type Head,
} from "./secret-head.ts";
import type { SecretStore, StoredDescription, StoredSecret, Write } from "./store.ts";
import { findApplied, keepApplied, type RequestBody } from "./write-requests.ts";

const { companySecrets, companySecretVersions } = tables;

/** How long a removed secret can be restored. */
const recoveryDays = 30;

const capabilities: Capabilities = {
  conditionalWrites: true,
  requestIds: true,
  recovery: true,
  notes: true,
  surroundingWhiteSpace: true,
};

/** What the database knows of a secret: that it is here, that it was removed, or nothing at all. */
export type Knowledge<Present> =
  | { readonly state: "present"; readonly secret: Present }
  | { readonly state: "removed" }
  | { readonly state: "unknown" };

/** Strategy B, and what the hybrid store needs of it beyond the port. */
export interface DatabaseStore extends SecretStore {
  /** As `read`, telling a removed secret from one that was never here. */
  know(company: Company, secretKey: string): Promise<Knowledge<StoredSecret>>;
  /** As `know`, without opening anything. */
  look(company: Company, secretKey: string): Promise<Knowledge<SecretHeadRow>>;
  /** As `list`, with the secret keys that were removed: an old copy elsewhere must not bring them back. */
  survey(
    company: Company,
  ): Promise<{ readonly live: readonly StoredDescription[]; readonly removed: ReadonlySet<string> }>;
  /** Removes a secret that was never here, so that it stays removed wherever else it is; nothing can be restored. */
  bury: SecretStore["remove"];
  /**
   * Writes a secret that comes from somewhere else, where the database knows nothing of it: neither a value nor a removal.
   *
   * @returns undefined where it does know something, which stays as it is
   */
  adopt(company: Company, adoption: Adoption, caller: Caller): Promise<WriteResult | undefined>;
}

interface Adoption extends Omit<Write, "options"> {
  readonly origin: "legacy";
}

export function createDatabaseStore(
  database: Database,
  companyKeys: CompanyKeys,
  audit: AuditLog,
): DatabaseStore {
  const inCompany = async <T>(company: Company, work: (statements: Statements) => Promise<T>): Promise<T> => {
    await audit.ready();
    return onDatabase(() => database.inCompany(company.id, work));
  };

  const look = async (company: Company, secretKey: string): Promise<Knowledge<SecretHeadRow>> => {
    const head = await onDatabase(() => readSecretHead(database, company.id, secretKey));
    if (head === undefined) return { state: "unknown" };
    if (head.companyId !== company.id || head.secretKey !== secretKey) throw integrityFailure();
    return head.removed ? { state: "removed" } : { state: "present", secret: head };
  };

  const open = async (company: Company, secretKey: string): Promise<Knowledge<StoredSecret>> => {
    const found = await look(company, secretKey);
    if (found.state !== "present") return found;
    const { sealed, companyKeyNo, currentVersion: version } = found.secret;
    if (sealed === null || companyKeyNo === null || version === null) throw integrityFailure();
    const key = await companyKeys.forOpening(company.id, companyKeyNo);
    const place = { companyId: company.id, secretKey, version, companyKeyNo };
    return {
      state: "present",
      secret: { plaintext: new Plaintext(openValue(key.valueKey, place, sealed)), version },
    };
  };

  const know = (company: Company, secretKey: string): Promise<Knowledge<StoredSecret>> =>
    withKeysOfNow(() => open(company, secretKey));

  const survey: DatabaseStore["survey"] = async (company) => {
    const rows = await onDatabase(() =>
      database.inCompany(company.id, (statements) => selectDescriptions(statements, company)),
    );
    if (rows.some((row) => row.companyId !== company.id)) throw integrityFailure();
    return {
      live: rows.flatMap(({ secretKey, version, createdAt, updatedAt, ...row }) =>
        row.deletedAt !== null || version === null
          ? []
          : [
              {
                secretKey,
                version,
                place: "database",
                hint: row.hint ?? undefined,
                fingerprint: row.fingerprint ?? undefined,
                createdAt,
                updatedAt,
              },
            ],
      ),
      removed: new Set(rows.filter((row) => row.deletedAt !== null).map((row) => row.secretKey)),
    };
  };

  return {
    name: "database",
    capabilities,
    look,
    know,
    survey,
    read: async (company, secretKey) => {
      const knowledge = await know(company, secretKey);
      return knowledge.state === "present" ? knowledge.secret : undefined;
    },
    list: async (company) => (await survey(company)).live,

    write: (company, write, caller) =>
      withKeysOfNow(async () => {
        const { secretKey, options } = write;
        const { kind: actorKind, id: actorId } = caller.actor;
        const { requestId } = options;
        const keys: readonly [CompanyKey, ...CompanyKey[]] =
          requestId === undefined
            ? [await companyKeys.forSealing(company.id)]
            : await companyKeys.living(company.id);
        const request =
          requestId === undefined
            ? undefined
            : {
                name: { companyId: company.id, actorKind, actorId, requestId },
                body: bodyOf(keys, write),
              };
        const entry = {
          action: "secret.write",
          outcome: "allowed",
          companyId: company.id,
          secretKey,
        } as const;
        return inCompany(company, async (statements) => {
          const { head } = await lockOrMakeHead(statements, company.id, secretKey);
          const applied = request && (await findApplied(statements, request.name, request.body));
          if (applied !== undefined) {
            await audit.addTo(statements, caller, { ...entry, version: applied, reason: "REPLAYED" });
            return { version: applied };
          }
          expectVersion(head, options.expectedVersion);
          const version = await addVersion(
            statements,
            head,
            keys[0],
            write,
            { actorKind, actorId },
            "written",
          );
          if (request !== undefined) await keepApplied(statements, request.name, request.body, version);
          await audit.addTo(statements, caller, { ...entry, version });
          return { version };
        });
      }),

    remove: (company, secretKey, { expectedVersion }, caller) =>
      inCompany(company, async (statements) => {
        const head = await lockLiveHead(statements, company.id, secretKey);
        expectVersion(head, expectedVersion);
        const [tombstone] = await statements
          .update(companySecrets)
          .set({
            deletedAt: sql`now()`,
            recoverUntil: sql`now() + make_interval(days => ${recoveryDays})`,
            updatedAt: sql`now()`,
          })
          .where(ofSecret(company.id, secretKey))
          .returning({ recoverUntil: companySecrets.recoverUntil });
        const entry = { action: "secret.remove", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, {
          ...entry,
          secretKey,
          version: head.currentVersion ?? undefined,
        });
        return { recoverUntil: tombstone?.recoverUntil ?? undefined };
      }),

    bury: (company, secretKey, { expectedVersion }, caller) =>
      inCompany(company, async (statements) => {
        const { head, made } = await lockOrMakeHead(statements, company.id, secretKey);
        // It came here, or was buried, since the caller looked: that is a removal of its own, or none.
        if (!made) throw notFound();
        expectVersion(head, expectedVersion);
        const entry = { action: "secret.remove", outcome: "allowed", companyId: company.id } as const;
        await audit.addTo(statements, caller, { ...entry, secretKey });
        return { recoverUntil: undefined };
      }),

    adopt: (company, { origin, ...adoption }, caller) =>
      withKeysOfNow(async () => {
        const key = await companyKeys.forSealing(company.id);
        const { secretKey } = adoption;
        const actor = { actorKind: caller.actor.kind, actorId: caller.actor.id };
        return inCompany(company, async (statements) => {
          const { head, made } = await lockOrMakeHead(statements, company.id, secretKey);
          if (!made) return undefined;
          const version = await addVersion(
            statements,
            head,
            key,
            { ...adoption, options: {} },
            actor,
            origin,
          );
          const entry = { action: "secret.import", outcome: "allowed", companyId: company.id } as const;
          await audit.addTo(statements, caller, { ...entry, secretKey, version });
          return { version };
        });
      }),

    restore: (company, secretKey, caller) =>
      inCompany(company, async (statements) => {
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
  };
}

/** Seals the value as the next version, and makes that the current one. Waits for nothing but its statements. */
async function addVersion(
  statements: Statements,
  head: Head,
  key: CompanyKey,
  { plaintext, hint, options }: Write,
  actor: { readonly actorKind: string; readonly actorId: string },
  origin: Head["origin"],
): Promise<number> {
  const { companyId, secretKey } = head;
  const version = head.lastVersion + 1;
  const place = { companyId, secretKey, version, companyKeyNo: key.no };
  await statements.insert(companySecretVersions).values({
    companyId,
    secretKey,
    version,
    previousVersionId: await keepCurrentVersion(statements, head),
    fingerprint: fingerprint(key, plaintext.bytes),
    hint: hint ?? null,
    note: options.note ?? null,
    ...actor,
  });
  await statements
    .update(companySecrets)
    .set({
      secretValueEncrypted: sealValue(key.valueKey, place, plaintext.bytes),
      companyKeyNo: key.no,
      currentVersion: version,
      lastVersion: version,
      origin,
      deletedAt: null,
      recoverUntil: null,
      purgedAt: null,
      updatedAt: sql`now()`,
    })
    .where(and(eq(companySecrets.companyId, companyId), eq(companySecrets.secretKey, secretKey)));
  return version;
}

function bodyOf(
  keys: readonly [CompanyKey, ...CompanyKey[]],
  { secretKey, plaintext, options }: Write,
): RequestBody {
  const { expectedVersion, note } = options;
  const macOf = (key: CompanyKey) => ({
    no: key.no,
    mac: requestMac(key, [secretKey, String(expectedVersion), note ?? "", plaintext.bytes]),
  });
  const [key, ...older] = keys;
  return {
    macs: [macOf(key), ...older.map(macOf)],
    secretKey,
    note,
    fingerprints: keys.map((each) => fingerprint(each, plaintext.bytes)),
  };
}

/** What lists show, of all secrets in one statement, and no sealed value. */
function selectDescriptions(statements: Statements, company: Company) {
  return statements
    .select({
      companyId: companySecrets.companyId,
      secretKey: companySecrets.secretKey,
      deletedAt: companySecrets.deletedAt,
      createdAt: companySecrets.createdAt,
      updatedAt: companySecrets.updatedAt,
      version: companySecretVersions.version,
      hint: companySecretVersions.hint,
      fingerprint: companySecretVersions.fingerprint,
    })
    .from(companySecrets)
    .leftJoin(
      companySecretVersions,
      and(
        eq(companySecretVersions.companyId, companySecrets.companyId),
        eq(companySecretVersions.secretKey, companySecrets.secretKey),
        eq(companySecretVersions.version, companySecrets.currentVersion),
      ),
    )
    .where(eq(companySecrets.companyId, company.id))
    .orderBy(asc(companySecrets.secretKey));
}
