import { type Across, DatabaseError, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import {
  type Caller,
  type CompanyId,
  forbidden,
  TenantSecretsError,
  type Verb,
  wrongRegion,
} from "@repo/catalog";
import { auditFailure, deny, requireConfirmation, type Attempt } from "./attempt.ts";
import type { AuthenticRows, RowWriter } from "./authentic-rows.ts";
import { beginRequest } from "./management-requests.ts";
import { permits, permitsOnPlatform } from "./permissions.ts";
import type { CopyWriter, SignedCopies } from "./signed-copies.ts";

/** An operation of a caller, as the permissions and the audit log see it. */
export interface Operation extends Pick<Attempt, "caller" | "action" | "secretKey" | "subject" | "version"> {
  /** The company of the operation. Left out: the platform. */
  readonly company?: { readonly id: CompanyId } | undefined;
  /** The verb that the caller needs. Left out if the permission was checked before, or none is needed. */
  readonly verb?: Verb | undefined;
  /** The operation's name in a denial, after "may not". Default: the verb. */
  readonly to?: string;
  /** Denies the operation with this reason even to a caller that has the verb. */
  readonly deny?: TenantSecretsError | undefined;
}

export interface OperationInSteps extends Operation {
  /** Whether the operation changes something, so that its outcome is unknown if an answer is lost. Default: true. */
  readonly changes?: boolean;
}

/** The fields of an event beyond its operation, whose action, company, subject and version are the defaults. */
export type EventDetails = Partial<AuditEntry>;

/** A result with the events that are committed before it is returned. Made by {@link audited}. */
export interface Audited<T> {
  readonly result: T;
  readonly events: readonly EventDetails[];
}

export function audited<T>(result: T, events: EventDetails | readonly EventDetails[]): Audited<T> {
  return { result, events: isList(events) ? events : [events] };
}

/** A transaction across companies that changes rows with a MAC. */
export interface RowTransaction {
  readonly statements: Statements;
  readonly writer: RowWriter;
}

/** The context of a change: one transaction across companies. A change awaits nothing but its statements. */
export interface Transaction extends RowTransaction {
  /** For what other regions are told of a company. */
  readonly copies: CopyWriter;
}

export interface Change<T> extends Operation {
  /** Runs first in the transaction: takes locks, and checks conditions that hold for a retry as well. */
  readonly guard?: (transaction: Transaction) => Promise<void>;
  /** Applies a request id once. A retry gets the first answer, which contains no credential. */
  readonly once?: Once<T>;
  /** Applies a request id again at each retry, and undoes the previous attempt: its answer contained a credential. */
  readonly atEachRetry?: AtEachRetry<T>;
  /** The error for each violated database constraint, by the constraint's name. */
  readonly violations?: Readonly<Record<string, () => TenantSecretsError>>;
}

interface RetriedRequest {
  /** Left out: every call applies the change. */
  readonly requestId: string | undefined;
  /** The content of the request. A retry has the same. */
  readonly asked: object;
}

interface Once<T> extends RetriedRequest {
  /** Of the answer: dates are strings in JSON. */
  readonly answer: z.ZodType<T>;
  /** The event of a retry. */
  readonly replayed?: (answer: T) => EventDetails;
}

interface AtEachRetry<T> extends RetriedRequest {
  readonly idOf: (result: T) => string;
  /** Undoes the previous attempt, by the id of what it created. @returns the events of that */
  readonly undo: (transaction: Transaction, id: string) => Promise<readonly EventDetails[]>;
}

/** The steps of an operation that cannot be one transaction. */
export interface Steps {
  /** Runs one transaction with its events. Both commit, or neither. */
  readonly commit: <T>(work: (transaction: Transaction) => Promise<Audited<T>>) => Promise<T>;
  /** Commits one event alone, such as *attempted* before a call that cannot be undone. Repeated failures are coalesced. */
  readonly record: (event: EventDetails) => Promise<void>;
  /** Runs one transaction with its events in the operation's company, as the role that sees one company alone. */
  readonly commitInCompany: <T>(work: (statements: Statements) => Promise<Audited<T>>) => Promise<T>;
  /** Commits several events together, in the operation's company, or in any company if it has none. */
  readonly recordTogether: (events: readonly EventDetails[]) => Promise<void>;
}

/**
 * Changes and reads for callers, in a company or on the platform. Each operation checks its permission and then whether the
 * caller's session is confirmed for it, audits denials and failures, and converts errors to ours. A success is audited before
 * the answer is returned. WRONG_REGION gets the address of the home.
 */
export interface Operations {
  /**
   * One transaction, whose events commit with it.
   *
   * @throws {TenantSecretsError} FORBIDDEN; the errors of `work` and the database; with a request id INVALID_INPUT, and
   *   CONFLICT if the id was used for another change within 24 hours; AUDIT_UNAVAILABLE
   */
  change<T>(operation: Change<T>, work: (transaction: Transaction) => Promise<Audited<T>>): Promise<T>;
  /**
   * A read. Several events commit together; a single one is subject to flood control.
   *
   * @param work receives a function that runs one transaction across companies
   * @throws {TenantSecretsError} FORBIDDEN; the errors of `work` and the database; AUDIT_UNAVAILABLE
   */
  read<T>(operation: Operation, work: (across: Across) => Promise<Audited<T>>): Promise<T>;
  /**
   * An operation with effects outside the database, or with many transactions. `work` audits each of its steps. @throws as
   * `change`
   */
  inSteps<T>(operation: OperationInSteps, work: (steps: Steps) => Promise<T>): Promise<T>;
  /** Steps of a job, or of an operation that audits its failures itself. No permission is checked. */
  steps(operation: Operation): Steps;
  /** @throws {TenantSecretsError} FORBIDDEN, CONFIRMATION_REQUIRED, audited */
  authorize(operation: Operation): Promise<void>;
  /** Audits a denial, and throws it. */
  deny(asked: Attempt, error: TenantSecretsError): Promise<never>;
}

const MadeRow = z.object({ id: z.uuid() });

interface Dependencies {
  readonly database: Database;
  readonly authentic: Pick<AuthenticRows, "change">;
  readonly audit: AuditLog;
  readonly signedCopies: Pick<SignedCopies, "during">;
  /** The address of another region's API; undefined of one that is not known here. */
  readonly addressOf: (region: string) => Promise<string | undefined>;
}

export function createOperations(dependencies: Dependencies): Operations {
  const { database, authentic, audit, signedCopies, addressOf } = dependencies;
  const authorize = async (operation: Operation): Promise<void> => {
    const { caller, company, verb, to = verb, deny: reason } = operation;
    if (verb !== undefined && !isPermitted(caller, verb, company?.id))
      await deny(audit, attemptOf(operation), forbidden(to ?? verb));
    if (reason !== undefined) await deny(audit, attemptOf(operation), reason);
    // Last, so that a person without the permission is refused instead of asked to confirm in vain.
    if (caller.confirmationDue === true) await requireConfirmation(audit, attemptOf(operation));
  };

  const attempt = async <T>(operation: Operation, changes: boolean, work: () => Promise<T>): Promise<T> => {
    await authorize(operation);
    try {
      return await auditFailure(audit, { ...attemptOf(operation), changes }, work);
    } catch (error) {
      // What finds that a company is at home elsewhere may be a transaction, which looks up no address.
      const home = error instanceof TenantSecretsError && error.code === "WRONG_REGION" && error.homeRegion;
      if (typeof home !== "string") throw error;
      throw wrongRegion(home, await addressOf(home).catch(() => undefined));
    }
  };

  const recordIn = (statements: Statements, operation: Operation, events: readonly EventDetails[]) =>
    audit.recordInTransaction(
      statements,
      operation.caller,
      events.map((event) => entryOf(operation, event)),
    );

  const commit = <T>(
    operation: Operation,
    work: (transaction: Transaction) => Promise<Audited<T>>,
  ): Promise<T> =>
    signedCopies.during((copiesIn) =>
      authentic.change(async (statements, writer) => {
        const { result, events } = await work({ statements, writer, copies: copiesIn(statements) });
        await recordIn(statements, operation, events);
        return result;
      }),
    );

  const steps = (operation: Operation): Steps => ({
    commit: (work) => commit(operation, work),
    record: (event) => audit.record(operation.caller, entryOf(operation, event)),
    commitInCompany: async (work) => {
      const { company } = operation;
      if (company === undefined) throw new Error("an operation in a company has one");
      await audit.ready();
      return database.inCompany(company.id, async (statements) => {
        const { result, events } = await work(statements);
        await recordIn(statements, operation, events);
        return result;
      });
    },
    recordTogether: async (events) => {
      await audit.ready();
      const { company } = operation;
      const recordAll = (statements: Statements) => recordIn(statements, operation, events);
      await (company === undefined
        ? database.acrossCompanies(recordAll)
        : database.inCompany(company.id, recordAll));
    },
  });

  return {
    change: (operation, work) =>
      attempt(operation, true, () =>
        commit(operation, async (transaction) => {
          await operation.guard?.(transaction);
          const done = await apply(transaction, operation, work);
          if (done.events.length === 0) throw eventless();
          return done;
        }).catch((error: unknown) => {
          const violated = error instanceof DatabaseError ? error.constraint : undefined;
          throw operation.violations?.[violated ?? ""]?.() ?? error;
        }),
      ),

    read: (operation, work) =>
      attempt(operation, false, async () => {
        const { result, events } = await work((query) => database.acrossCompanies(query));
        const [first, second] = events;
        if (first === undefined) throw eventless();
        if (second === undefined) await steps(operation).record(first);
        else await steps(operation).recordTogether(events);
        return result;
      }),

    inSteps: ({ changes = true, ...operation }, work) =>
      attempt(operation, changes, () => work(steps(operation))),
    steps,
    authorize,
    deny: (asked, error) => deny(audit, asked, error),
  };
}

async function apply<T>(
  transaction: Transaction,
  operation: Change<T>,
  work: (transaction: Transaction) => Promise<Audited<T>>,
): Promise<Audited<T>> {
  const { once, atEachRetry } = operation;
  if (once !== undefined) return applyOnce(transaction, { ...operation, ...once }, work);
  if (atEachRetry !== undefined) return applyEachTime(transaction, { ...operation, ...atEachRetry }, work);
  return work(transaction);
}

async function applyOnce<T>(
  transaction: Transaction,
  { answer, replayed, ...request }: Operation & Once<T>,
  work: (transaction: Transaction) => Promise<Audited<T>>,
): Promise<Audited<T>> {
  const { applied, keep } = await beginRequest(transaction.statements, request, answer);
  if (applied !== undefined) return audited(applied, { ...replayed?.(applied), reason: "REPLAYED" });
  const done = await work(transaction);
  await keep(done.result);
  return done;
}

async function applyEachTime<T>(
  transaction: Transaction,
  { idOf, undo, ...request }: Operation & AtEachRetry<T>,
  work: (transaction: Transaction) => Promise<Audited<T>>,
): Promise<Audited<T>> {
  const { applied, keep } = await beginRequest(transaction.statements, request, MadeRow);
  const undone = applied === undefined ? [] : await undo(transaction, applied.id);
  const { result, events } = await work(transaction);
  await keep({ id: idOf(result) });
  const made =
    applied === undefined ? events : events.map((event) => ({ ...event, reason: "REPLAYED" as const }));
  return audited(result, [...undone, ...made]);
}

function eventless(): Error {
  return new Error("an operation leaves an event");
}

function isPermitted({ actor }: Caller, verb: Verb, company: CompanyId | undefined): boolean {
  return company === undefined
    ? permitsOnPlatform(actor, verb)
    : permits(actor, verb, { companyId: company });
}

function attemptOf({ caller, action, secretKey, subject, version, company }: Operation): Attempt {
  return { caller, action, secretKey, subject, version, companyId: company?.id };
}

function entryOf(operation: Operation, event: EventDetails): AuditEntry {
  const { caller: _, ...defaults } = attemptOf(operation);
  return { ...defaults, outcome: "success", ...event };
}

function isList(events: EventDetails | readonly EventDetails[]): events is readonly EventDetails[] {
  return Array.isArray(events);
}
