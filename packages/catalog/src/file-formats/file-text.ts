import { TenantSecretsError } from "../vocabulary/errors.ts";

/** One secret of a file. */
export interface FileEntry {
  /** The name as the file has it, whether or not a catalogue knows it. It may be a value, written in the wrong place. */
  readonly secretKey: string;
  readonly text: string;
  /** Where it begins, from 1. */
  readonly line: number;
}

export const lineEnd = /\r\n?|\n/g;

/** What neither a value nor UTF-8 can hold: NUL, and half a surrogate pair. */
export const unusable = /[\0\p{Cs}]/u;

/**
 * What a file holds without its byte order mark.
 *
 * @throws {TenantSecretsError} INVALID_INPUT for a NUL or a lone surrogate
 */
export function fileText(text: string): string {
  const content = text.startsWith("\ufeff") ? text.slice(1) : text;
  const at = content.search(unusable);
  if (at !== -1) throw refusedAt(content, at, "a NUL or half of a character stands here");
  return content;
}

/** A refusal that names the place, line and column from 1 (columns in UTF-16 units, as editors count), and quotes nothing. */
export function refusedAt(content: string, offset: number, rule: string): TenantSecretsError {
  const lines = content.slice(0, offset).split(lineEnd);
  return refused(lines.length, (lines.at(-1)?.length ?? 0) + 1, rule);
}

export function refused(line: number, column: number, rule: string): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    `The file was refused at line ${line}, column ${column}: ${rule}.`,
  );
}
