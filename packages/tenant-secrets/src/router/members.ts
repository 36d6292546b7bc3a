import { z } from "zod";
import { Role } from "@repo/catalog";
import { company, MadeKeys, requestId } from "./fields.ts";
import { procedure, router } from "./trpc.ts";

/** Any text: companies/ says what is wrong with one. */
const userId = z.string().max(100);

const Member = z.object({
  userId: z.uuid(),
  email: z.string(),
  name: z.string(),
  role: Role,
  /** For operators alone. */
  disabled: z.boolean().optional(),
  since: z.date(),
});

export const membersRouter = router({
  list: procedure("members")
    .input(z.strictObject({ company }))
    .output(z.array(Member).readonly())
    .query(({ ctx, input }) => ctx.secrets.members.list(ctx.caller, input.company)),

  add: procedure("members")
    .input(
      z.strictObject({
        company,
        email: z.string().max(1000),
        name: z.string().max(1000),
        role: Role,
        requestId,
      }),
    )
    .output(Member)
    .mutation(({ ctx, input: { company: subdomain, ...member } }) =>
      ctx.secrets.members.add(ctx.caller, subdomain, member),
    ),

  change: procedure("members")
    .input(z.strictObject({ company, userId, role: Role }))
    .output(Member)
    .mutation(({ ctx, input: { company: subdomain, ...change } }) =>
      ctx.secrets.members.change(ctx.caller, subdomain, change),
    ),

  remove: procedure("members")
    .input(z.strictObject({ company, userId, revokeApiKeys: z.boolean().optional(), requestId }))
    .output(MadeKeys)
    .mutation(({ ctx, input: { company: subdomain, ...member } }) =>
      ctx.secrets.members.remove(ctx.caller, subdomain, member),
    ),
});
