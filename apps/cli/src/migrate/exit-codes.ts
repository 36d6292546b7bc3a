import type { Command } from "../command.ts";
import { exitCodes, failureOf, MigrationEnd } from "../failure.ts";

/** Of the commands of migrations, where a script has to tell findings from an interruption. */
export const migrationExitCodes = { failed: 1, findings: 3, interrupted: 4 } as const;

/** What the details of these commands end with. */
export const exitCodesHelp = `Exit codes of this command: 0 done; 1 failed; 2 the arguments do not fit, or there is no such company; 3 findings or
differences; 4 interrupted, and "runs resume" continues it.`;

/** An unknown company is an argument that does not fit; what a server refuses otherwise is a failure. */
export function withMigrationExitCodes(command: Command): Command {
  return {
    ...command,
    run: async (args) => {
      try {
        await command.run(args);
      } catch (thrown) {
        const failure = await failureOf(thrown);
        if (thrown instanceof MigrationEnd || failure.exitCode === exitCodes.usage) throw thrown;
        const exitCode = failure.code === "NOT_FOUND" ? exitCodes.usage : exitCodes.failed;
        throw new MigrationEnd({ ...failure, exitCode });
      }
    },
  };
}
