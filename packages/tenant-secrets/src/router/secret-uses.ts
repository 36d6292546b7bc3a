import { z } from "zod";
import { maxBatchSecrets } from "@repo/catalog";
import {
  company,
  expectedVersion,
  expiry,
  grace,
  note,
  requestId,
  secretKey,
  value,
  version,
} from "./fields.ts";
import { procedure, scopeOf } from "./trpc.ts";

/** What programs do with several values at once, and where a provider refuses one. */
export const useProcedures = {
  /** Those that are there. */
  readMany: procedure("use")
    .input(z.strictObject({ company, secretKeys: z.array(secretKey).min(1).max(maxBatchSecrets) }))
    .output(z.array(z.object({ secretKey: z.string(), value: z.string(), version })).readonly())
    .mutation(async ({ ctx, input }) => {
      const { isRemote } = ctx;
      const found = await ctx.secrets.vault.readMany(
        await scopeOf(ctx, "secret.read", input.company),
        input.secretKeys,
        { isRemote },
      );
      return found.map(({ text, ...secret }) => ({ ...secret, value: text }));
    }),

  /** The versions that count now, past every cache: current, pending, previous. */
  readActive: procedure("use")
    .input(z.strictObject({ company, secretKey }))
    .output(z.array(z.object({ value: z.string(), version })).readonly())
    .mutation(async ({ ctx, input }) => {
      const { isRemote } = ctx;
      const active = await ctx.secrets.vault.readActive(
        await scopeOf(ctx, "secret.read", input.company, input.secretKey),
        input.secretKey,
        { isRemote },
      );
      return active.map(({ bytes, version: each }) => {
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        bytes.fill(0);
        return { value: text, version: each };
      });
    }),

  /** What a provider said of a version, as whoever used it says. */
  reportOutcome: procedure("use")
    .input(z.strictObject({ company, secretKey, version, result: z.enum(["accepted", "rejected"]) }))
    .output(z.void())
    .mutation(async ({ ctx, input }) => {
      const { isRemote } = ctx;
      const { company: subdomain, secretKey: key, version: each, result } = input;
      return ctx.secrets.vault.reportOutcome(
        await scopeOf(ctx, "secret.check", subdomain, key),
        key,
        each,
        result,
        { isRemote },
      );
    }),

  /** All of them, or none. */
  writeMany: procedure("write")
    .input(
      z.strictObject({
        company,
        writes: z
          .array(z.strictObject({ secretKey, value, expectedVersion, note, ...grace, ...expiry }))
          .min(1)
          .max(maxBatchSecrets),
        requestId,
      }),
    )
    .output(z.array(z.object({ secretKey: z.string(), version })).readonly())
    .mutation(async ({ ctx, input }) =>
      ctx.secrets.vault.writeMany(await scopeOf(ctx, "secret.write", input.company), input.writes, {
        requestId: input.requestId,
      }),
    ),
};
