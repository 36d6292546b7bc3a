import postgres from "postgres";
import { connectOnce } from "../provision.ts";
import { ownSchema, releases, type SchemaVersion } from "./released.ts";

/** The tables do not fit this program. The message says which version each has, and what to do. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";
  /** Whether the database is behind this program, so that a migration helps. */
  readonly isBehind: boolean;

  constructor(message: string, isBehind: boolean) {
    super(message);
    this.isBehind = isBehind;
  }
}

/** The version of a database whose tables 0.1.0 has made, which wrote none. */
const unwritten = releases[0].schema;
const undefinedTable = "42P01";

/**
 * @param sql as a role that may read the table: the application's or the owner
 * @returns the newest version that the database has had; that of 0.1.0, too, where it has no tables at all
 */
export async function readSchemaVersion(sql: postgres.ISql): Promise<SchemaVersion> {
  try {
    const [row] = await sql<SchemaVersion[]>`
      select version, oldest, release from public.schema_versions order by version desc limit 1`;
    return row ?? unwritten;
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === undefinedTable) return unwritten;
    throw error;
  }
}

/**
 * Compares a database with this program.
 *
 * @returns a sentence for the log where the database is newer and still serves this program; undefined where both are the same
 * @throws {SchemaError} where the database is behind, or is newer and serves this program no longer
 */
export function fitSchema(found: SchemaVersion, own: SchemaVersion = ownSchema): string | undefined {
  const program = `this is release ${own.release}, which was made for version ${own.version}`;
  const database = `the database has schema version ${found.version} (release ${found.release})`;
  if (found.version < own.version)
    throw new SchemaError(
      `${capital(database)} or none, and ${program}: run "secrets database migrate" of release ${own.release}.`,
      true,
    );
  if (found.oldest > own.version)
    throw new SchemaError(
      `${capital(database)}, which serves programs of version ${found.oldest} and later, and ${program}: start release ` +
        `${found.release} or a newer one. Nothing was changed.`,
      false,
    );
  return found.version === own.version ? undefined : `${database}, and serves this program: ${program}`;
}

/** The version of a database beside the one that this program was made for. */
export interface DatabaseSchema {
  readonly own: SchemaVersion;
  /** That of 0.1.0, too, where the database has no tables at all. */
  readonly found: SchemaVersion;
  /** Where both differ and fit. */
  readonly notice: string | undefined;
  /** Where this program would not start. */
  readonly problem: string | undefined;
}

/** @param url of the application's role, or the owner's */
export async function readDatabaseSchema(url: string): Promise<DatabaseSchema> {
  const sql = connectOnce(url);
  try {
    const found = await readSchemaVersion(sql);
    try {
      return { own: ownSchema, found, notice: fitSchema(found), problem: undefined };
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      return { own: ownSchema, found, notice: undefined, problem: error.message };
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
