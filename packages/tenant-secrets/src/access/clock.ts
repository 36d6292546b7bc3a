import { sql } from "drizzle-orm";
import type { Database, Statements } from "@repo/db";
import { TenantSecretsError } from "@repo/catalog";

/** Milliseconds that the clock of a process may differ from the database's before an operator is told. */
const mostOffMs = 60_000;

/** The database's clock, in milliseconds of Unix time. */
export async function clockMs(statements: Statements): Promise<number> {
  const [clock] = await statements.execute<{ now: number }>(
    sql`select floor(extract(epoch from clock_timestamp()) * 1000)::float8 as now`,
  );
  if (clock === undefined) throw new Error("a clock has one time");
  return clock.now;
}

/** @returns by how many seconds the clock of this process is ahead of the database's, to half a round trip */
export async function measureClock({ acrossCompanies }: Pick<Database, "acrossCompanies">): Promise<number> {
  const before = Date.now();
  const now = await acrossCompanies(clockMs);
  return ((before + Date.now()) / 2 - now) / 1000;
}

/**
 * Compares times of the database, as they come, with the clock of this process.
 *
 * @param onOff told once of each time in which the clock is off
 * @returns the function that takes a time, in milliseconds since 1970
 */
export function createClockWatch(onOff: (error: TenantSecretsError) => void): (databaseNow: number) => void {
  let isOff = false;
  return (databaseNow) => {
    const offMs = Date.now() - databaseNow;
    const wasOff = isOff;
    isOff = Math.abs(offMs) > mostOffMs;
    if (isOff && !wasOff) onOff(clockIsOff(offMs));
  };
}

function clockIsOff(offMs: number): TenantSecretsError {
  const seconds = Math.round(Math.abs(offMs) / 1000);
  return new TenantSecretsError(
    "INTERNAL",
    `the clock of this process is ${seconds} s ${offMs > 0 ? "ahead of" : "behind"} the database's: have its host set it. Notifications are signed with the database's time, and events of the audit log have this one.`,
  );
}
