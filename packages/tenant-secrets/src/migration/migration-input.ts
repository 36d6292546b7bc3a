import { z } from "zod";
import { MigrationVerb, SecretStoreName } from "@repo/catalog";

/** What a migration was begun with, as its run stores it. */
export const MigrationInput = z.strictObject({
  verb: MigrationVerb,
  ratePerMinute: z.int().nullable(),
  takeNewest: z.boolean(),
  before: z.enum(["copy", "switch", "rollback", "cleanup"]),
  to: SecretStoreName,
  leave: z.array(z.string()),
  acceptLosses: z.boolean(),
});
export type MigrationInput = z.infer<typeof MigrationInput>;
