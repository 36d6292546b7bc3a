import { findCompanyRow, findCompanyRowById, type CompanyRow, type Database } from "@repo/db";
import { isDatabaseAway } from "@repo/audit-log";
import type { AuthenticRows } from "../access/authentic-rows.ts";
import { createKeptAnswers, type Keeping, type KeptAnswers } from "../cache/cache.ts";

/** Which company a subdomain names. */
export interface CompanyRows extends Pick<KeptAnswers<CompanyRow>, "doubt" | "start" | "stop"> {
  /**
   * @param now by `performance.now()`
   * @returns what is at hand; undefined where it has to be asked for, or there is no such company
   */
  peek(subdomain: string, now: number): CompanyRow | undefined;
  /** For whoever may enter every company. A row that is not genuine is none. @throws {TenantSecretsError} DATABASE_UNAVAILABLE */
  find(subdomain: string): Promise<CompanyRow | undefined>;
  /** As `find`, as the database has it now. */
  findById(id: string): Promise<CompanyRow | undefined>;
  /**
   * As `find`, for a caller who must not learn which companies there are. What may not be entered is asked for each time,
   * whether there is such a company or not: it takes as long, and fails in an outage in the same way.
   */
  findFor(enters: (row: CompanyRow) => boolean, subdomain: string): Promise<CompanyRow | undefined>;
  /** A company has changed: its name, where its secrets live, or whether it may be entered. */
  forget(companyId: string): void;
}

const bounds = { maxEntries: 10_000, maxBytes: 10_000_000 };
const rowBytes = 700;

export function createCompanyRows(
  database: Database,
  authentic: AuthenticRows,
  keeping: Keeping,
): CompanyRows {
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
  const genuine = async (find: () => Promise<CompanyRow | undefined>): Promise<CompanyRow | undefined> => {
    const row = await find();
    const counts = row !== undefined && (await authentic.accepts({ kind: "company", ...row }, row));
    return counts ? row : undefined;
  };
  const ask = (subdomain: string): Promise<CompanyRow | undefined> =>
    genuine(() => findCompanyRow(database, subdomain));
  return {
    doubt: () => rows.doubt(),
    start: () => rows.start(),
    stop: () => rows.stop(),
    peek: (subdomain, now) => rows.peek(questionOf(subdomain), now)?.value,
    find: (subdomain) => rows.get(questionOf(subdomain), () => ask(subdomain)),
    findFor: (enters, subdomain) => {
      const question = questionOf(subdomain);
      const known = rows.peekAny(question);
      return known !== undefined && enters(known)
        ? rows.get(question, () => ask(subdomain))
        : rows.askAnew(question, () => ask(subdomain));
    },
    findById: (id) => genuine(() => findCompanyRowById(database, id)),
    forget: (companyId) => rows.forgetWhere(({ id }) => id === companyId),
  };
}
