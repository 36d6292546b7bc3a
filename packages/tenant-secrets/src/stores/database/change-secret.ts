import type { Statements } from "@repo/db";
import { z } from "zod";
import type { AuditAction } from "@repo/audit-log";
import type { Caller, RequestOptions, WriteResult } from "@repo/catalog";
import { canonical, digestOf } from "../../access/request-ids.ts";
import type { Company } from "../../companies/companies.ts";
import {
  inCompany,
  lockHead,
  type DatabaseParts,
  type LockedHead,
  type SecretStatements,
} from "./secret-head.ts";
import { findApplied, keepApplied, type RequestBody, type RequestName } from "./idempotency.ts";

/** A change of one secret that brings no value in. */
export interface SecretChange {
  readonly company: Company;
  readonly secretKey: string;
  readonly caller: Caller;
  readonly action: AuditAction;
  readonly options: RequestOptions;
}

const Changed = z.object({
  /** The version that it was about. */
  version: z.int().optional(),
  recoverUntil: z.coerce.date().optional(),
});
export type Changed = z.infer<typeof Changed>;

type LockHead = (
  statements: SecretStatements,
  companyId: Company["id"],
  secretKey: string,
) => Promise<LockedHead | undefined>;

const lockKnown: LockHead = async (...secret) => {
  const head = await lockHead(...secret);
  return head && { head, made: false };
};

/**
 * Changes a secret and puts that on record, in one transaction; once, where the request has an id.
 *
 * @param work is given the secret's head, locked; it is not called where the request was applied before
 * @param lock how that is locked. By then, a retry that comes at the same time waits
 * @returns what `work` answers, or answered when the request was applied
 */
export function changeSecret<Answer extends Changed>(
  parts: DatabaseParts,
  change: SecretChange,
  work: (statements: Statements, locked: LockedHead | undefined) => Promise<Answer>,
  lock: LockHead = lockKnown,
): Promise<Changed> {
  const { company, secretKey, caller, action } = change;
  return inCompany(parts, company, async (statements) => {
    const locked = await lock(statements, company.id, secretKey);
    const applied = await findChange(statements, change);
    const answer = applied ?? (await work(statements, locked));
    const request = requestOf(change);
    if (applied === undefined && request !== undefined) {
      await keepApplied(statements, request.name, request.body, answer);
    }
    await parts.audit.addTo(statements, caller, {
      action,
      outcome: "allowed",
      companyId: company.id,
      secretKey,
      version: answer.version,
      reason: applied === undefined ? undefined : "REPLAYED",
    });
    return answer;
  });
}

/** @returns the version, of a change that is about one */
export function versionOf({ version }: Changed): WriteResult {
  if (version === undefined) throw new Error("this change is about a version");
  return { version };
}

/** What a change was answered when its request was applied; undefined where it has not been. @throws {TenantSecretsError} CONFLICT */
export async function findChange(statements: Statements, change: SecretChange): Promise<Changed | undefined> {
  const request = requestOf(change);
  const applied = request && (await findApplied(statements, request.name, request.body));
  return applied === undefined ? undefined : Changed.parse(applied);
}

function requestOf({
  company,
  secretKey,
  caller,
  action,
  options: { requestId, ...asked },
}: SecretChange): { readonly name: RequestName; readonly body: RequestBody } | undefined {
  if (requestId === undefined) return undefined;
  const { kind: actorKind, id: actorId } = caller.actor;
  const mac = digestOf(action, secretKey, canonical(asked));
  return {
    name: { companyId: company.id, actorKind, actorId, requestId },
    body: { macs: [{ no: 0, mac }], writes: [] },
  };
}
