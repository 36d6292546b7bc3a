import { z } from "zod";
import { RotationPhase } from "../keys/rotation/phases.ts";
import { company } from "./fields.ts";
import { procedure, router } from "./trpc.ts";

const Version = z.int32().positive();

const KeyStatus = z.object({
  region: z.string(),
  versions: z
    .array(
      z.object({
        version: Version,
        name: z.string(),
        status: z.enum(["pending", "active", "retiring", "retired", "destroyed"]),
        fingerprint: z.string(),
        createdAt: z.date(),
        activatedAt: z.date().optional(),
        dueAt: z.date().optional(),
        wraps: z.int(),
      }),
    )
    .readonly(),
  rotation: z
    .object({
      id: z.uuid(),
      phase: RotationPhase,
      toVersion: Version,
      startedAt: z.date(),
      driven: z.boolean(),
    })
    .optional(),
  processes: z
    .array(z.object({ id: z.uuid(), versions: z.array(Version).readonly(), seenAt: z.date() }))
    .readonly(),
});

const Report = z.strictObject({ report: z.string().max(500_000), mac: z.string().max(200) });

/** The master key of this deployment's region. For operators. */
export const keysRouter = router({
  status: procedure("rotate")
    .output(KeyStatus)
    .query(({ ctx }) => ctx.secrets.masterKeys.status(ctx.caller)),

  /** Begins a rotation, or takes one up, that a job of the server does; `status` says how far it is. */
  rotate: procedure("rotate")
    .output(z.object({ rotation: z.object({ id: z.uuid(), phase: RotationPhase }) }))
    .mutation(async ({ ctx }) => ({ rotation: await ctx.secrets.keyRotation.request(ctx.caller) })),

  /** The same for the key of one company. */
  rotateCompany: procedure("rotate")
    .input(z.strictObject({ company }))
    .output(z.object({ keyVersion: z.int() }))
    .mutation(async ({ ctx, input }) => ({
      keyVersion: await ctx.secrets.companyKeyRotation.requestRotation(ctx.caller, input.company),
    })),

  /** Of one rotation, or of the last that was finished; null where there is none. */
  report: procedure("rotate")
    .input(z.strictObject({ rotation: z.uuid().optional() }))
    .output(Report.nullable())
    .query(
      async ({ ctx, input }) => (await ctx.secrets.masterKeys.findReport(ctx.caller, input.rotation)) ?? null,
    ),

  verifyReport: procedure("rotate")
    .input(Report)
    .output(z.null())
    .mutation(async ({ ctx, input }) => {
      await ctx.secrets.masterKeys.verifyReport(ctx.caller, input);
      return null;
    }),

  destroy: procedure("rotate")
    .input(z.strictObject({ version: Version }))
    .output(z.null())
    .mutation(async ({ ctx, input }) => {
      await ctx.secrets.masterKeys.destroy(ctx.caller, input.version);
      return null;
    }),
});
