import { z } from "zod";
import { MadeKeys } from "./fields.ts";
import { procedure, router } from "./trpc.ts";

const User = z.strictObject({ userId: z.string().max(100) });

/** For operators. */
export const usersRouter = router({
  disable: procedure("members")
    .input(User.extend({ revokeApiKeys: z.boolean().optional() }))
    .output(MadeKeys)
    .mutation(({ ctx, input: { userId, ...options } }) =>
      ctx.secrets.users.disable(ctx.caller, userId, options),
    ),

  enable: procedure("members")
    .input(User)
    .output(z.null())
    .mutation(async ({ ctx, input }) => {
      await ctx.secrets.users.enable(ctx.caller, input.userId);
      return null;
    }),
});
