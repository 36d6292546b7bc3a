import { exportPage, firstLine } from "@repo/audit-log";
import {
  type AuditEvent,
  type AuditListOptions,
  type AuditProof,
  type AuditSummary,
  type AuditSummaryOptions,
  type Caller,
  TenantSecretsError,
} from "@repo/catalog";
import { audited } from "../access/operation.ts";
import type { Companies } from "../companies/companies.ts";
import { cursorOf, readCursor } from "./cursor.ts";
import { checkSpan, scopeOf, selectOfCompany, selectOfPlatform } from "./event-list.ts";
import { fingerprintOf, selectProof } from "./proof.ts";
import { createFailoverAcknowledgements, type FailoverAcknowledgements } from "./failover.ts";
import { roundSpan, selectSummary } from "./summary.ts";
import {
  type AuditVerifications,
  createVerifications,
  selectKeyVersions,
  toCheck,
  type VerificationParts,
} from "./verifications.ts";

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

/** Lists, exports and verifies the audit log for permitted callers. */
export interface AuditService extends AuditVerifications, FailoverAcknowledgements {
  /** Lists events that fit the filters, the newest first. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT */
  list(caller: Caller, options: AuditListOptions): Promise<EventPage>;
  /** Counts what was done in one company or in all, from sealed events. @throws {TenantSecretsError} as `list` */
  summary(caller: Caller, options: AuditSummaryOptions): Promise<AuditSummary>;
  /**
   * A page of a company's own events with the proof of each, for verification by `createExportVerifier` without the product.
   *
   * @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN, INVALID_INPUT; INTEGRITY_FAILURE if an event was changed
   */
  export(caller: Caller, options: ExportOptions): Promise<ExportedPage>;
  /** How far the log is sealed, and what its last verification found. @throws {TenantSecretsError} NOT_FOUND, FORBIDDEN */
  proof(caller: Caller, options: { readonly company?: string | undefined }): Promise<AuditProof>;
  /** The public keys of all signing keys so far, as PEM, in order. @throws {TenantSecretsError} FORBIDDEN */
  publicKeys(caller: Caller): Promise<string>;
}

interface Dependencies extends VerificationParts {
  readonly companies: Pick<Companies, "resolve">;
}

export function createAuditService({ companies, ...parts }: Dependencies): AuditService {
  const { database, operations, loadMacKey, loadSigningKey } = parts;
  const verification = createVerifications(parts);
  return {
    list: async (caller, { company: subdomain, cursor, limit = 50, ...filters }) => {
      const asked = { caller, action: "audit.list", verb: "audit" } as const;
      const company =
        subdomain === undefined ? undefined : (await companies.resolve(asked, subdomain)).company;
      return operations.read({ ...asked, company, to: toReadOf(company) }, async (across) => {
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
      const company =
        subdomain === undefined ? undefined : (await companies.resolve(operation, subdomain)).company;
      return operations.read({ ...operation, company, to: toReadOf(company) }, async (across) => {
        const counted = { ...roundSpan(asked), secretKey };
        const summary = await (company === undefined
          ? across((statements) => selectSummary(statements, undefined, counted))
          : database.inCompany(company.id, (statements) => selectSummary(statements, company.id, counted)));
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

    ...verification,
    ...createFailoverAcknowledgements(parts),

    proof: async (caller, { company: subdomain }) => {
      const asked = { caller, action: "audit.proof", verb: "audit" } as const;
      const company =
        subdomain === undefined ? undefined : (await companies.resolve(asked, subdomain)).company;
      return operations.read({ ...asked, company, to: "read the audit log" }, async (across) => {
        const { publicKey } = await loadSigningKey();
        const found = await across((statements) => selectProof(statements, company?.id));
        return audited({ ...found, keyFingerprint: fingerprintOf(publicKey) }, {});
      });
    },

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

/** What a refusal calls it. */
function toReadOf(company: object | undefined): string {
  return company === undefined ? "read the audit log of the platform" : "read the audit log";
}
