import { z } from "zod";

export const RotationPolicyState = z.enum(["active", "paused", "stuck"]);

/** Of a run. `waiting`: until a time. `person`: for a person. */
export const RotationRunState = z.enum([
  "running",
  "waiting",
  "person",
  "paused",
  "stopped",
  "done",
  "cancelled",
]);
export type RotationRunState = z.infer<typeof RotationRunState>;
