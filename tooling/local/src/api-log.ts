import { openSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** The API's output: all of it goes to a file that each start truncates, warnings and errors also to the terminal. */
export interface ApiLog {
  follow(output: Readable): void;
  /** The newest line, as it is shown to people. */
  lastLine(): string | undefined;
}

const levelsToShow: readonly unknown[] = ["warn", "error", "fatal"];
const notForPeople = new Set(["level", "time", "pid", "hostname", "name", "msg"]);

export function createApiLog(file: string, say: (line: string) => void): ApiLog {
  const descriptor = openSync(file, "w", 0o600);
  let last: string | undefined;
  return {
    follow: (output) => {
      createInterface({ input: output }).on("line", (line) => {
        writeSync(descriptor, `${line}\n`);
        const entry = parseEntry(line);
        last = entry.text;
        if (entry.isShown) say(`API: ${entry.text}`);
      });
    },
    lastLine: () => last,
  };
}

function parseEntry(line: string): { readonly isShown: boolean; readonly text: string } {
  const fields = fieldsOf(line);
  // Whatever is not a log entry was not meant to be written: a crash, a warning of Node's.
  if (fields === undefined) return { isShown: true, text: printable(line) };
  const { level, msg } = fields;
  const details = Object.entries(fields)
    .filter(([name]) => !notForPeople.has(name))
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  const text = [typeof msg === "string" ? msg : "", ...details].filter(Boolean).join("  ");
  return { isShown: levelsToShow.includes(level), text: printable(text) };
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === "object" && parsed !== null ? { ...parsed } : undefined;
  } catch {
    return undefined;
  }
}

/** The text on one line, without what a terminal would obey. */
export function printable(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll(/\p{Cc}/gu, "\u{fffd}");
}
