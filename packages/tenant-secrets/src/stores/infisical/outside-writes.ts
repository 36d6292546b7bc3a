import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { and, eq, inArray, lte, ne, sql } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import { InfisicalError } from "@repo/infisical";
import type { AuditEntry } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";
import { fingerprint, type Plaintext } from "@repo/envelope";
import type { Company, CompanyScope } from "../../companies/companies.ts";
import { StoreChanged } from "../../companies/company-lock.ts";
import { inEnteredCompany, type DatabaseParts } from "../database/transaction.ts";

const { folderEntries, outsideWrites } = tables;

/** A change of one secret in the company's folder. */
export interface OutsideChange {
  readonly action: "secret.write" | "secret.remove";
  readonly secretKey: string;
  /** The new value; undefined for a deletion. */
  readonly plaintext?: Plaintext;
}

/** The fields of the event beside its outcome. */
export type OutsideResult = Pick<AuditEntry, "version" | "reason">;

export interface OutsideWrites {
  /**
   * Makes a change in Infisical, between two transactions of ours: the first admits it, and the second tells its success. Writes
   * of one secret take turns, in all processes.
   *
   * @param call may be made again, and throws as the client does
   * @throws {StoreChanged} where the company has another store since: the change may have been made, and has no effect on the company any more
   * @throws {InfisicalError} as `call`; AMBIGUOUS also where that took so long that the job has settled it meanwhile
   * @throws {TenantSecretsError} STORE_UNAVAILABLE where others write the same secret for longer than one waits
   */
  run<Result extends OutsideResult>(
    scope: CompanyScope,
    change: OutsideChange,
    call: () => Promise<Result>,
  ): Promise<Result>;
}

/** The default deadline of a call of the client. */
const callMs = 5000;
/** How long after its admission a call may begin, so that it is over by its deadline. */
const admissionMs = 5000;
/** Longer than the call of a killed process blocks the secret, in milliseconds. */
const longestTurnMs = callMs + admissionMs + 2000;

export function createOutsideWrites(parts: DatabaseParts): OutsideWrites {
  const { database, companyKeys, audit } = parts;
  const inTurn = createTurns();

  /** @returns the row's id; undefined while another write of the secret is in flight */
  const admit = async (
    { company, caller }: CompanyScope,
    { action, secretKey, plaintext }: OutsideChange,
  ): Promise<string | undefined> => {
    const key = plaintext && (await companyKeys.forEncryption(company.id));
    const id = randomUUID();
    return inEnteredCompany(parts, { company }, async (statements) => {
      await statements
        .update(outsideWrites)
        .set({ state: "unknown" })
        .where(and(ofSecret(company, secretKey), inFlight, lte(outsideWrites.deadlineAt, clock)));
      const admitted = await statements
        .insert(outsideWrites)
        .values({
          id,
          companyId: company.id,
          storeEpoch: company.storeEpoch,
          secretKey,
          kind: plaintext === undefined ? "delete" : "put",
          valueMac: key && plaintext && fingerprint(key, plaintext.bytes),
          companyKeyVersion: key?.keyVersion,
          deadlineAt: sql`${clock} + make_interval(secs => ${(callMs + admissionMs) / 1000})`,
        })
        .onConflictDoNothing({
          target: [outsideWrites.companyId, outsideWrites.secretKey],
          where: inFlight,
        })
        .returning({ id: outsideWrites.id });
      if (admitted.length === 0) return undefined;
      await audit.recordInTransaction(statements, caller, {
        action,
        outcome: "attempted",
        companyId: company.id,
        secretKey,
      });
      return id;
    });
  };

  const waitForTurn = async (scope: CompanyScope, change: OutsideChange, giveUpAt: number) => {
    while (performance.now() < giveUpAt) {
      const admittedAt = performance.now();
      const id = await admit(scope, change);
      if (id !== undefined) return { id, admittedAt };
      await sleep(25 + 75 * Math.random());
    }
    throw othersWrite(change.secretKey);
  };

  /** In the company's scope, whatever store it has by now: the row says whether that has changed. */
  const onRow = async <T>(company: Company, work: (statements: Statements) => Promise<T>): Promise<T> => {
    await audit.ready();
    return database.inCompany(company.id, work);
  };

  /** @returns whether the change stands, was abandoned by a change of the store, or was settled by the job before */
  const settle = (
    { company, caller }: CompanyScope,
    id: string,
    entry: AuditEntry & Pick<OutsideChange, "secretKey">,
  ): Promise<"counts" | "given up" | "settled before"> =>
    onRow(company, async (statements) => {
      const [row] = await statements
        .delete(outsideWrites)
        .where(ofId(company, id))
        .returning({ state: outsideWrites.state });
      if (row === undefined) return (await hasStoreOf(statements, company)) ? "settled before" : "given up";
      if (row.state === "abandoned") return "given up";
      if (entry.action === "secret.remove") await forgetEntry(statements, company.id, entry.secretKey);
      await audit.recordInTransaction(statements, caller, entry);
      return "counts";
    });

  /** @param absent the secret key that Infisical does not have, as it says */
  const withdraw = (company: Company, id: string, absent?: string): Promise<unknown> =>
    onRow(company, async (statements) => {
      await statements.delete(outsideWrites).where(ofId(company, id));
      if (absent !== undefined) await forgetEntry(statements, company.id, absent);
    });

  /** Leaves the row to the job that finds out, unless it looks for the same already. */
  const leaveOpen = (company: Company, id: string): Promise<unknown> =>
    onRow(company, async (statements) => {
      const mine = and(ofId(company, id), ne(outsideWrites.state, "abandoned"));
      const [row] = await statements.update(outsideWrites).set({ state: "unknown" }).where(mine).returning();
      if (row === undefined) return;
      const same = and(
        ofSecret(company, row.secretKey),
        eq(outsideWrites.state, "unknown"),
        eq(outsideWrites.kind, row.kind),
        sql`${outsideWrites.valueMac} is not distinct from ${row.valueMac}`,
        ne(outsideWrites.id, id),
      );
      await statements.delete(outsideWrites).where(same);
    });

  return {
    run: (scope, change, call) => {
      const { company } = scope;
      const { action, secretKey } = change;
      const giveUpAt = performance.now() + longestTurnMs;
      return inTurn(`${company.id} ${secretKey}`, async () => {
        for (;;) {
          const { id, admittedAt } = await waitForTurn(scope, change, giveUpAt);
          // A process can be paused in between. By the time of its call the deadline of the row would be over.
          if (performance.now() - admittedAt > admissionMs) {
            await withdraw(company, id);
            continue;
          }
          let result;
          try {
            result = await call();
          } catch (error) {
            const isAbsent =
              action === "secret.remove" && error instanceof TenantSecretsError && error.code === "NOT_FOUND";
            // What fails here is found by the job, once the deadline has passed.
            await (
              isRefusal(error)
                ? withdraw(company, id, isAbsent ? secretKey : undefined)
                : leaveOpen(company, id)
            ).catch(() => {});
            throw error;
          }
          const { version, reason } = result;
          const entry = { action, outcome: "success", companyId: company.id, secretKey } as const;
          const settled = await settle(scope, id, { ...entry, version, reason });
          if (settled === "counts") return result;
          // A second attempt would undo later writes that were acknowledged.
          if (settled === "settled before") throw new InfisicalError("AMBIGUOUS");
          throw new StoreChanged();
        }
      });
    },
  };
}

