import { and, asc, inArray, sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { tables, type Database, type Statements } from "@repo/db";
import { daysAgo, type Kept, type Retention } from "../access/retention.ts";
import { secretSubjectIn } from "../runs/definition.ts";
import { isPrevious } from "../stores/database/grace-windows.ts";
import { destroyed, ofVersion, sameSecret } from "../stores/database/secret-head.ts";

const { companySecrets, companySecretVersions } = tables;

/** Secrets that one transaction looks at and locks, and values that it destroys. */
const mostSecrets = 100;
const mostVersions = 1000;

interface Parts {
  readonly database: Pick<Database, "acrossCompanies">;
  readonly retention: Pick<Retention, "agreed">;
  /** Which secrets this region looks after, and of which nothing is kept back. */
  readonly isServed: SQL;
  /** In the transaction that destroys. */
  readonly record: (statements: Statements, gone: Gone) => Promise<void>;
}

interface Secret {
  readonly companyId: string;
  readonly secretKey: string;
}

/** A secret of which values were destroyed, and the newest of the versions. */
interface Gone extends Secret {
  readonly version: number;
}

/** Destroys the values of versions that are due, of each secret the oldest first. @returns of how many secrets */
export async function destroyOldVersions(parts: Parts, signal: AbortSignal): Promise<number> {
  let done = 0;
  let after: Secret | undefined = { companyId: "00000000-0000-0000-0000-000000000000", secretKey: "" };
  while (after !== undefined && !signal.aborted) {
    const from: Secret = after;
    const batch = await parts.database.acrossCompanies((statements) => destroyBatch(statements, parts, from));
    done += batch.done;
    after = batch.after;
  }
  return done;
}

interface Batch {
  readonly done: number;
  /** The secret after which the next batch begins; undefined at the end. */
  readonly after: Secret | undefined;
}

async function destroyBatch(statements: Statements, parts: Parts, from: Secret): Promise<Batch> {
  const kept = await parts.retention.agreed(statements);
  const found = Secrets.parse([...(await statements.execute(secretsWithMore(kept, from)))]);
  const heads =
    found.length === 0
      ? []
      : await statements
          .select({ companyId: companySecrets.companyId, secretKey: companySecrets.secretKey })
          .from(companySecrets)
          .where(
            and(
              parts.isServed,
              isAtRest,
              inArray(sql`(${companySecrets.companyId}, ${companySecrets.secretKey})`, found.map(asRow)),
            ),
          )
          .orderBy(asc(companySecrets.companyId), asc(companySecrets.secretKey))
          .for("update");
  let [done, room] = [0, mostVersions];
  let before = from;
  for (const head of heads) {
    const gone = await statements
      .update(companySecretVersions)
      .set(destroyed)
      .where(
        and(
          ofVersion(head),
          // An array is computed once, and a list of rows might be for each version.
          sql`${companySecretVersions.version} = any(array(select due.version from (${dueVersions(kept, ofHead(head))}) due
            order by due.replaced_at, due.version limit ${room}))`,
        ),
      )
      .returning({ version: companySecretVersions.version });
    room -= gone.length;
    // Another worker may have done it already.
    if (gone.length > 0) {
      const version = Math.max(...gone.map((each) => each.version));
      await parts.record(statements, { ...head, version });
      done++;
    }
    // The rest of this secret is for the next batch.
    if (room === 0) return { done, after: before };
    before = head;
  }
  return { done, after: found.length < mostSecrets ? undefined : found.at(-1) };
}

const Secrets = z.array(z.object({ companyId: z.string(), secretKey: z.string() }));

function asRow({ companyId, secretKey }: Secret): SQL {
  return sql`(${companyId}::uuid, ${secretKey})`;
}

function ofHead({ companyId, secretKey }: Secret): SQL {
  return sql`company_id = ${companyId} and secret_key = ${secretKey}`;
}

/** Replaced versions that have a value. The index `company_secret_versions_replaced` has them, and no others. */
const isReplaced = sql`value_encrypted is not null and replaced_at is not null`;

/** The next secrets that have more replaced versions with a value than are kept whatever their age. */
function secretsWithMore({ versions, versionDays }: Kept, after: Secret): SQL {
  return sql`select company_id as "companyId", secret_key as "secretKey" from company_secret_versions
    where ${isReplaced} and (company_id, secret_key) > ${asRow(after)}
    group by company_id, secret_key
    having count(*) >= ${versions} and min(replaced_at) <= ${daysAgo(versionDays)}
    order by company_id, secret_key limit ${mostSecrets}`;
}

/** While a rotation of a secret is not over, it may fall back to any version that it found. */
const isAtRest = sql`not exists (select from runs r where r.kind = 'rotate-secret' and r.finished_at is null
  and r.subject = ${secretSubjectIn(companySecrets)})`;

/**
 * Versions whose values are due, with `since` when they are. A version is kept while it is among those that were replaced last,
 * beside the current one, whose value is in the head; for some days after it was replaced; and in its grace window. When it was
 * created does not matter: a version can be pending for a long time.
 *
 * @param which of the versions' columns, by name: whole secrets, which are few
 */
function dueVersions({ versions, versionDays }: Kept, which: SQL): SQL {
  const beside = versions - 1;
  const ofSecretsLatest = sql`(partition by company_id, secret_key order by replaced_at desc, version desc)`;
  // Named as the table, for the conditions on its columns.
  return sql`select ${companySecretVersions}.*,
      greatest(replaced_at + make_interval(days => ${versionDays}::integer), beyond_at) as since
    from (select company_id, secret_key, version, replaced_at, row_number() over ${ofSecretsLatest} as place,
        lag(replaced_at, ${beside}::integer) over ${ofSecretsLatest} as beyond_at
      from company_secret_versions where ${which} and ${isReplaced}) ${companySecretVersions}
    join company_secrets on ${sameSecret}
    where place > ${beside} and replaced_at <= ${daysAgo(versionDays)} and not ${isPrevious}`;
}

/** Secrets that a measurement looks at, in their order: a lowered setting may make more of them due than a scrape can wait for. */
const mostMeasured = 10_000;

/** Versions whose values this region has to destroy, of so many secrets, as rows with `since`. */
export function allDueVersions(kept: Kept, isServed: SQL): SQL {
  return sql`select since from (${dueVersions(
    kept,
    sql`(company_id, secret_key) in (select company_id, secret_key from company_secret_versions
      where ${isReplaced} group by company_id, secret_key
      having count(*) >= ${kept.versions} and min(replaced_at) <= ${daysAgo(kept.versionDays)}
      order by company_id, secret_key limit ${mostMeasured})`,
  )} and ${isServed} and ${isAtRest}) due`;
}
