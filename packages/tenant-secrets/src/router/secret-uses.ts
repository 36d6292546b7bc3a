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
import { procedure } from "./trpc.ts";

/** What programs do with several values at once, and where a provider refuses one. */
export const useProcedures = {
  /** Those that are there. */
  readMany: procedure("use")
    .input(z.strictObject({ company, secretKeys: z.array(secretKey).min(1).max(maxBatchSecrets) }))
    .output(z.array(z.object({ secretKey: z.string(), value: z.string(), version })).readonly())
    .mutation(async ({ ctx, input }) => {
      const { caller, isRemote } = ctx;
      const found = await ctx.secrets.vault.readMany(caller, input.company, input.secretKeys, { isRemote });
      return found.map(({ text, ...secret }) => ({ ...secret, value: text }));
    }),

  /** The versions that count now, past every cache: current, pending, previous. */
  readLive: procedure("use")
    .input(z.strictObject({ company, secretKey }))
    .output(z.array(z.object({ value: z.string(), version })).readonly())
    .mutation(async ({ ctx, input }) => {
      const { caller, isRemote } = ctx;
      const live = await ctx.secrets.vault.openLive(caller, input.company, input.secretKey, { isRemote });
      return live.map(({ bytes, version: each }) => {
        const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
        bytes.fill(0);
        return { value: text, version: each };
      });
    }),

  /** What a provider said of a version, as whoever used it says. */
  reportOutcome: procedure("use")
    .input(z.strictObject({ company, secretKey, version, result: z.enum(["accepted", "rejected"]) }))
    .output(z.void())
    .mutation(({ ctx, input }) => {
      const { caller, isRemote } = ctx;
      const { company: subdomain, secretKey: key, version: each, result } = input;
      return ctx.secrets.vault.reportOutcome(caller, subdomain, key, each, result, { isRemote });
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
    .mutation(({ ctx, input }) =>
      ctx.secrets.vault.writeMany(ctx.caller, input.company, input.writes, { requestId: input.requestId }),
    ),
};
