import type { LegacySource } from "@repo/db";
import type {
  LegacyImportOptions,
  LegacyOutcome,
  LegacyResult,
  LegacyRow,
} from "@repo/tenant-secrets/operator";
import { defineCommand } from "../command.ts";
import { readLegacyDatabaseUrl } from "../env.ts";
import { IncompleteError, UsageError } from "../failure.ts";
import { asOperator, rejectApiUrl } from "../in-process.ts";
import { print, printable, printJson, remark, table } from "../output.ts";

type Counts = Record<LegacyResult, number>;

interface Report {
  readonly counts: Counts;
  /** Those that were left alone; in a dry run, all. */
  readonly rows: readonly LegacyOutcome[];
}

export const importLegacyCommand = defineCommand({
  positionals: [],
  options: {
    input: {
      type: "string",
      value: "file",
      help: 'JSON Lines, each {"company": subdomain or id, "secretKey": …, "encrypted": …}, in place of a database',
    },
    "source-url-file": {
      type: "string",
      value: "file",
      help: "The file that holds the old database's URL, in place of LEGACY_DATABASE_URL",
    },
    table: {
      type: "string",
      value: "name",
      help: "The old database's table of rows, as name or schema.name; company_secrets unless given",
    },
    "companies-table": {
      type: "string",
      value: "name",
      help: "Its table of companies; companies unless given, and not needed where company_id holds subdomains",
    },
    assign: {
      type: "string",
      value: "name=company",
      multiple: true,
      help: "The company here, by subdomain or id, to which a subdomain or id of the old rows belongs",
    },
    "key-name": {
      type: "string",
      value: "name",
      help: "The raw key's name in /hono-api in Infisical; MASTER_ENCRYPTION_KEY unless given",
    },
    "custom-unknown": {
      type: "boolean",
      help: "Take names that the catalogue does not list, as CUSTOM_ and the name in capitals",
    },
    "dry-run": { type: "boolean", help: "Say of every row what would become of it, and write no secret" },
    batch: { type: "string", value: "rows", help: "How many rows are read at a time; 500 unless given" },
  },
  details: `Reads rows in the form ivHex:ciphertextHex:tagHex, encrypted with AES-256-GCM under the raw master key, from the tables
company_secrets and companies of the old database or from a file. Encrypts each value again, reads it back and compares
it. Never changes what is there: a value that is equal is "unchanged", anything else a "conflict". A row that was left
alone is listed with the reason, and makes the exit code 1. Run again after an interruption, it completes the rest.
Works on the database itself and not through an API. For operators. docs/import-legacy.md explains the reasons.`,
  examples: [
    "import-legacy --dry-run",
    "import-legacy --source-url-file /run/secrets/old-database-url --custom-unknown",
    "import-legacy --input rows.jsonl --key-name OLD_ENCRYPTION_KEY --json > report.json",
  ],
  run: async (values) => {
    const batchSize = batchSizeOf(values.batch);
    const source = await sourceOf(values, batchSize);
    const dryRun = values["dry-run"];
    const options: Omit<LegacyImportOptions, "onOutcome"> = {
      keyName: values["key-name"] ?? "MASTER_ENCRYPTION_KEY",
      customUnknown: values["custom-unknown"],
      dryRun,
      assigned: assignments(values.assign),
    };
    rejectApiUrl("Rows are not imported");
    const { counts, rows } = await asOperator((secrets, caller) =>
      collect((onOutcome) => secrets.importLegacy(caller, source, { ...options, onOutcome }), dryRun),
    );
    if (values.json) printJson({ dryRun, counts, rows });
    else {
      if (rows.length > 0) print(tableOf(rows));
      print(summaryOf(counts, dryRun));
    }
    const leftAlone = counts.conflict + counts.bad;
    if (leftAlone > 0) {
      throw new IncompleteError(
        `${leftAlone} ${leftAlone === 1 ? "row is" : "rows are"} left alone, each listed with its reason. docs/import-legacy.md says what to do.`,
      );
    }
  },
});

function batchSizeOf(text = "500"): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError("--batch is a number of rows, 1 to 9999.");
  return Number(text);
}

