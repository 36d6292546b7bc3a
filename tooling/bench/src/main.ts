import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { benchAudit } from "./audit.ts";
import { benchKeys } from "./keys.ts";
import { benchKills } from "./kills.ts";
import { benchOutages } from "./outages.ts";
import type { Row } from "./row.ts";

const benches: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  keys: benchKeys,
  audit: benchAudit,
  kills: benchKills,
  outages: benchOutages,
};

const { positionals, values } = parseArgs({ allowPositionals: true, options: { json: { type: "string" } } });
const wanted = positionals.length === 0 ? Object.keys(benches) : positionals;

const rows: Row[] = [];
for (const name of wanted) {
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (bench === undefined) {
    console.error(`There is no bench ${name}: choose from ${Object.keys(benches).join(", ")}.`);
    process.exit(2);
  }
  rows.push(...(await bench()));
}

console.log("| what | against | ratio | target | holds |\n|---|---|---|---|---|");
for (const { what, against, ratio, target, holds, unit } of rows) {
  const bound = unit === "time" ? "≤" : "≥";
  console.log(
    `| ${what} | ${against} | ${ratio.toFixed(2)} × | ${bound} ${target} × | ${holds ? "yes" : "**no**"} |`,
  );
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
