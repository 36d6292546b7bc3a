/** A closed pipe (`secrets list … | head -1`) is not a failure and is not reported. */
export function quietWhenNobodyReads(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") process.exit(1);
    });
  }
}

// Control and formatting characters (Unicode Cc, Cf, line separators) and lone surrogates: what could move a
// terminal's cursor, recolour it, or show text in another order than it has.
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text that a terminal shows as it is: what would act on the terminal is written as `\u001b`, as JSON has it.
 *
 * @param except characters that stay as they are
 */
export function printable(text: string, except = ""): string {
  return text.replaceAll(unprintable, (character) =>
    except.includes(character)
      ? character
      : Array.from({ length: character.length }, (_, index) => escaped(character.charCodeAt(index))).join(""),
  );
}

function escaped(codeUnit: number): string {
  return `\\u${codeUnit.toString(16).padStart(4, "0")}`;
}

/** Lines for people, on standard output. */
export function print(text: string): void {
  process.stdout.write(`${printable(text, "\n")}\n`);
}

/** What goes with an answer but is not part of it, on standard error. */
export function remark(text: string): void {
  process.stderr.write(`${printable(text, "\n")}\n`);
}

/** One line of JSON; dates as ISO 8601 in UTC. Escaped further than JSON asks for, and equal when it is parsed. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** A secret value: to a pipe byte for byte, to a terminal escaped and ended. */
export function printValue(value: string): void {
  process.stdout.write(process.stdout.isTTY ? `${printable(value, "\n\t")}\n` : value);
}

/** @param rows as many cells in each as there are headings */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [headings, ...rows].map((row) => row.map((cell) => printable(cell)));
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** An actor: the kind and the id, which is unique, and the name where there is one. */
export function actorText({
  kind,
  id,
  name,
}: {
  kind: string;
  id: string;
  name?: string | undefined;
}): string {
  return name === undefined ? `${kind} ${id}` : `${kind} ${id} (${name})`;
}

/** A time to the minute, in UTC. */
export function minute(date: Date): string {
  return `${date.toISOString().slice(0, 16).replace("T", " ")}Z`;
}
