import type { Statements } from "@repo/db";
import { z } from "zod";
import type { AuditAction } from "@repo/audit-log";
import type { RequestOptions, WriteResult } from "@repo/catalog";
import { canonical, digestOf } from "../../access/request-ids.ts";
import type { CompanyScope } from "../../companies/companies.ts";
import { inCompany, type DatabaseParts, type SecretStatements } from "./transaction.ts";
import { lockHead, type LockedHead } from "./secret-head.ts";
import type { OfSecret } from "../store.ts";
import { findApplied, insertApplied, requestNameOf, type WriteRequest } from "./idempotency.ts";

/** A change of one secret that brings no value in. */
export interface SecretChange {
  readonly action: AuditAction;
  /** What is asked for, the same in every retry. */
  readonly of: OfSecret<RequestOptions>;
  /** How the secret's head is locked. A retry at the same time waits for that lock. Default: the head that is there */
  readonly lock?:
    | ((
        statements: SecretStatements,
        companyId: CompanyScope["company"]["id"],
        secretKey: string,
      ) => Promise<LockedHead | undefined>)
    | undefined;
}

const Changed = z.object({
  /** The version that it was about. */
  version: z.int().optional(),
  recoverUntil: z.coerce.date().optional(),
});
export type Changed = z.infer<typeof Changed>;

/**
 * Changes a secret and adds the event to the audit log, in one transaction. A change with a request id is made once.
 *
 * @param work gets the secret's head, locked. It is not called where the request was applied before
 * @returns what `work` returns, or returned when the request was applied
 */
export type ChangeSecret = (
  scope: CompanyScope,
  change: SecretChange,
  work: (statements: Statements, locked: LockedHead | undefined) => Promise<Changed>,
) => Promise<Changed>;

const lockExisting: NonNullable<SecretChange["lock"]> = async (...secret) => {
  const head = await lockHead(...secret);
  return head && { head, made: false };
};

export function createChangeSecret(parts: DatabaseParts): ChangeSecret {
  return (scope, change, work) => {
    const { company, caller } = scope;
    const { action, of, lock = lockExisting } = change;
    return inCompany(parts, { company }, async (statements) => {
      const locked = await lock(statements, company.id, of.secretKey);
      const applied = await findChange(statements, scope, change);
      const answer = applied ?? (await work(statements, locked));
      const request = requestOf(scope, change);
      if (applied === undefined && request !== undefined) await insertApplied(statements, request, answer);
      await parts.audit.recordInTransaction(statements, caller, {
        action,
        outcome: "success",
        companyId: company.id,
        secretKey: of.secretKey,
        version: answer.version,
        reason: applied === undefined ? undefined : "REPLAYED",
      });
      return answer;
    });
  };
}

/** @returns the version, of a change that is about one */
export function versionOf({ version }: Changed): WriteResult {
  if (version === undefined) throw new Error("this change is about a version");
  return { version };
}

/** What a change was answered when its request was applied; undefined where it has not been. @throws {TenantSecretsError} CONFLICT */
export async function findChange(
  statements: Statements,
  scope: CompanyScope,
  change: SecretChange,
): Promise<Changed | undefined> {
  const request = requestOf(scope, change);
  const applied = request && (await findApplied(statements, request));
  return applied === undefined ? undefined : Changed.parse(applied);
}

function requestOf(scope: CompanyScope, { action, of }: SecretChange): WriteRequest | undefined {
  const { requestId, secretKey, ...asked } = of;
  const name = requestNameOf(scope, requestId);
  const mac = digestOf(action, secretKey, canonical(asked));
  return name && { name, macs: [{ keyVersion: 0, mac }], writes: [] };
}
