import type { Entered } from "../runs/definition.ts";
import type { RunParts } from "./make-value.ts";
import { nowIn } from "./next.ts";
import { hourMs, type RotationStep } from "./rotation-state.ts";

/** Milliseconds between two reminders of what a person has to do. */
const remindMs = 24 * hourMs;

/** A run that waits for a person: to supply the next value (`ask`), or to end the old credential (`ask-retire`). */
export async function askPerson(
  { audit }: RunParts,
  step: RotationStep,
  phase: "ask" | "ask-retire",
): Promise<Entered> {
  const { companyId, secretKey } = step.input;
  await audit.ready();
  return step.enter(async (statements) => {
    await audit.recordInTransaction(statements, step.caller, {
      action: `rotation.${phase}`,
      outcome: "success",
      companyId,
      secretKey,
      version: step.facts.currentVersion ?? undefined,
      subject: step.run.id,
    });
    return { phase, notBefore: new Date((await nowIn(statements)) + remindMs) };
  });
}
