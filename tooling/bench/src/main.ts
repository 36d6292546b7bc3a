import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { benchAudit } from "./audit.ts";
import { benchBurst } from "./burst.ts";
import { benchCold } from "./cold.ts";
import { benchFailover } from "./failover.ts";
import { benchHttp } from "./http.ts";
import { benchInvalidation } from "./invalidation.ts";
import { benchKeys } from "./keys.ts";
import { benchKills } from "./kills.ts";
import { benchMany } from "./many.ts";
import { benchMigration } from "./migration.ts";
import { benchNotifications } from "./notifications.ts";
import { benchOutages } from "./outages.ts";
import { benchProfile } from "./profile.ts";
import { benchRegions } from "./regions.ts";
import { tableOf, type Row } from "./row.ts";
import { benchRestarts } from "./restarts.ts";
import { benchScale } from "./scale.ts";
import { benchStrategies } from "./strategies.ts";
import { benchWarm } from "./warm.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "string" }, plot: { type: "string" } },
});

const benches: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  warm: benchWarm,
  cold: benchCold,
  burst: benchBurst,
  many: benchMany,
  http: benchHttp,
  scale: () => benchScale(values.plot),
  audit: benchAudit,
  strategies: benchStrategies,
  invalidation: benchInvalidation,
  keys: benchKeys,
  migration: benchMigration,
  notifications: benchNotifications,
  regions: benchRegions,
  kills: benchKills,
  outages: benchOutages,
  failover: benchFailover,
  restarts: benchRestarts,
};
/** They compare nothing, and run where they are named. */
const named: typeof benches = { profile: benchProfile };

const wanted = positionals.length === 0 ? Object.keys(benches) : positionals;
if (values.plot !== undefined && !wanted.includes("scale")) {
  console.error("The plot is of the bench scale, which is not among those to run.");
  process.exit(2);
}

const rows: Row[] = [];
for (const name of wanted) {
  const all = { ...benches, ...named };
  const bench = Object.hasOwn(all, name) ? all[name] : undefined;
  if (bench === undefined) {
    console.error(`There is no bench ${name}: choose from ${Object.keys(all).join(", ")}.`);
    process.exit(2);
  }
  const startedAt = performance.now();
  console.log(`\n${name}`);
  rows.push(...(await bench()));
  console.log(`(${((performance.now() - startedAt) / 1000).toFixed(0)} s)`);
}

if (rows.length > 0) console.log(`\n${tableOf(rows)}`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
