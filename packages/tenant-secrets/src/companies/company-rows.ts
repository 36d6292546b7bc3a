import { findCompanyRow, type CompanyRow, type Database } from "@repo/db";
import { isDatabaseAway, onDatabase } from "../access/database-errors.ts";
import { createKeptAnswers, type Keeping, type KeptAnswers } from "../cache/kept-answers.ts";

/** Which company a subdomain names. */
export interface CompanyRows extends Pick<KeptAnswers<CompanyRow>, "doubt" | "start" | "stop"> {
  /**
   * @param now by `performance.now()`
   * @returns what is at hand; undefined where it has to be asked for, or there is no such company
   */
  peek(subdomain: string, now: number): CompanyRow | undefined;
  /** @throws {TenantSecretsError} DATABASE_UNAVAILABLE */
  find(subdomain: string): Promise<CompanyRow | undefined>;
  /** A company has changed: its name, where its secrets live, or whether it may be entered. */
  forget(companyId: string): void;
}

const bounds = { maxEntries: 10_000, maxBytes: 10_000_000 };
const rowBytes = 700;

export function createCompanyRows(database: Database, keeping: Keeping): CompanyRows {
  const rows = createKeptAnswers<CompanyRow>({
    ...keeping,
    // Last: whoever keeps values as well says how many of these, which is nothing to rows.
    ...bounds,
    sizeOf: () => rowBytes,
    isAway: isDatabaseAway,
    isAwayForAll: isDatabaseAway,
  });
  // Nobody owns names that are asked for: what was not used for longest makes room.
  const questionOf = (subdomain: string) => ({ owner: "", name: subdomain, source: "database" });
  return {
    doubt: () => rows.doubt(),
    start: () => rows.start(),
    stop: () => rows.stop(),
    peek: (subdomain, now) => rows.peek(questionOf(subdomain), now)?.value,
    find: (subdomain) =>
      rows.get(questionOf(subdomain), () => onDatabase(() => findCompanyRow(database, subdomain))),
    forget: (companyId) => rows.forgetWhere(({ id }) => id === companyId),
  };
}
