import {
  parseJsonFile,
  readEnvEntries,
  TenantSecretsError,
  utf8Bytes,
  type FileEntry,
} from "@repo/tenant-secrets/files";
import type { ApiAnswers } from "@repo/tenant-secrets/client";

/** One secret of a file that is imported. */
export interface ImportRow {
  /** Its place in the file, from 1. */
  readonly id: number;
  /** The name as the file has it, or as the person corrected it. */
  readonly secretKey: string;
  readonly entry: FileEntry;
  /** Whether it is written. */
  readonly isChosen: boolean;
}

/** What writing a row would do. */
export type Verdict =
  | { readonly change: "added" | "changed" | "unchanged"; readonly version: number }
  | {
      readonly change: "refused";
      /** Why, as a sentence. */
      readonly rule: string;
      /** Whether another row of the file has the same name. */
      readonly isRepeated: boolean;
    };

export type Verdicts = ReadonlyMap<ImportRow["id"], Verdict>;

type Compared = ApiAnswers["secrets"]["planImport"][number];

/** The largest file that is imported, in bytes of UTF-8: 512 KiB. */
export const maxFileBytes = 524_288;
/** The server writes as many at once, all or none. */
const maxRows = 100;

/** @returns the rows of a `.env` or JSON file, or why it cannot be read, as a sentence with line and column */
export function rowsOf(file: string): { readonly rows: readonly ImportRow[]; readonly refusal?: string } {
  const bytes = utf8Bytes(file);
  if (bytes > maxFileBytes) {
    return { rows: [], refusal: `A file has at most 512 KiB; this one has ${Math.ceil(bytes / 1024)}.` };
  }
  try {
    const entries = /^\ufeff?\s*[{[]/.test(file) ? parseJsonFile(file) : readEnvEntries(file);
    if (entries.length > maxRows) {
      return {
        rows: [],
        refusal: `An import takes at most ${maxRows} secrets, all or none; this file has ${entries.length}. Divide it.`,
      };
    }
    const seen = new Set<string>();
    const rows = entries.map((entry, i) => {
      const { secretKey } = entry;
      const isChosen = !seen.has(secretKey);
      seen.add(secretKey);
      return { id: i + 1, secretKey, entry, isChosen };
    });
    return { rows };
  } catch (error) {
    if (error instanceof TenantSecretsError) return { rows: [], refusal: error.message };
    throw error;
  }
}

/** The line of another row that is written under the name of this one; undefined where there is none. */
export function rivalOf(rows: readonly ImportRow[], { id, secretKey }: ImportRow): number | undefined {
  return rows.find((row) => row.id !== id && row.isChosen && row.secretKey === secretKey)?.entry.line;
}

/** What the server compares: of each name one row. `line` tells the answers apart: a JSON file can be one line. */
export function comparableOf(rows: readonly ImportRow[]): readonly FileEntry[] {
  return rows
    .filter((row) => row.isChosen || rivalOf(rows, row) === undefined)
    .filter((row, i, all) => all.findIndex(({ secretKey }) => secretKey === row.secretKey) === i)
    .map(({ id, secretKey, entry }) => ({ secretKey, text: entry.text, line: id }));
}

/** The server's answer by row. A row that was not compared has the name of another one. */
export function verdictsOf(rows: readonly ImportRow[], compared: readonly Compared[]): Verdicts {
  return new Map(
    rows.map((row): [number, Verdict] => {
      const answer = compared.find(({ line }) => line === row.id);
      if (answer === undefined) {
        const line =
          rivalOf(rows, row) ?? rows.find(({ secretKey }) => secretKey === row.secretKey)?.entry.line;
        return [
          row.id,
          { change: "refused", rule: `Line ${line} gives a value to the same name.`, isRepeated: true },
        ];
      }
      if (answer.change === "refused")
        return [row.id, { change: "refused", rule: answer.message, isRepeated: false }];
      return [row.id, { change: answer.change, version: answer.version }];
    }),
  );
}

/** The rows that a commit writes, with the version that each secret had when they were compared. */
export function writtenBy(
  rows: readonly ImportRow[],
  verdicts: Verdicts,
): readonly { readonly row: ImportRow; readonly version: number }[] {
  return rows.flatMap((row) => {
    const verdict = verdicts.get(row.id);
    const isWritten = row.isChosen && (verdict?.change === "added" || verdict?.change === "changed");
    return isWritten ? [{ row, version: verdict.version }] : [];
  });
}

/** The rows whose secrets have another version than when they were compared before. */
export function movedSince(before: Verdicts, after: Verdicts): ReadonlySet<ImportRow["id"]> {
  const versionOf = (verdict: Verdict | undefined) =>
    verdict === undefined || verdict.change === "refused" ? undefined : verdict.version;
  return new Set([...after.keys()].filter((id) => versionOf(before.get(id)) !== versionOf(after.get(id))));
}
