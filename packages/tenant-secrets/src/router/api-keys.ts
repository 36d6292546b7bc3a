import { z } from "zod";
import { ApiKeyVerb } from "@repo/catalog";
import { company, moment, requestId } from "./fields.ts";
import { procedure, router } from "./trpc.ts";

const ApiKey = z.object({
  id: z.uuid(),
  name: z.string(),
  prefix: z.string().optional(),
  platform: z.boolean(),
  companies: z.array(z.string()).readonly(),
  verbs: z.array(z.string()).readonly(),
  secretKeys: z.array(z.string()).readonly(),
  addresses: z.array(z.string()).readonly().optional(),
  createdAt: z.date(),
  expiresAt: z.date(),
  lastUsedAt: z.date().optional(),
  revokedAt: z.date().optional(),
});

export const apiKeysRouter = router({
  list: procedure("members")
    .input(z.strictObject({ company }))
    .output(z.array(ApiKey).readonly())
    .query(({ ctx, input }) => ctx.secrets.apiKeys.list(ctx.caller, input.company)),

  /** Answers with the key itself, this once. */
  create: procedure("members")
    .input(
      z.strictObject({
        name: z.string().max(1000),
        companies: z.array(company).max(1000),
        platform: z.boolean(),
        verbs: z.array(ApiKeyVerb).max(10),
        secretKeys: z.array(z.string().max(1000)).max(100),
        addresses: z.array(z.string().max(100)).max(100).optional(),
        expiresAt: moment,
        requestId,
      }),
    )
    .output(z.object({ apiKey: z.string(), description: ApiKey }))
    .mutation(({ ctx, input }) => ctx.secrets.apiKeys.create(ctx.caller, input)),

  revoke: procedure("members")
    .input(z.strictObject({ company, id: z.string().max(100) }))
    .output(z.null())
    .mutation(async ({ ctx, input }) => {
      await ctx.secrets.apiKeys.revoke(ctx.caller, input.company, input.id);
      return null;
    }),
});
