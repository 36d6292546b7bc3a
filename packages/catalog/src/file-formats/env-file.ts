import { fileText, lineEnd, refused, refusedAt, type FileEntry } from "./file-text.ts";

// Sticky, each linear in what it looks at. Blanks are white space other than a line's end.
const emptyLine = /[^\S\r\n]*(?:#[^\r\n]*)?(?:\r\n?|\n|$)/y;
const nameAndSign = /[^\S\r\n]*(?:export[^\S\r\n]+)?([\w.-]+)[^\S\r\n]*=[^\S\r\n]*/y;
const restOfLine = /(?:[^\S\r\n]+#[^\r\n]*|[^\S\r\n]*)(?:\r\n?|\n|$)/y;
const toLineEnd = /[^\r\n]*/y;

/**
 * The secrets of a `.env` file, in its order. The grammar is the one of dotenv, with two escapes more, and refuses
 * where dotenv, shells and others read different things:
 *
 * - blank lines, lines that begin with `#`, `export `, blanks around `=` and a byte order mark are passed over;
 * - `'…'` and `` `…` `` hold text as it is, over several lines too; so does `"…"`, but for `\n`, `\r`, `\"` and `\\`;
 * - without quotes a value ends with its line, or before a blank and `#`, and blanks around it are not part of it;
 * - a line's end inside quotes is a line feed, whatever the file uses; a carriage return is written `\r`;
 * - nothing is ever expanded: `$` is a character.
 *
 * @throws {TenantSecretsError} INVALID_INPUT with line and column and never a value: no `=`, a name of other than
 *   letters, digits, `_`, `.` and `-`, a quote that is not closed, text behind a closed one, `#` inside a value
 *   without quotes, a name that was there before, NUL, a lone surrogate
 */
export function parseEnvFile(file: string): readonly FileEntry[] {
  const entries = readEnvEntries(file);
  const lineOf = new Map<string, number>();
  for (const { secretKey, line } of entries) {
    const earlier = lineOf.get(secretKey);
    if (earlier !== undefined) throw refused(line, 1, `line ${earlier} gives a value to the same name`);
    lineOf.set(secretKey, line);
  }
  return entries;
}

/**
 * As {@link parseEnvFile}, with each entry of a name that is there more than once: a page lets a person choose.
 *
 * @throws {TenantSecretsError} as {@link parseEnvFile}, but for such names
 */
export function readEnvEntries(file: string): readonly FileEntry[] {
  const content = fileText(file);
  const entries: FileEntry[] = [];
  let at = 0;
  let line = 1;
  const passOver = (to: number): void => {
    line += content.slice(at, to).match(lineEnd)?.length ?? 0;
    at = to;
  };
  while (at < content.length) {
    const empty = matchAt(emptyLine, content, at);
    if (empty !== undefined) {
      passOver(at + empty[0].length);
      continue;
    }
    const start = matchAt(nameAndSign, content, at);
    const [before, secretKey] = start ?? [];
    if (before === undefined || secretKey === undefined) {
      throw refusedAt(content, at, "this line is not NAME=value; a value of several lines needs quotes");
    }
    const { text, end } = readValue(content, at + before.length);
    entries.push({ secretKey, text, line });
    passOver(end);
  }
  return entries;
}

interface ReadValue {
  readonly text: string;
  /** Where the next line begins. */
  readonly end: number;
}

function readValue(content: string, at: number): ReadValue {
  const quote = content.charAt(at);
  return /["'`]/.test(quote) ? readQuoted(content, at, quote) : readUnquoted(content, at);
}

function readQuoted(content: string, at: number, quote: string): ReadValue {
  const close = findClosingQuote(content, at, quote);
  if (close === -1) throw refusedAt(content, at, "the quote that opens here is not closed");
  const rest = matchAt(restOfLine, content, close + 1);
  if (rest === undefined) {
    throw refusedAt(
      content,
      close + 1,
      "text stands behind a closing quote; perhaps an earlier quote is not closed",
    );
  }
  const inside = content.slice(at + 1, close).replace(lineEnd, "\n");
  return { text: quote === '"' ? unescape(inside) : inside, end: close + 1 + rest[0].length };
}

function findClosingQuote(content: string, open: number, quote: string): number {
  let at = content.indexOf(quote, open + 1);
  if (quote !== '"') return at;
  while (at !== -1 && isEscaped(content, at)) at = content.indexOf(quote, at + 1);
  return at;
}

function isEscaped(content: string, at: number): boolean {
  let backslashes = 0;
  while (content.charAt(at - 1 - backslashes) === "\\") backslashes++;
  return backslashes % 2 === 1;
}

function unescape(inside: string): string {
  return inside.replace(/\\([nr"\\])/g, (_, character: string) =>
    character === "n" ? "\n" : character === "r" ? "\r" : character,
  );
}

function readUnquoted(content: string, at: number): ReadValue {
  const raw = matchAt(toLineEnd, content, at)?.[0] ?? "";
  const hash = raw.indexOf("#");
  if (hash !== -1 && /\S/.test(content.charAt(at + hash - 1))) {
    throw refusedAt(
      content,
      at + hash,
      "some read a comment here and some do not; put the value into quotes",
    );
  }
  const end = at + raw.length;
  return {
    text: (hash === -1 ? raw : raw.slice(0, hash)).trim(),
    end: end + (matchAt(restOfLine, content, end)?.[0].length ?? 0),
  };
}

function matchAt(pattern: RegExp, content: string, at: number): RegExpExecArray | undefined {
  pattern.lastIndex = at;
  return pattern.exec(content) ?? undefined;
}
