import { RotationCanary, RotationOutcome, RotationReason, RotationTrigger } from "@repo/catalog";
import { z } from "zod";
import type { RunStep } from "../runs/definition.ts";

/** What a rotation was begun with: the policy as it was then. */
export const RotationInput = z.strictObject({
  companyId: z.uuid(),
  secretKey: z.string(),
  driver: z.string(),
  settings: z.unknown(),
  managerKey: z.string().nullable(),
  overlapSeconds: z.int(),
  canary: RotationCanary.nullable(),
  urgent: z.boolean(),
  trigger: RotationTrigger,
});
export type RotationInput = z.infer<typeof RotationInput>;

/** Whether a share of the uses begins with the new value. An urgent rotation does not wait for that. */
export function hasCanary({ canary, urgent }: Pick<RotationInput, "canary" | "urgent">): boolean {
  return canary !== null && !urgent;
}

const Version = z.int().nullable();

/** What a rotation has found out and done so far. */
export const RotationFacts = z.strictObject({
  /** Counts the credentials that were asked for, from 1. */
  attempt: z.int(),
  /** The version that is replaced. */
  currentVersion: Version,
  /** The version that this run staged. */
  pendingVersion: Version,
  /** When this phase first began, in milliseconds since 1970 by the database's clock. */
  phaseSince: z.number().nullable(),
  /** In this phase: how often the provider accepted, or rejected, the value; and how often it gave no usable answer. */
  accepted: z.int(),
  rejected: z.int(),
  unanswered: z.int(),
  promotedAt: z.number().nullable(),
  /** A person wants the value before. */
  fallBack: z.boolean(),
  outcome: RotationOutcome.nullable(),
  reason: RotationReason.nullable(),
  /** The marker of the credential that is being ended. */
  retiring: z.string().nullable(),
  unconfirmed: z.boolean(),
});
export type RotationFacts = z.infer<typeof RotationFacts>;

export const firstFacts: RotationFacts = {
  attempt: 1,
  currentVersion: null,
  pendingVersion: null,
  phaseSince: null,
  accepted: 0,
  rejected: 0,
  unanswered: 0,
  promotedAt: null,
  fallBack: false,
  outcome: null,
  reason: null,
  retiring: null,
  unconfirmed: false,
};

/** The phases of a rotation that is not over. */
export type Phase =
  | "prepare"
  | "ask"
  | "create"
  | "lead"
  | "test"
  | "canary"
  | "promote"
  | "watch"
  | "retire"
  | "confirm"
  | "ask-retire"
  | "give-up";

export type RotationStep = RunStep<RotationInput, RotationFacts, Phase>;

/** Where a phase that makes a value is, committed with what it did. */
export const Cursor = z
  .strictObject({
    /** The provider was, or may have been, asked for a credential. */
    asked: z.boolean(),
    /** The value is stored. */
    staged: z.boolean(),
    ref: z.string().nullable(),
  })
  .nullable()
  .catch(null);

export const secondMs = 1000;
export const minuteMs = 60 * secondMs;
export const hourMs = 60 * minuteMs;
