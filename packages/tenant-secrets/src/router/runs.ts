import { z } from "zod";
import { RunDescription } from "../runs/run-control.ts";
import { procedure, router } from "./trpc.ts";

const One = z.strictObject({ run: z.uuid() });

/** Long work: rotations of keys and imports. For operators. */
export const runsRouter = router({
  /** The newest first; `before` takes the id of the last run of a page. */
  list: procedure("rotate")
    .input(
      z.strictObject({
        unfinished: z.boolean().optional(),
        before: z.uuid().optional(),
        limit: z.int().min(1).max(200).default(50),
      }),
    )
    .output(z.object({ runs: z.array(RunDescription).readonly() }))
    .query(async ({ ctx, input }) => ({ runs: await ctx.secrets.runs.list(ctx.caller, input) })),

  get: procedure("rotate")
    .input(One)
    .output(RunDescription)
    .query(({ ctx, input }) => ctx.secrets.runs.get(ctx.caller, input.run)),

  pause: procedure("rotate")
    .input(One)
    .output(RunDescription)
    .mutation(({ ctx, input }) => ctx.secrets.runs.pause(ctx.caller, input.run)),

  resume: procedure("rotate")
    .input(One)
    .output(RunDescription)
    .mutation(({ ctx, input }) => ctx.secrets.runs.resume(ctx.caller, input.run)),

  cancel: procedure("rotate")
    .input(One)
    .output(RunDescription)
    .mutation(({ ctx, input }) => ctx.secrets.runs.cancel(ctx.caller, input.run)),
});
