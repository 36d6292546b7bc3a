import { commands } from "./commands.ts";
import { exitCodes, failureOf, reportFailure, UsageError } from "./failure.ts";
import { commandHelp, groupHelp, rootHelp } from "./help.ts";
import { print } from "./output.ts";
import { nearest } from "./nearest.ts";

/**
 * Runs one command. Answers go to standard output, everything else to standard error.
 *
 * @param args the arguments after the program's name
 * @returns the exit code; see `failure.ts`. Never rejects
 */
export async function commandLine(args: readonly string[]): Promise<number> {
  try {
    await dispatch(args);
    return exitCodes.ok;
  } catch (error) {
    const failure = await failureOf(error);
    reportFailure(failure, args.includes("--json"));
    return failure.exitCode;
  }
}

/** @throws what the command throws; {@link UsageError} where there is none */
export async function dispatch(args: readonly string[]): Promise<void> {
  const [first = "--help"] = args;
  if (isHelp(first)) return print(rootHelp(commands));
  for (const words of [1, 2, 3]) {
    const name = args.slice(0, words).join(" ");
    const entry = commands.get(name);
    if (entry === undefined) continue;
    const command = await entry.load();
    const rest = args.slice(words);
    return rest.some(isHelp) ? print(commandHelp(name, entry.summary, command)) : command.run(rest);
  }
  for (const words of [2, 1]) {
    const group = args.slice(0, words).join(" ");
    const members = [...commands].filter(([name]) => name.startsWith(`${group} `));
    if (members.length === 0) continue;
    if (isHelp(args[words] ?? "--help")) return print(groupHelp(group, new Map(members)));
    throw unknownCommand(args.slice(0, words + 1).join(" "));
  }
  throw unknownCommand(first);
}

function isHelp(arg: string): boolean {
  return arg === "--help" || arg === "-h";
}

/** Names that other tools and the API use for our commands. Suggested before commands of similar spelling. */
const otherNames: ReadonlyMap<string, string> = new Map([
  ["history", "versions"],
  ["log", "versions"],
  ["read", "get"],
  ["show", "get"],
  ["write", "set"],
  ["put", "set"],
  ["ls", "list"],
  ["rm", "remove"],
  ["delete", "remove"],
  ["destroy", "purge"],
  ["undelete", "restore"],
  ["revert", "rollback"],
]);

/** The message does not repeat the input, which may be a misplaced secret value. */
function unknownCommand(typed: string): UsageError {
  const names = [...commands.keys()];
  const meant =
    otherNames.get(typed) ?? nearest(typed, [...names, ...names.map((name) => name.replace(/ .*/, ""))]);
  const hint = meant === undefined ? "" : ` Did you mean "${meant}"?`;
  return new UsageError(`There is no such command.${hint} "pnpm secrets --help" lists all of them.`);
}
