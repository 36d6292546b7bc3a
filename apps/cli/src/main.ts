import { commandLine } from "./command-line.ts";
import { quietWhenNobodyReads } from "./output.ts";

quietWhenNobodyReads();
// Set, not exited with: what is still on its way to a pipe has to arrive.
process.exitCode = await commandLine(process.argv.slice(2));
