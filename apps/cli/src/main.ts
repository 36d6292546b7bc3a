import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

// The compile cache halves the start of the next command. It is in the checkout, because its content is executed and other
// users may write to the system's temporary directory.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url)));

const { quietWhenNobodyReads } = await import("./output.ts");
const { commandLine } = await import("./command-line.ts");
quietWhenNobodyReads();
// Sets the exit code instead of calling process.exit(), so that pending output reaches a pipe.
process.exitCode = await commandLine(process.argv.slice(2));
