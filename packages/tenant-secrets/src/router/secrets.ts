import { z } from "zod";
import { maxValueBytes } from "../catalog/value.ts";
import { SecretStoreName } from "../vocabulary/names.ts";
import { procedure, router } from "./trpc.ts";

/** Any text of these: what is wrong with one is for whoever knows the rule to say, and to put on record. */
const company = z.string().max(1000);
const secretKey = z.string().max(1000);
const version = z.int().min(0);

const SecretList = z.object({
  store: SecretStoreName,
  capabilities: z.object({
    conditionalWrites: z.boolean(),
    requestIds: z.boolean(),
    recovery: z.boolean(),
    notes: z.boolean(),
    surroundingWhiteSpace: z.boolean(),
  }),
  secrets: z
    .array(
      z.object({
        secretKey: z.string(),
        listed: z.boolean(),
        label: z.string().optional(),
        version,
        place: z.enum(["infisical", "database"]),
        hint: z.string().optional(),
        fingerprint: z.string().optional(),
        createdAt: z.date(),
        updatedAt: z.date(),
      }),
    )
    .readonly(),
});

export const secretsRouter = router({
  /** What there is, without a value. */
  list: procedure("describe")
    .input(z.strictObject({ company }))
    .output(SecretList)
    .query(({ ctx, input }) => ctx.secrets.vault.list(ctx.caller, input.company)),

  /** One value. A mutation: it writes to the record, and neither caches nor URLs may hold any of it. */
  read: procedure("use")
    .input(z.strictObject({ company, secretKey }))
    .output(z.object({ value: z.string(), version }))
    .mutation(async ({ ctx, input }) => {
      const { text, version: current } = await ctx.secrets.vault.read(
        ctx.caller,
        input.company,
        input.secretKey,
      );
      return { value: text, version: current };
    }),

  write: procedure("write")
    .input(
      z.strictObject({
        company,
        secretKey,
        // Longer ones end here; the vault counts bytes, and says how many there may be.
        value: z.string().max(4 * maxValueBytes),
        expectedVersion: version.optional(),
        requestId: z.string().min(1).max(100).optional(),
        note: z.string().max(500).optional(),
      }),
    )
    .output(z.object({ version }))
    .mutation(({ ctx, input: { company: subdomain, secretKey: key, value, ...options } }) =>
      ctx.secrets.vault.write(ctx.caller, subdomain, key, value, options),
    ),

  remove: procedure("delete")
    .input(z.strictObject({ company, secretKey, expectedVersion: version.optional() }))
    .output(z.object({ recoverUntil: z.date().optional() }))
    .mutation(({ ctx, input }) =>
      ctx.secrets.vault.remove(ctx.caller, input.company, input.secretKey, {
        expectedVersion: input.expectedVersion,
      }),
    ),

  restore: procedure("delete")
    .input(z.strictObject({ company, secretKey }))
    .output(z.object({ version }))
    .mutation(({ ctx, input }) => ctx.secrets.vault.restore(ctx.caller, input.company, input.secretKey)),
});
