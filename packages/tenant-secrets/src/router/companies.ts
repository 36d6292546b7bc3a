import { z } from "zod";
import { SecretStoreName } from "@repo/catalog";
import { apiKeysRouter } from "./api-keys.ts";
import { membersRouter } from "./members.ts";
import { company, requestId } from "./fields.ts";
import { procedure, router } from "./trpc.ts";

const Company = z.object({
  id: z.uuid(),
  subdomain: z.string(),
  secretStore: SecretStoreName,
  status: z.enum(["active", "suspended", "deleted"]),
  recoveryDays: z.int(),
  createdAt: z.date(),
});

/** For operators, but for a company's own members and API keys. */
export const companiesRouter = router({
  apiKeys: apiKeysRouter,
  members: membersRouter,

  list: procedure("companies")
    .output(z.array(Company).readonly())
    .query(({ ctx }) => ctx.secrets.companies.list(ctx.caller)),

  create: procedure("companies")
    .input(z.strictObject({ subdomain: company, secretStore: SecretStoreName, requestId }))
    .output(Company)
    .mutation(({ ctx, input }) => ctx.secrets.companies.create(ctx.caller, input)),

  rename: procedure("companies")
    .input(z.strictObject({ subdomain: company, newSubdomain: company, requestId }))
    .output(Company)
    .mutation(({ ctx, input: { subdomain, ...change } }) =>
      ctx.secrets.companies.rename(ctx.caller, subdomain, change),
    ),

  setRecovery: procedure("companies")
    .input(z.strictObject({ subdomain: company, days: z.int() }))
    .output(Company)
    .mutation(({ ctx, input }) => ctx.secrets.companies.setRecovery(ctx.caller, input.subdomain, input.days)),
});
