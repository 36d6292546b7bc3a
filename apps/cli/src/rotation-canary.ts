import { type RotationCanary, rotationOperations } from "@repo/catalog";
import { secondsOf } from "./arguments.ts";
import { fieldOption, type Option } from "./command.ts";
import { UsageError } from "./failure.ts";

const { shape } = rotationOperations.setPolicy.input.shape.canary.unwrap();

export const canaryOptions = {
  canary: fieldOption(shape.percent, { type: "string", field: "canary", value: "percent" }),
  "canary-for": fieldOption(shape.seconds, { type: "string", value: "duration" }),
} as const satisfies Record<string, Option>;

/** What the options of a canary say. @returns undefined where none is given. @throws {UsageError} */
export function canaryOf({
  canary,
  "canary-for": lasts,
}: Readonly<Record<keyof typeof canaryOptions, string | undefined>>):
  | (Pick<RotationCanary, "percent"> & Partial<RotationCanary>)
  | undefined {
  if (canary === undefined) {
    if (lasts !== undefined) throw new UsageError("--canary-for is for what --canary begins.");
    return undefined;
  }
  const percent = shape.percent.safeParse(Number(/^(\d{1,2})%$/.exec(canary)?.[1]));
  if (!percent.success) throw new UsageError("--canary is a share of 1% to 50% of the uses, such as 10%.");
  return {
    percent: percent.data,
    ...(lasts !== undefined && { seconds: secondsOf("canary-for", lasts) }),
  };
}
