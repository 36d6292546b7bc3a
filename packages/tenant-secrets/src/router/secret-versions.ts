import { z } from "zod";
import {
  Capabilities,
  Check,
  company,
  expectedVersion,
  expiry,
  grace,
  moment,
  note,
  pendingVersion,
  reminderDays,
  requestId,
  secretKey,
  value,
  version,
} from "./fields.ts";
import { procedure, scopeOf } from "./trpc.ts";

const SecretHistory = z.object({
  versions: z
    .array(
      z.object({
        version,
        id: z.string(),
        previousVersionId: z.string().optional(),
        createdAt: z.date(),
        actor: z.object({ kind: z.string(), id: z.string() }),
        note: z.string().optional(),
        lastFour: z.string().optional(),
        fingerprint: z.string().optional(),
        stage: z.enum(["current", "pending", "previous"]).optional(),
        activeUntil: z.date().optional(),
        expiresAt: z.date().optional(),
        destroyedAt: z.date().optional(),
        check: Check.optional(),
      }),
    )
    .readonly(),
  next: version.optional(),
  removedAt: z.date().optional(),
  recoverUntil: z.date().optional(),
});

/** Which versions there are and which of them count. */
export const versionProcedures = {
  /** What the company's store can do, so that NOT_SUPPORTED surprises nobody. */
  capabilities: procedure("describe")
    .input(z.strictObject({ company }))
    .output(Capabilities)
    .query(async ({ ctx, input }) =>
      ctx.secrets.vault.capabilities(await scopeOf(ctx, "secret.list", input.company)),
    ),

  history: procedure("describe")
    .input(
      z.strictObject({
        company,
        secretKey,
        before: z.int().min(1).optional(),
        limit: z.int().min(1).max(100).optional(),
      }),
    )
    .output(SecretHistory)
    .query(async ({ ctx, input: { company: subdomain, secretKey: key, ...page } }) =>
      ctx.secrets.vault.history(await scopeOf(ctx, "secret.history", subdomain, key), key, page),
    ),

  stage: procedure("write")
    .input(
      z.strictObject({
        company,
        secretKey,
        value,
        expectedVersion,
        requestId,
        note,
        ...expiry,
        replace: z.boolean().optional(),
      }),
    )
    .output(z.object({ version }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, value: text, ...options } }) =>
      ctx.secrets.vault.stage(await scopeOf(ctx, "secret.stage", subdomain, key), key, text, options),
    ),

  promote: procedure("write")
    .input(z.strictObject({ company, secretKey, expectedVersion, pendingVersion, requestId, ...grace }))
    .output(z.object({ version }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...options } }) =>
      ctx.secrets.vault.promote(await scopeOf(ctx, "secret.promote", subdomain, key), key, options),
    ),

  discard: procedure("write")
    .input(z.strictObject({ company, secretKey, expectedVersion, pendingVersion, requestId }))
    .output(z.object({ version }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...options } }) =>
      ctx.secrets.vault.discard(await scopeOf(ctx, "secret.discard", subdomain, key), key, options),
    ),

  rollback: procedure("write")
    .input(
      z.strictObject({ company, secretKey, toVersion: z.int().min(1), expectedVersion, note, requestId }),
    )
    .output(z.object({ version }))
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...options } }) =>
      ctx.secrets.vault.rollback(await scopeOf(ctx, "secret.rollback", subdomain, key), key, options),
    ),

  setExpiry: procedure("write")
    .input(
      z.strictObject({
        company,
        secretKey,
        expiresAt: moment.nullable(),
        reminderDays,
        requestId,
      }),
    )
    .output(z.void())
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...change } }) =>
      ctx.secrets.vault.setExpiry(await scopeOf(ctx, "secret.set-expiry", subdomain, key), key, change),
    ),

  purge: procedure("delete")
    .input(z.strictObject({ company, secretKey, force: z.boolean().optional(), requestId }))
    .output(z.void())
    .mutation(async ({ ctx, input: { company: subdomain, secretKey: key, ...options } }) =>
      ctx.secrets.vault.purge(await scopeOf(ctx, "secret.purge", subdomain, key), key, options),
    ),
};
