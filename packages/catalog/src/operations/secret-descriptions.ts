import { z } from "zod";
import { Check } from "./checks.ts";
import { version } from "./fields.ts";
import { RotationPolicyState, RotationRunState } from "./rotation-states.ts";
import { NamedActor } from "./versions.ts";

/** What lists show of a secret: never the value. */
export const SecretDescription = z.object({
  secretKey: z.string(),
  /** Whether the catalogue knows this secret key; one that it does not know cannot be read or written here. */
  inCatalog: z.boolean(),
  /** False for a name in Infisical that no secret can have here: it can neither be read nor removed here. */
  usable: z.literal(false).optional(),
  label: z.string().optional(),
  /** 0 where a hybrid company's value is still only in Infisical. */
  version,
  /** The highest version so far, pending and discarded ones included: the next write makes one more. Undefined of one in Infisical. */
  lastVersion: version.optional(),
  location: z.enum(["infisical", "database"]),
  lastFour: z.string().optional(),
  fingerprint: z.string().optional(),
  createdAt: z.date(),
  updatedAt: z.date(),
  /** Who made the current version. Undefined of a secret in Infisical. */
  updatedBy: NamedActor.optional(),
  /** Whether its value is never revealed to a person. */
  writeOnly: z.literal(true).optional(),
  /** When the current version's credential expires at its provider, as its writer said. An expired one is still served. */
  expiresAt: z.date().optional(),
  /** Days from now until then by the store's clock, begun ones counted; 0 or less once it has expired. */
  expiresInDays: z.int().optional(),
  /** To the hour. */
  lastUsedAt: z.date().optional(),
  /** The version that waits to be promoted. */
  pendingVersion: version.optional(),
  /** When the pending version was made. */
  pendingSince: z.date().optional(),
  /** Until when an earlier version is still active; of several, the latest. */
  previousUntil: z.date().optional(),
  /** What its provider last said of the current version. */
  check: Check.optional(),
  /** How it is rotated with its provider. Left out where it has no policy. */
  rotation: z
    .object({
      driver: z.string(),
      state: RotationPolicyState,
      /** Left out where nothing is due by time. */
      nextDueAt: z.date().optional(),
      /** The run that is not over. */
      run: z.object({ id: z.uuid(), state: RotationRunState }).optional(),
    })
    .optional(),
});
export type SecretDescription = Readonly<z.infer<typeof SecretDescription>>;

export const RemovedSecret = z.object({
  secretKey: z.string(),
  label: z.string().optional(),
  /** The version that would be current again. */
  version,
  removedAt: z.date(),
  removedBy: NamedActor.optional(),
  restorableUntil: z.date(),
});
export type RemovedSecret = Readonly<z.infer<typeof RemovedSecret>>;
