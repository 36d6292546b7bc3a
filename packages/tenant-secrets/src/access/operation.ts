import { DatabaseError, type Database, type Statements } from "@repo/db";
import { z } from "zod";
import type { AuditEntry, AuditLog } from "@repo/audit-log";
import { type Caller, type CompanyId, forbidden, type TenantSecretsError, type Verb } from "@repo/catalog";
import { auditFailure, deny, type Attempt } from "./attempt.ts";
import type { AuthenticRows, RowWriter } from "./authentic-rows.ts";
import { beginRequest } from "./management-requests.ts";
import { permits, permitsOnPlatform } from "./permissions.ts";

/** What a caller asks for, as the permissions and the audit log see it. */
export interface Operation extends Pick<Attempt, "caller" | "action" | "secretKey" | "subject" | "version"> {
  /** The company that it belongs to. Left out: the platform. */
  readonly company?: { readonly id: CompanyId } | undefined;
  /** What the caller needs there. Left out where the permission was checked before, or where none is needed. */
  readonly verb?: Verb | undefined;
  /** What the operation is called in a denial, after "may not". Default: the verb. */
  readonly to?: string;
  /** Why the operation is denied to a caller who has the verb. */
  readonly deny?: TenantSecretsError | undefined;
}

export interface OperationInSteps extends Operation {
  /** Whether the operation would change something, so that its outcome is unknown when an answer was lost. Default: true. */
  readonly changes?: boolean;
}

/** What an event says beyond its operation, whose action, company, subject and version are its defaults. */
export type EventDetails = Partial<AuditEntry>;

/** A result with the events that are committed before it leaves. Made by {@link audited}. */
export interface Audited<T> {
  readonly result: T;
  readonly events: readonly EventDetails[];
}

export function audited<T>(result: T, events: EventDetails | readonly EventDetails[]): Audited<T> {
  return { result, events: isList(events) ? events : [events] };
}

/** What a change works with: one transaction across companies. A change awaits nothing but its statements. */
export interface Transaction {
  readonly statements: Statements;
  /** For rows with a MAC. */
  readonly writer: RowWriter;
}

export interface Change<T> extends Operation {
  /** Runs first in the transaction: takes locks, and checks what has to hold for a retry as well. */
  readonly guard?: (transaction: Transaction) => Promise<void>;
  /** Applies a request with an id once. A retry is answered with the first answer, which holds no credential. */
  readonly once?: Once<T>;
  /** Applies a request with an id at each retry, and undoes the attempt before: its answer held a credential. */
  readonly atEachRetry?: AtEachRetry<T>;
  /** What the violation of a constraint of the database means, by the constraint's name. */
  readonly violations?: Readonly<Record<string, () => TenantSecretsError>>;
}

interface RetriedRequest {
  /** Left out: it is applied as often as it is asked for. */
  readonly requestId: string | undefined;
  /** What the request asks for. A retry asks for the same. */
  readonly asked: object;
}

interface Once<T> extends RetriedRequest {
  /** Of the answer: dates are texts in JSON. */
  readonly answer: z.ZodType<T>;
  /** What the event of a retry says. */
  readonly replayed?: (answer: T) => EventDetails;
}

interface AtEachRetry<T> extends RetriedRequest {
  readonly idOf: (result: T) => string;
  /** Undoes the attempt before, by the id of what it made. @returns the events of that */
  readonly undo: (transaction: Transaction, id: string) => Promise<readonly EventDetails[]>;
}

/** The steps of an operation that cannot be one transaction. */
export interface Steps {
  /** One transaction with its events. Both commit, or neither. */
  readonly commit: <T>(work: (transaction: Transaction) => Promise<Audited<T>>) => Promise<T>;
  /** Commits an event alone, such as *attempted* before a call that cannot be undone. Subject to flood control. */
  readonly record: (event: EventDetails) => Promise<void>;
  /** Commits events of the operation's company together, or of any company where the operation has none. */
  readonly recordTogether: (events: readonly EventDetails[]) => Promise<void>;
}

/**
 * How callers change and read what belongs to a company or to the platform. Each operation asks for its permission, audits a
 * denial and a failure, and hands on errors as ours. Its success is audited before the answer leaves.
 */
export interface Operations {
  /**
   * One transaction, whose events commit with it.
   *
   * @throws {TenantSecretsError} FORBIDDEN; what `work` throws and the database causes; for a request with an id
   *   INVALID_INPUT, and CONFLICT where the id was used for something else within 24 hours; AUDIT_UNAVAILABLE
   */
  change<T>(operation: Change<T>, work: (transaction: Transaction) => Promise<Audited<T>>): Promise<T>;
  /**
   * A read. Several events commit together; one alone is subject to flood control.
   *
   * @param work gets a function that runs one transaction across companies
   * @throws {TenantSecretsError} FORBIDDEN; what `work` throws and the database causes; AUDIT_UNAVAILABLE
   */
  read<T>(operation: Operation, work: (across: Across) => Promise<Audited<T>>): Promise<T>;
  /** An operation with effects outside the database, or with many transactions. `work` audits each of its steps. @throws as `change` */
  inSteps<T>(operation: OperationInSteps, work: (steps: Steps) => Promise<T>): Promise<T>;
  /** Steps of a job, or of an operation that audits its failures in another way. No permission is checked. */
  steps(operation: Operation): Steps;
  /** @throws {TenantSecretsError} FORBIDDEN, audited */
  authorize(operation: Operation): Promise<void>;
  /** Audits a denial, and throws it. */
  deny(asked: Attempt, error: TenantSecretsError): Promise<never>;
}

/** Runs one transaction across companies. */
export type Across = <T>(query: (statements: Statements) => Promise<T>) => Promise<T>;

const MadeRow = z.object({ id: z.uuid() });

export function createOperations(
  database: Database,
  authentic: Pick<AuthenticRows, "change">,
  audit: AuditLog,
): Operations {
  const authorize = async (operation: Operation): Promise<void> => {
    const { caller, company, verb, to = verb, deny: reason } = operation;
    if (verb !== undefined && !isPermitted(caller, verb, company?.id))
      await deny(audit, attemptOf(operation), forbidden(to ?? verb));
    if (reason !== undefined) await deny(audit, attemptOf(operation), reason);
  };

  const attempt = async <T>(operation: Operation, changes: boolean, work: () => Promise<T>): Promise<T> => {
    await authorize(operation);
    return auditFailure(audit, { ...attemptOf(operation), changes }, work);
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
    authentic.change(async (statements, writer) => {
      const { result, events } = await work({ statements, writer });
      await recordIn(statements, operation, events);
      return result;
    });

  const steps = (operation: Operation): Steps => ({
    commit: (work) => commit(operation, work),
    record: (event) => audit.record(operation.caller, entryOf(operation, event)),
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
