/**
 * Checks of existing tables that the unreleased migration makes wider: whatever the last release writes passes them, too.
 * Emptied with each release.
 */
const widened: readonly string[] = [];

const name = String.raw`(?:"[^"]+"\.)?"([^"]+)"`;
const table = new RegExp(`^create table ${name}`, "i");
const about = new RegExp(`^(?:alter table|create unique index ${name} on) ${name}`, "i");
const constraint = new RegExp(`^alter table ${name} (?:add|drop) constraint ${name}`, "i");
/** What a program of the last release does not notice. */
const expanding = [
  /^create (?:table|index|sequence|schema) /i,
  new RegExp(`^alter table ${name} add column ${name} (?!.*not null)`, "i"),
  new RegExp(`^alter table ${name} add column ${name} .*default .*not null`, "i"),
  new RegExp(`^alter table ${name} alter column ${name} (?:set default|drop not null)`, "i"),
];

/**
 * @param text of a migration that drizzle-kit wrote
 * @param wider the checks that it makes wider
 * @returns the statements that a program of the last release may notice
 */
export function contractions(text: string, wider: readonly string[] = widened): readonly string[] {
  const statements = text.split("--> statement-breakpoint").map((statement) => statement.trim());
  const fresh = new Set(statements.flatMap((statement) => table.exec(statement)?.[1] ?? []));
  return statements.filter((statement) => {
    if (statement === "" || expanding.some((pattern) => pattern.test(statement))) return false;
    const [, , target = ""] = about.exec(statement) ?? [];
    if (fresh.has(target)) return false;
    const [, , checked = ""] = constraint.exec(statement) ?? [];
    return !wider.includes(checked);
  });
}
