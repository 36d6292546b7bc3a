import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

// `node scripts/migrate-secrets-to-db.ts [--dry-run] [--rate N]`: plan, copy and verify all companies by the commands of
// docs/migration.md. It changes no store, and prints the next command. Exit codes are theirs.

const program = fileURLToPath(new URL("../apps/cli/src/main.ts", import.meta.url));
/** Companies with findings do not keep the others from being copied. */
const findings = 3;

const { values } = parseArgs({
  options: { "dry-run": { type: "boolean", default: false }, rate: { type: "string" } },
});

// The command that runs stops between two steps, and says how to go on.
process.on("SIGINT", () => {});

let worst = 0;
for (const verb of values["dry-run"] ? ["plan"] : ["plan", "copy", "verify"]) {
  const rate = values.rate === undefined ? [] : ["--rate", values.rate];
  const args = [program, "migrate", verb, "--all", ...rate];
  const [code] = await once(spawn(process.execPath, args, { stdio: "inherit" }), "close");
  const exitCode = typeof code === "number" ? code : 1;
  worst = Math.max(worst, exitCode);
  if (exitCode !== 0 && exitCode !== findings) break;
}
process.exitCode = worst;
