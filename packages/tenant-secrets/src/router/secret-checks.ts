import { z } from "zod";
import { Check, company, secretKey, version } from "./fields.ts";
import { procedure } from "./trpc.ts";

export const secretCheckProcedures = {
  /** Asks the provider of a credential whether it works, and keeps what it says with the version. */
  check: procedure("use")
    .input(z.strictObject({ company, secretKey, version: version.optional() }))
    .output(Check.extend({ version }))
    .mutation(({ ctx, input }) =>
      ctx.secrets.checks.check(ctx.caller, input.company, input.secretKey, { version: input.version }),
    ),
};
