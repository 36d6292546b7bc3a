import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

/** The directory that keeps everything between two starts. */
export interface DataDirectory {
  readonly path: string;
  /** The path of the entry `name`. */
  at(name: string): string;
  /** The texts of a file of ours; none where it is missing or of another form. */
  read(name: string): Readonly<Record<string, string>>;
  /** Replaces such a file whole. Only its owner can read it. */
  write(name: string, texts: Readonly<Record<string, string>>): void;
  /** The same, of any text. */
  writeText(name: string, text: string): void;
}

export function openDataDirectory(directory: string): DataDirectory {
  // Root's PostgreSQL runs as another user, who has to pass through here.
  mkdirSync(directory, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  const at = (name: string) => path.join(directory, name);
  const writeText = (name: string, text: string): void => {
    const draft = at(`${name}.${process.pid}.tmp`);
    writeFileSync(draft, text, { mode: 0o600 });
    renameSync(draft, at(name));
  };
  return {
    path: directory,
    at,
    read: (name) => {
      try {
        const parsed: unknown = JSON.parse(readFileSync(at(name), "utf8"));
        if (typeof parsed !== "object" || parsed === null) return {};
        return Object.fromEntries(Object.entries(parsed).filter(([, text]) => typeof text === "string"));
      } catch {
        return {};
      }
    },
    write: (name, texts) => writeText(name, `${JSON.stringify(texts, null, 2)}\n`),
    writeText,
  };
}
