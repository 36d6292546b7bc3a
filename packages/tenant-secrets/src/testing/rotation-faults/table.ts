/** One line of the table: what a fault of a step leads to. */
export interface FaultLine {
  readonly driver: string;
  readonly step: string;
  readonly fault: string;
  readonly once: string;
  readonly each: string;
}

/** The table as markdown. Faults of a step that lead to the same are in one row. */
export function faultTable(lines: readonly FaultLine[]): string {
  const rows = new Map<string, FaultLine & { readonly faults: string[] }>();
  for (const line of lines) {
    const place = JSON.stringify([line.driver, line.step, line.once, line.each]);
    const row = rows.get(place) ?? { ...line, faults: [] };
    row.faults.push(line.fault);
    rows.set(place, row);
  }
  return [
    "| Driver, step | Fault | Once | Each time |",
    "|---|---|---|---|",
    ...[...rows.values()].map(
      ({ driver, step, faults, once, each }) =>
        `| ${driver}, \`${step}\` | ${faults.join("; ")} | ${once} | ${each} |`,
    ),
    "",
  ].join("\n");
}
