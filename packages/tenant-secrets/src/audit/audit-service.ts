import { asc, eq } from "drizzle-orm";
import { tables, type Database } from "@repo/db";
import {
  type AuditKey,
  exportPage,
  firstLine,
  readPublicKeys,
  type AuditVerification,
  type SigningKey,
  type VerifyOptions,
  verifyAuditLog,
} from "@repo/audit-log";
import {
  type AuditListOptions,
  type AuditSummary,
  type AuditSummaryOptions,
  type Caller,
  TenantSecretsError,
} from "@repo/catalog";
import { audited, type Across, type Operations } from "../access/operation.ts";
import type { RowKeys } from "../access/authentic-rows.ts";
import { companyIdOf } from "../companies/company-id.ts";
import type { Companies } from "../companies/companies.ts";
import type { CompanyKeys } from "../keys/company/company-keys.ts";
import { cursorOf, readCursor } from "./cursor.ts";
import { type AuditEvent, checkSpan, scopeOf, selectOfCompany, selectOfPlatform } from "./event-list.ts";
import { roundSpan, selectSummary } from "./summary.ts";

const { auditKeys } = tables;

export interface EventPage {
  readonly events: readonly AuditEvent[];
  /** For the next page; undefined on the last one. */
  readonly cursor: string | undefined;
}

export interface ExportOptions {
  readonly company: string;
  /** Events from this time on, and before `to`. */
  readonly from: Date;
  readonly to: Date;
  /** From the previous answer. */
  readonly cursor?: string | undefined;
}

export interface ExportedPage {
  /** JSON texts. The lines of all pages in order are the export; see docs/audit-log.md. */
  readonly lines: readonly string[];
  /** The number of events left out because they are not sealed yet; they will be within seconds. */
  readonly unsealed: number;
  readonly cursor: string | undefined;
}

export interface VerifyAuditOptions extends VerifyOptions {
  /** PEM. Signatures are verified with these keys, not with the deployment's own. */
  readonly publicKeys?: string | undefined;
}

/** Lists, exports and verifies the audit log for permitted callers. */
export interface AuditService {
  /** Lists events that fit the filters, the newest first. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT */
  list(caller: Caller, options: AuditListOptions): Promise<EventPage>;
  /** Counts what was done in a company, from sealed events. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT */
  summary(caller: Caller, options: AuditSummaryOptions): Promise<AuditSummary>;
  /**
   * A page of a company's own events with the proof of each, for verification by `createExportVerifier` without the product.
   *
   * @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT; INTEGRITY_FAILURE if an event was changed
   */
  export(caller: Caller, options: ExportOptions): Promise<ExportedPage>;
  /**
   * Verifies the whole audit log against its MACs, its checkpoints and the archived checkpoints. For operators. The
   * verification and its result are audited.
   *
   * @throws {TenantSecretsError} FORBIDDEN, INVALID_INPUT, and the errors of keys and database
   */
  verify(caller: Caller, options: VerifyAuditOptions): Promise<AuditVerification>;
  /** The public keys of all signing keys so far, as PEM, in order. @throws {TenantSecretsError} FORBIDDEN */
  publicKeys(caller: Caller): Promise<string>;
}

interface Dependencies {
  readonly database: Database;
  readonly operations: Operations;
  readonly companies: Pick<Companies, "resolve">;
  readonly loadMacKey: (keyVersion?: number) => Promise<AuditKey>;
  readonly rowKeys: RowKeys;
  readonly companyKeys: CompanyKeys;
  readonly loadSigningKey: (keyVersion?: number) => Promise<SigningKey>;
}