/** @throws {UsageError} */
function assignments(given: readonly string[]): ReadonlyMap<string, string> {
  const pairs = given.map((text) => /^([^=]+)=([^=]+)$/.exec(text)?.slice(1) ?? []);
  const assigned = new Map<string, string>();
  for (const [name, company] of pairs) {
    if (name === undefined || company === undefined) {
      throw new UsageError("--assign is NAME=COMPANY, such as oldname=acmecorp.");
    }
    if (assigned.has(name)) throw new UsageError(`--assign gives ${printable(name)} to two companies.`);
    assigned.set(name, company);
  }
  return assigned;
}

interface SourceOptions {
  readonly input: string | undefined;
  readonly "source-url-file": string | undefined;
  readonly table: string | undefined;
  readonly "companies-table": string | undefined;
}

async function sourceOf(
  { input, "source-url-file": urlFile, table: rowsTable, "companies-table": companiesTable }: SourceOptions,
  batchSize: number,
): Promise<AsyncIterable<readonly LegacyRow[]>> {
  if (input !== undefined && urlFile !== undefined) {
    throw new UsageError("Rows come from one place: give --input or --source-url-file.");
  }
  if (input !== undefined && (rowsTable ?? companiesTable) !== undefined) {
    throw new UsageError("--table and --companies-table are of a database, and --input is a file.");
  }
  if (input === undefined) {
    const { databaseUrlVariable } = await import("@repo/db");
    const url = readLegacyDatabaseUrl(urlFile, databaseUrlVariable);
    return readDatabase({ url, batchSize, table: rowsTable, companiesTable });
  }
  const { readLegacyLines } = await import("../legacy-lines.ts");
  return readLegacyLines(input, batchSize);
}

/** What a server, or the way to it, refuses before anything is read. */
const connecting = /^(?:28|3D|ENOTFOUND|SSL_|ERR_)|CERT|SIGNATURE|ISSUER/;

async function* readDatabase(source: LegacySource): AsyncGenerator<readonly LegacyRow[], void> {
  const { ConnectionProblem, DatabaseError, explainConnection, readLegacyRows } = await import("@repo/db");
  try {
    yield* readLegacyRows(source);
  } catch (error) {
    if (error instanceof RangeError) {
      throw new UsageError(
        `The old database was refused: ${error.message} See --table and --companies-table.`,
      );
    }
    if (!(error instanceof DatabaseError)) throw error;
    const { TenantSecretsError } = await import("@repo/tenant-secrets");
    const problem = explainConnection("LEGACY_DATABASE_URL", source.url, error);
    if (problem instanceof ConnectionProblem && connecting.test(error.code))
      throw new TenantSecretsError("INTERNAL", problem.message);
    throw error.kind === "unavailable"
      ? new TenantSecretsError("DATABASE_UNAVAILABLE", `The old database cannot be reached (${error.code}).`)
      : new TenantSecretsError(
          "INTERNAL",
          `The old database does not let us read company_secrets and companies as they should be: ${error.message}.`,
        );
  }
}

async function collect(
  importRows: (onOutcome: LegacyImportOptions["onOutcome"]) => Promise<void>,
  all: boolean,
): Promise<Report> {
  const counts: Counts = { imported: 0, unchanged: 0, conflict: 0, bad: 0 };
  const rows: LegacyOutcome[] = [];
  try {
    await importRows((outcome) => {
      counts[outcome.result]++;
      if (all || outcome.reason !== undefined) rows.push(outcome);
    });
  } catch (error) {
    if (Object.values(counts).some((count) => count > 0)) {
      remark(`Stopped early. Until then: ${summaryOf(counts, all)} Run it again for the rest.`);
    }
    throw error;
  }
  return { counts, rows };
}

function tableOf(rows: readonly LegacyOutcome[]): string {
  return table(
    ["COMPANY", "SECRET KEY", "HERE", "RESULT", "REASON"],
    rows.map(({ company, secretKey, target, result, reason }) => [
      company,
      secretKey,
      target ?? "",
      result,
      reason ?? "",
    ]),
  );
}

function summaryOf({ imported, unchanged, conflict, bad }: Counts, dryRun: boolean): string {
  return `${dryRun ? "Would be imported" : "Imported"}: ${imported}, unchanged: ${unchanged}, conflict: ${conflict}, bad: ${bad}.`;
}
