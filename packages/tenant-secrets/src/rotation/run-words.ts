import { type RotationRunDescription } from "@repo/catalog";
import type { RunRow } from "../runs/lease.ts";
import { rotationStateOf } from "../stores/database/rotation-columns.ts";
import type { RotationDrivers } from "./drivers/driver.ts";
import { RotationFacts, RotationInput, secondMs } from "./rotation-state.ts";

/** A rotation in words. */
export function describeRotation(row: RunRow, drivers: RotationDrivers): RotationRunDescription {
  const input = RotationInput.parse(row.input);
  const facts = RotationFacts.parse(row.facts);
  const phase = phaseOf(row);
  const guide = guideOf(input, drivers);
  return {
    id: row.id,
    secretKey: input.secretKey,
    driver: input.driver,
    trigger: input.trigger,
    urgent: input.urgent,
    state: rotationStateOf(row),
    phase,
    ...(row.finishedAt !== null && facts.outcome !== null && { outcome: facts.outcome }),
    ...(facts.reason !== null && { reason: facts.reason }),
    ...(facts.currentVersion !== null && { currentVersion: facts.currentVersion }),
    ...(facts.pendingVersion !== null && { pendingVersion: facts.pendingVersion }),
    ...(guide && { guide }),
    unconfirmed: facts.unconfirmed,
    ...(row.notBefore !== null && { notBefore: row.notBefore }),
    startedAt: row.startedAt,
    ...(facts.promotedAt !== null && {
      promotedAt: new Date(facts.promotedAt),
      previousUntil: new Date(facts.promotedAt + (input.urgent ? 0 : input.overlapSeconds) * secondMs),
    }),
    ...(row.finishedAt !== null && { finishedAt: row.finishedAt }),
    allows: allowedOf(row),
  };
}

const beforePromotion: ReadonlySet<string> = new Set(["prepare", "ask", "create", "lead", "test", "canary"]);

/** What a person can ask of a run. */
export function allowedOf({ phase, finishedAt }: RunRow): RotationRunDescription["allows"] {
  if (finishedAt !== null) return [];
  return [
    ...(phase === "ask" ? (["supply"] as const) : []),
    ...(phase === "ask-retire" ? (["confirm"] as const) : []),
    ...(beforePromotion.has(phase) ? (["abort"] as const) : []),
    ...(phase === "watch" ? (["fallBack"] as const) : []),
  ];
}

/** A finished run keeps the phase that it ended in. */
function phaseOf({ phase }: RunRow): RotationRunDescription["phase"] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a run has the phases of its kind, or is done
  return phase as RotationRunDescription["phase"];
}

function guideOf(
  { driver: name, settings }: RotationInput,
  drivers: RotationDrivers,
): RotationRunDescription["guide"] {
  const driver = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  if (driver?.creates !== "person") return undefined;
  const parsed = driver.settings.safeParse(settings ?? {});
  return parsed.success ? driver.guide(parsed.data) : undefined;
}