export function createAuditService({
  database,
  operations,
  companies,
  loadMacKey,
  rowKeys,
  companyKeys,
  loadSigningKey,
}: Dependencies): AuditService {
  return {
    list: async (caller, { company: subdomain, cursor, limit = 50, ...filters }) => {
      const asked = { caller, action: "audit.list", verb: "audit" } as const;
      const company =
        subdomain === undefined ? undefined : (await companies.resolve(asked, subdomain)).company;
      const to = company === undefined ? "read the audit log of the platform" : "read the audit log";
      return operations.read({ ...asked, company, to }, async (across) => {
        if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
          throw new TenantSecretsError("INVALID_INPUT", "A page has 1 to 100 events.");
        }
        checkSpan(filters);
        const key = await loadMacKey();
        const scope = ["list", company?.id ?? "", ...scopeOf(filters)];
        const after = cursor === undefined ? undefined : readCursor(key, scope, cursor);
        const page = { filters, after, limit };
        const { events, next } = await (company === undefined
          ? across((statements) => selectOfPlatform(statements, page))
          : database.inCompany(company.id, (statements) => selectOfCompany(statements, company.id, page)));
        const answer = { events, cursor: next === undefined ? undefined : cursorOf(key, scope, next) };
        return audited(answer, {});
      });
    },

    summary: async (caller, { company: subdomain, secretKey, ...asked }) => {
      const operation = { caller, action: "audit.summary", verb: "audit" } as const;
      const { company } = await companies.resolve(operation, subdomain);
      return operations.read({ ...operation, company, to: "read the audit log" }, async () => {
        const span = roundSpan(asked);
        const summary = await database.inCompany(company.id, (statements) =>
          selectSummary(statements, company.id, { ...span, secretKey }),
        );
        return audited(summary, {});
      });
    },

    export: async (caller, { company: subdomain, from, to, cursor }) => {
      const asked = { caller, action: "audit.export", verb: "audit" } as const;
      const { company } = await companies.resolve(asked, subdomain);
      return operations.read({ ...asked, company, to: "read the audit log" }, async () => {
        const key = await loadMacKey();
        const scope = ["export", company.id, from.toISOString(), to.toISOString()];
        const after = cursor === undefined ? 0n : BigInt(readCursor(key, scope, cursor));
        const { lines, unsealed, last } = await exportPage(database, company.id, {
          times: { from, to },
          after,
        });
        const page = {
          lines: cursor === undefined ? [firstLine(company.id, from, to), ...lines] : lines,
          unsealed,
          cursor: last === undefined ? undefined : cursorOf(key, scope, String(last)),
        };
        return audited(page, {});
      });
    },

    verify: (caller, { publicKeys, ...options }) =>
      operations.read({ caller, action: "audit.verify", ...toCheck }, async (across) => {
        const given = publicKeys === undefined ? undefined : readPublicKeys(publicKeys);
        const macKeys = await selectKeyVersions(across, "mac");
        const signingKeys = await selectKeyVersions(across, "signing");
        const publicKeysOf = once(async (keyVersion) =>
          signingKeys.includes(keyVersion)
            ? readPublicKeys((await loadSigningKey(keyVersion)).publicKey)
            : [],
        );
        const verification = await verifyAuditLog(
          {
            database,
            findRowKey: (keyVersion) => rowKeys.find(keyVersion),
            openCompanyKey: (companyId, keyVersion) =>
              companyKeys.forDecryption(companyIdOf({ id: companyId }), keyVersion),
            loadMacKey: once(async (keyVersion) =>
              macKeys.includes(keyVersion) ? loadMacKey(keyVersion) : undefined,
            ),
            publicKeysOf: given === undefined ? publicKeysOf : () => Promise.resolve(given),
          },
          options,
        );
        const isSound = verification.findings.length === 0;
        return audited(verification, isSound ? {} : { outcome: "failed", reason: "INTEGRITY_FAILURE" });
      }),

    publicKeys: (caller) =>
      operations.read({ caller, action: "key.public-key", ...toCheck }, async (across) => {
        // Created on first use.
        await loadSigningKey();
        const numbers = await selectKeyVersions(across, "signing");
        const keys = await Promise.all(numbers.map((keyVersion) => loadSigningKey(keyVersion)));
        return audited(keys.map(({ publicKey }) => publicKey).join(""), {});
      }),
  };
}

const toCheck = { verb: "audit", to: "check the audit log" } as const;

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
async function selectKeyVersions(across: Across, purpose: "mac" | "signing"): Promise<number[]> {
  const rows = await across((statements) =>
    statements
      .select({ keyVersion: auditKeys.keyVersion })
      .from(auditKeys)
      .where(eq(auditKeys.purpose, purpose))
      .orderBy(asc(auditKeys.keyVersion)),
  );
  return rows.map(({ keyVersion }) => keyVersion);
}
