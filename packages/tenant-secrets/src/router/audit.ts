import { z } from "zod";
import { company, moment } from "./fields.ts";
import { procedure, router } from "./trpc.ts";

const cursor = z.string().max(200).optional();

const AuditEvent = z.object({
  id: z.uuid(),
  companyId: z.uuid().nullable(),
  occurredAt: z.date(),
  actorKind: z.string(),
  actorId: z.string(),
  action: z.string(),
  secretKey: z.string().nullable(),
  version: z.int().nullable(),
  outcome: z.enum(["success", "denied", "attempted", "failed", "unknown"]),
  reason: z.string().nullable(),
  subject: z.string().nullable(),
  requestId: z.string().nullable(),
  address: z.string().nullable(),
  count: z.int(),
  lastAt: z.date().nullable(),
});

export const auditRouter = router({
  /** A company's events, or for operators those of the platform; the newest first. */
  list: procedure("audit")
    .input(z.strictObject({ company: company.optional(), cursor, limit: z.int().min(1).max(100).optional() }))
    .output(z.object({ events: z.array(AuditEvent).readonly(), cursor }))
    .query(({ ctx, input }) => ctx.secrets.audit.list(ctx.caller, input)),

  /** A page of a company's own events, each with the proof that it is as it was sealed. */
  export: procedure("audit")
    .input(z.strictObject({ company, from: moment, to: moment, cursor }))
    .output(z.object({ lines: z.array(z.string()).readonly(), unsealed: z.int(), cursor }))
    .query(({ ctx, input }) => ctx.secrets.audit.export(ctx.caller, input)),

  /** What exports and batches are checked with, in PEM. For operators, who publish it. */
  publicKeys: procedure("audit")
    .output(z.object({ publicKeys: z.string() }))
    .query(async ({ ctx }) => ({ publicKeys: await ctx.secrets.audit.publicKeys(ctx.caller) })),
});
