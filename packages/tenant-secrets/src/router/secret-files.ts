import { z } from "zod";
import { errorCodes, type FileEntry, maxBatchSecrets, RevealPurpose } from "@repo/catalog";
import { leftOutReasons, maxUnreadEntries } from "../vault/secret-files.ts";
import { company, note, requestId, secretKey, version } from "./fields.ts";
import { procedure, scopeOf } from "./trpc.ts";

/** As the parsers of files make them. They are read once the caller was found to be allowed to write them. */
const entries = z.array(z.custom<FileEntry>()).max(maxUnreadEntries);

const PlannedEntry = z.discriminatedUnion("change", [
  z.object({
    change: z.enum(["added", "changed", "unchanged"]),
    line: z.int(),
    secretKey: z.string(),
    version,
  }),
  z.object({
    change: z.literal("refused"),
    line: z.int(),
    secretKey: z.string().optional(),
    reason: z.enum(errorCodes),
    message: z.string(),
  }),
]);

export const secretFileProcedures = {
  /** What an import would do, secret by secret. A mutation: it writes to the audit log, and no URL may hold a value. */
  planImport: procedure("write")
    .input(z.strictObject({ company, entries }))
    .output(z.array(PlannedEntry))
    .mutation(async ({ ctx, input }) => {
      const planned = await ctx.secrets.files.plan(
        await scopeOf(ctx, "secret.compare", input.company),
        input.entries,
      );
      return planned.map((entry) => {
        if (entry.change !== "refused") return entry;
        const { error, ...refused } = entry;
        return { ...refused, reason: error.code, message: error.message };
      });
    }),

  /** Writes what a plan found added or changed, all or none. */
  import: procedure("write")
    .input(
      z.strictObject({
        company,
        entries,
        expected: z.array(z.strictObject({ secretKey, version })).max(maxBatchSecrets),
        skipRefused: z.boolean().optional(),
        requestId,
        note,
      }),
    )
    .output(z.object({ written: z.array(z.object({ secretKey: z.string(), version })).readonly() }))
    .mutation(async ({ ctx, input: { company: subdomain, entries: file, ...options } }) => ({
      written: await ctx.secrets.files.import(await scopeOf(ctx, "secret.import", subdomain), file, options),
    })),

  /** All values as a file. A mutation: neither caches nor URLs may hold any of it. */
  export: procedure("export")
    .input(z.strictObject({ company, format: z.enum(["env", "json"]), purpose: RevealPurpose }))
    .output(
      z.object({
        file: z.string(),
        secretKeys: z.array(z.string()).readonly(),
        leftOut: z.array(z.object({ secretKey: z.string(), reason: z.enum(leftOutReasons) })).readonly(),
      }),
    )
    .mutation(async ({ ctx, input }) =>
      ctx.secrets.files.export(
        await scopeOf(ctx, "secret.export", input.company),
        input.format,
        input.purpose,
      ),
    ),
};
