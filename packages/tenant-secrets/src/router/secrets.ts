import { z } from "zod";
import { maxValueBytes, RevealPurpose, SecretStoreName } from "@repo/catalog";
import { maxExpiresWithinDays } from "../vault/options.ts";
import {
  Capabilities,
  Check,
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
import { useProcedures } from "./secret-uses.ts";
import { versionProcedures } from "./secret-versions.ts";
import { secretCheckProcedures } from "./secret-checks.ts";
import { secretFileProcedures } from "./secret-files.ts";
import { procedure, router, scopeOf } from "./trpc.ts";

const SecretList = z.object({
  store: SecretStoreName,
  capabilities: Capabilities,
  secrets: z
    .array(
      z.object({
        secretKey: z.string(),
        inCatalog: z.boolean(),
        usable: z.literal(false).optional(),
        label: z.string().optional(),
        version,
        location: z.enum(["infisical", "database"]),
        lastFour: z.string().optional(),
        fingerprint: z.string().optional(),
        createdAt: z.date(),
        updatedAt: z.date(),
        expiresAt: z.date().optional(),
        expiresInDays: z.int().optional(),
        lastUsedAt: z.date().optional(),
        pendingVersion: version.optional(),
        check: Check.optional(),
      }),
    )
    .readonly(),
  missing: z.literal("infisical").optional(),
});

const SearchResult = z.object({
  matches: z
    .array(
      z.object({
        company: z.string(),
        secretKey: z.string(),
        version,
        current: z.boolean(),
        removed: z.boolean(),
      }),
    )
    .readonly(),
  complete: z.boolean(),
  searched: z.int(),
  partly: z.int(),
  notSearched: z.object({ inInfisical: z.int(), keysDestroyed: z.int(), keysUnavailable: z.int() }),
});

export const secretsRouter = router({
  ...secretFileProcedures,
  ...secretCheckProcedures,

  ...useProcedures,
  ...versionProcedures,

  /** What there is, without a value. */
  list: procedure("describe")
    .input(
      z.strictObject({ company, expiresWithinDays: z.int().min(0).max(maxExpiresWithinDays).optional() }),
    )
    .output(SecretList)
    .query(async ({ ctx, input: { company: subdomain, ...options } }) =>
      ctx.secrets.vault.list(await scopeOf(ctx, "secret.list", subdomain), options),
    ),

  /** One value, for programs. A mutation: it writes to the audit log, and neither caches nor URLs may hold any of it. */
  read: procedure("use")
    .input(z.strictObject({ company, secretKey }))
    .output(z.object({ value: z.string(), version }))
    .mutation(async ({ ctx, input }) => {
      const { text, version: current } = await ctx.secrets.vault.read(
        await scopeOf(ctx, "secret.read", input.company, input.secretKey),
        input.secretKey,
        { isRemote: ctx.isRemote },
      );
      return { value: text, version: current };
    }),

  /** One value for a person to look at, and what for. */
  reveal: procedure("reveal")
    .input(z.strictObject({ company, secretKey, purpose: RevealPurpose }))
    .output(z.object({ value: z.string(), version }))
    .mutation(async ({ ctx, input }) => {
      const { text, version: current } = await ctx.secrets.vault.reveal(
        await scopeOf(ctx, "secret.reveal", input.company, input.secretKey),
        input.secretKey,
        input.purpose,
      );
      return { value: text, version: current };
    }),

  /** Where exactly this value is: in one company, or for operators in any. A mutation, so that no URL holds the value. */
  search: procedure("search")
    .input(z.strictObject({ company: company.optional(), value: z.string().max(4 * maxValueBytes) }))
    .output(SearchResult)
    .mutation(({ ctx, input }) => ctx.secrets.searchValues(ctx.caller, input.value, input.company)),

  write: procedure("write")
    .input(
      z.strictObject({
        company,
        secretKey,
        value,
        expectedVersion,
        requestId,
        note,
        ...grace,
        ...expiry,
        check: z.boolean().optional(),
      }),
    )
    .output(z.object({ version, check: z.enum(["accepted", "unknown"]).optional() }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, value: text, ...options } }) => {
      // Somebody could find out by our asking whose credentials work.
      if (options.check === true) await ctx.secrets.limits.admitCall(ctx.caller, true);
      return ctx.secrets.vault.write(await scopeOf(ctx, "secret.write", subdomain, key), key, text, options);
    }),

  remove: procedure("delete")
    .input(
      z.strictObject({ company, secretKey, expectedVersion, requestId, inInfisical: z.boolean().optional() }),
    )
    .output(z.object({ recoverUntil: z.date().optional(), leftInInfisical: z.boolean().optional() }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...options } }) =>
      ctx.secrets.vault.remove(await scopeOf(ctx, "secret.remove", subdomain, key), key, options),
    ),

  restore: procedure("delete")
    .input(z.strictObject({ company, secretKey, requestId }))
    .output(z.object({ version }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...options } }) =>
      ctx.secrets.vault.restore(await scopeOf(ctx, "secret.restore", subdomain, key), key, options),
    ),
});
