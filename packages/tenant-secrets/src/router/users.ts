import { z } from "zod";
import { procedure, router } from "./trpc.ts";

const User = z.strictObject({ userId: z.string().max(100) });

/** For operators. */
export const usersRouter = router({
  disable: procedure("members")
    .input(User)
    .output(z.null())
    .mutation(async ({ ctx, input }) => {
      await ctx.secrets.users.disable(ctx.caller, input.userId);
      return null;
    }),

  enable: procedure("members")
    .input(User)
    .output(z.null())
    .mutation(async ({ ctx, input }) => {
      await ctx.secrets.users.enable(ctx.caller, input.userId);
      return null;
    }),
});
