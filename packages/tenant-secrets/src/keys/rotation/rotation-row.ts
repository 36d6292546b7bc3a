import { and, eq, isNull, or, sql } from "drizzle-orm";
import { DatabaseError, tables, type Database, type Statements } from "@repo/db";
import { onDatabase } from "@repo/audit-log";
import { TenantSecretsError } from "@repo/catalog";

const { keyRotations } = tables;

export type RotationRow = typeof keyRotations.$inferSelect;
export type RotationPhase = RotationRow["phase"];

/** A rotation whose driver was not heard of for this long is taken over by whoever asks. */
const leaseSeconds = 30;

export interface UnfinishedRotation {
  readonly row: RotationRow;
  /** Whether a process is at it, by the database's clock, which the lease is made with. */
  readonly driven: boolean;
}

export function findUnfinished(database: Database, region: string): Promise<UnfinishedRotation | undefined> {
  return onDatabase(() =>
    database.acrossCompanies(async (statements) => {
      const [found] = await statements
        .select({
          row: keyRotations,
          driven: sql<boolean>`coalesce(${keyRotations.leaseUntil} > now(), false)`,
        })
        .from(keyRotations)
        .where(and(eq(keyRotations.region, region), isNull(keyRotations.finishedAt)));
      return found;
    }),
  );
}

/** @throws {TenantSecretsError} CONFLICT where one is running in the region */
export async function insertRotation(
  statements: Statements,
  rotation: Pick<
    typeof keyRotations.$inferInsert,
    "region" | "fromVersion" | "toVersion" | "before" | "startedByKind" | "startedById"
  >,
): Promise<RotationRow> {
  const [row] = await statements.insert(keyRotations).values(rotation).onConflictDoNothing().returning();
  if (row === undefined) throw beingDriven();
  return row;
}

/** The right of one process to drive one rotation, as long as it goes on. Checked in every transaction that it does. */
export interface Lease {
  /** Extends the lease. @throws {TenantSecretsError} CONFLICT where another process has it by now */
  readonly fence: (statements: Statements) => Promise<void>;
  /** Moves on to the next phase, in the transaction of what the phase has done last. */
  enter(statements: Statements, phase: RotationPhase, changes?: Partial<RotationRow>): Promise<void>;
  /** Lets go, so that nobody has to wait for it to run out. */
  release(): Promise<void>;
}

/** @throws {TenantSecretsError} CONFLICT where another process drives this rotation */
export async function takeLease(database: Database, id: string, holder: string): Promise<Lease> {
  const hold = async (statements: Statements, changes: Partial<RotationRow> = {}): Promise<void> => {
    const held = await statements
      .update(keyRotations)
      .set({
        ...changes,
        leaseHolder: holder,
        leaseUntil: sql`now() + make_interval(secs => ${leaseSeconds})`,
      })
      .where(
        and(
          eq(keyRotations.id, id),
          or(
            eq(keyRotations.leaseHolder, holder),
            isNull(keyRotations.leaseUntil),
            sql`${keyRotations.leaseUntil} < now()`,
          ),
        ),
      )
      .returning({ id: keyRotations.id });
    if (held.length === 0) throw beingDriven();
  };
  await onDatabase(() => database.acrossCompanies((statements) => hold(statements)));
  return {
    fence: (statements) => hold(statements),
    enter: (statements, phase, changes = {}) => hold(statements, { ...changes, phase }),
    release: async () => {
      await database
        .acrossCompanies((statements) =>
          statements
            .update(keyRotations)
            .set({ leaseHolder: null, leaseUntil: null })
            .where(and(eq(keyRotations.id, id), eq(keyRotations.leaseHolder, holder))),
        )
        .catch((error: unknown) => {
          if (!(error instanceof DatabaseError)) throw error;
        });
    },
  };
}

export function beingDriven(): TenantSecretsError {
  return new TenantSecretsError(
    "CONFLICT",
    `A rotation of this region's master key is being driven by another process. Look at "keys status"; it can be taken over ${leaseSeconds} s after that process was last heard of.`,
  );
}
