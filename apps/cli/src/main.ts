import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// What was compiled for one command is kept for the next: starting takes half the time. A folder of the checkout,
// because what is in it is run: others may write to the system's temporary folder.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url)));

const { quietWhenNobodyReads } = await import("./output.ts");
const { commandLine } = await import("./command-line.ts");
quietWhenNobodyReads();
// Set, not exited with: what is still on its way to a pipe has to arrive.
process.exitCode = await commandLine(process.argv.slice(2));