/**
 * For copies from Infisical: a copy that was read before an unsettled change arrives there would undo that change.
 *
 * @returns those of the secrets that have such a change
 */
export async function findUnsettled(
  statements: Statements,
  company: Company,
  secretKeys: readonly string[],
): Promise<ReadonlySet<string>> {
  const unsettled = await statements
    .select({ secretKey: outsideWrites.secretKey })
    .from(outsideWrites)
    .where(and(eq(outsideWrites.companyId, company.id), inArray(outsideWrites.secretKey, [...secretKeys])));
  return new Set(unsettled.map(({ secretKey }) => secretKey));
}

export function notSettled(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `It is not known yet what became of a change of ${secretKey} in Infisical: try again in a minute.`,
  );
}

/**
 * The ledger of a migration has no entry of a secret that is known to be absent in the folder: a folder that is empty although
 * its ledger is not is taken for a wrong answer.
 */
export async function forgetEntry(
  statements: Statements,
  companyId: string,
  secretKey: string,
): Promise<void> {
  await statements
    .delete(folderEntries)
    .where(and(eq(folderEntries.companyId, companyId), eq(folderEntries.secretKey, secretKey)));
}

/** By the wall clock of the database: a transaction may have waited for long. */
const clock = sql`clock_timestamp()`;
const inFlight = sql`${outsideWrites.state} = 'in-flight'`;

function ofId({ id: companyId }: Company, id: string) {
  return and(eq(outsideWrites.companyId, companyId), eq(outsideWrites.id, id));
}

function ofSecret({ id: companyId }: Company, secretKey: string) {
  return and(eq(outsideWrites.companyId, companyId), eq(outsideWrites.secretKey, secretKey));
}

async function hasStoreOf(statements: Statements, { id, storeEpoch }: Company): Promise<boolean> {
  const { companies } = tables;
  const [row] = await statements
    .select({ storeEpoch: companies.storeEpoch })
    .from(companies)
    .where(eq(companies.id, id));
  return row?.storeEpoch === storeEpoch;
}

/** Whether Infisical said no, or was not asked: then no late request of ours can change anything. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof InfisicalError)) return error instanceof TenantSecretsError;
  return error.retryAfterMs !== undefined || refusals.has(error.code);
}

const refusals: ReadonlySet<InfisicalError["code"]> = new Set([
  "FORBIDDEN",
  "UNAUTHORIZED",
  "NOT_FOUND",
  "INVALID_INPUT",
  "RATE_LIMITED",
]);

function othersWrite(secretKey: string): TenantSecretsError {
  return new TenantSecretsError(
    "STORE_UNAVAILABLE",
    `Nothing was written: other writes of ${secretKey} are in flight at Infisical. Try again in a moment.`,
    { store: "unchanged", retryAfterMs: 1000 },
  );
}

/** One at a time of each name, in this process: only one of its writers waits for those of others. */
function createTurns(): <T>(name: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return async (name, work) => {
    const turn = (last.get(name) ?? Promise.resolve()).then(work);
    const over = turn.catch(() => {});
    last.set(name, over);
    try {
      return await turn;
    } finally {
      if (last.get(name) === over) last.delete(name);
    }
  };
}
