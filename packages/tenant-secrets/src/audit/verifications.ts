import { asc, eq } from "drizzle-orm";
import { type Across, enqueueJob, tables, type Database } from "@repo/db";
import {
  asTenantSecretsError,
  type AuditKey,
  type AuditVerification,
  readPublicKeys,
  type SigningKey,
  verifyAuditLog,
  type VerifyOptions,
} from "@repo/audit-log";
import { type Caller, systemCaller } from "@repo/catalog";
import { audited, type Audited, type Operations, type Transaction } from "../access/operation.ts";
import type { RowKeys } from "../access/authentic-rows.ts";
import { companyIdOf } from "../companies/company-id.ts";
import { ExternalKeyError } from "../keys/external/external-key-error.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";

const { auditKeys, auditVerifications } = tables;

export interface VerifyAuditOptions extends VerifyOptions {
  /** PEM. Signatures are verified with these keys, not with the deployment's own. */
  readonly publicKeys?: string | undefined;
}

/** Verifications of the whole audit log. Each one's outcome is stored and audited together. */
export interface AuditVerifications {
  /**
   * Verifies the whole audit log against its MACs, its checkpoints and the archived checkpoints. For operators. The
   * verification and its result are audited.
   *
   * @throws {TenantSecretsError} FORBIDDEN, INVALID_INPUT, and the errors of keys and database
   */
  verify(caller: Caller, options: VerifyAuditOptions): Promise<AuditVerification>;
  /** Starts a verification in the background, unless one waits to begin. For operators. @throws {TenantSecretsError} FORBIDDEN */
  requestVerification(caller: Caller): Promise<void>;
  /**
   * The work of the job: as `verify`, without archived checkpoints. A failure is audited.
   *
   * @param signal ends the work between two pages
   * @returns the number of findings
   * @throws {TenantSecretsError} the errors of keys and database; the job is then tried again
   */
  verifyInBackground(signal: AbortSignal): Promise<number>;
}

export interface VerificationParts {
  readonly database: Database;
  readonly operations: Operations;
  readonly loadMacKey: (keyVersion?: number) => Promise<AuditKey>;
  readonly rowKeys: RowKeys;
  readonly companyKeys: CompanyKeys;
  readonly loadSigningKey: (keyVersion?: number) => Promise<SigningKey>;
}

export const toCheck = { verb: "audit", to: "check the audit log" } as const;

/** Whether a head is genuine cannot be told without the company's own key. */
function ifExternal(error: unknown): undefined {
  if (!(error instanceof ExternalKeyError)) throw error;
}

/** The actor of what the product verifies by itself. */
export const verifier = systemCaller("audit-log", { verbs: [], secretKeys: [] });

/** Verifies the whole audit log, without an event. */
export function createVerifyWith(
  parts: Omit<VerificationParts, "database" | "operations">,
): (options: VerifyAuditOptions, across: Across) => Promise<AuditVerification> {
  return async ({ publicKeys, ...options }, across) => {
    const { loadMacKey, rowKeys, companyKeys, loadSigningKey } = parts;
    const given = publicKeys === undefined ? undefined : readPublicKeys(publicKeys);
    const macKeys = await selectKeyVersions(across, "mac");
    const signingKeys = await selectKeyVersions(across, "signing");
    const publicKeysOf = once(async (keyVersion) =>
      signingKeys.includes(keyVersion) ? readPublicKeys((await loadSigningKey(keyVersion)).publicKey) : [],
    );
    return verifyAuditLog(
      {
        database: { acrossCompanies: across },
        findRowKey: (keyVersion) => rowKeys.find(keyVersion),
        openCompanyKey: (companyId, keyVersion) =>
          companyKeys.forDecryption(companyIdOf({ id: companyId }), keyVersion).catch(ifExternal),
        loadMacKey: once(async (keyVersion) =>
          macKeys.includes(keyVersion) ? loadMacKey(keyVersion) : undefined,
        ),
        publicKeysOf: given === undefined ? publicKeysOf : () => Promise.resolve(given),
      },
      options,
    );
  };
}

export function createVerifications(parts: VerificationParts): AuditVerifications {
  const { database, operations } = parts;
  const verifyWith = createVerifyWith(parts);

  return {
    verify: (caller, options) =>
      operations.inSteps({ caller, action: "audit.verify", changes: false, ...toCheck }, async (steps) => {
        const startedAt = new Date();
        const verification = await verifyWith(options, (query) => database.acrossCompanies(query));
        return steps.commit((transaction) => keepOutcome(transaction, startedAt, verification));
      }),

    requestVerification: (caller) =>
      operations.change(
        { caller, action: "audit.request-verification", ...toCheck },
        async ({ statements }) => {
          await enqueueJob(statements, { task: verificationTask, payload: {}, jobKey: "all" });
          return audited(undefined, {});
        },
      ),

    verifyInBackground: async (signal) => {
      const startedAt = new Date();
      const steps = operations.steps({ caller: verifier, action: "audit.verify" });
      try {
        const verification = await verifyWith({}, (query) => {
          signal.throwIfAborted();
          return database.acrossCompanies(query);
        });
        await steps.commit((transaction) => keepOutcome(transaction, startedAt, verification));
        return verification.findings.length;
      } catch (error) {
        if (!signal.aborted)
          await steps.record({ outcome: "failed", reason: asTenantSecretsError(error).code });
        throw error;
      }
    },
  };
}

/** The name of the job in the queue. */
export const verificationTask = "verify-audit-log";

async function keepOutcome(
  { statements }: Transaction,
  startedAt: Date,
  verification: AuditVerification,
): Promise<Audited<AuditVerification>> {
  const throughBatch = verification.lastBatch?.batch ?? 0;
  const findings = verification.findings.length;
  await statements.insert(auditVerifications).values({ startedAt, throughBatch, findings });
  return audited(verification, findings === 0 ? {} : { outcome: "failed", reason: "INTEGRITY_FAILURE" });
}

/** Loads each key version once. */
function once<T>(load: (keyVersion: number) => Promise<T>): (keyVersion: number) => Promise<T> {
  const known = new Map<number, Promise<T>>();
  return (keyVersion) => {
    const loading = known.get(keyVersion) ?? load(keyVersion);
    known.set(keyVersion, loading);
    return loading;
  };
}

/** The versions of the existing keys: one that only an event or a checkpoint names proves nothing. */
export async function selectKeyVersions(across: Across, purpose: "mac" | "signing"): Promise<number[]> {
  const rows = await across((statements) =>
    statements
      .select({ keyVersion: auditKeys.keyVersion })
      .from(auditKeys)
      .where(eq(auditKeys.purpose, purpose))
      .orderBy(asc(auditKeys.keyVersion)),
  );
  return rows.map(({ keyVersion }) => keyVersion);
}
