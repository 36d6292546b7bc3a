import { z } from "zod";
import { Check, company, secretKey, version } from "./fields.ts";
import { procedure, scopeOf } from "./trpc.ts";

export const secretCheckProcedures = {
  /** Asks the provider of a credential whether it works, and keeps what it says with the version. */
  check: procedure("use")
    .input(z.strictObject({ company, secretKey, version: version.optional() }))
    .output(Check.extend({ version }))
    .mutation(async ({ ctx, input }) =>
      ctx.secrets.checks.check(
        await scopeOf(ctx, "secret.check", input.company, input.secretKey),
        input.secretKey,
        { version: input.version },
      ),
    ),
};
