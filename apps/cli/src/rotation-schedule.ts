import { type RotationSchedule, rotationOperations } from "@repo/catalog";
import { fieldOption, type Option } from "./command.ts";
import { UsageError } from "./failure.ts";

const Schedule = rotationOperations.setPolicy.input.shape.schedule.unwrap();
const { shape } = Schedule.unwrap();

export const scheduleOptions = {
  every: fieldOption(shape.every, { type: "string", value: "duration" }),
  at: fieldOption(shape.at, { type: "string", value: "time" }),
  cron: fieldOption(shape.cron, { type: "string", value: "fields" }),
  "before-expiry": fieldOption(shape.beforeExpiry, { type: "string", value: "duration" }),
  zone: fieldOption(shape.zone, { type: "string", value: "zone" }),
  window: fieldOption(shape.window, { type: "string", value: "times" }),
} as const satisfies Record<string, Option>;

const optionNames: ReadonlyMap<string, string> = new Map([
  ...Object.keys(shape).map((field) => [field, `--${field}`] as const),
  ["beforeExpiry", "--before-expiry"],
]);

/** What the options of a schedule say. @returns undefined where none is given. @throws {UsageError} */
export function scheduleOf({
  "before-expiry": beforeExpiry,
  ...times
}: Readonly<Record<keyof typeof scheduleOptions, string | undefined>>): RotationSchedule | undefined {
  const { every, at, cron, zone, window } = times;
  const given = Object.entries({ every, at, cron, beforeExpiry, zone, window }).filter(
    ([, text]) => text !== undefined,
  );
  if (given.length === 0) return undefined;
  const parsed = Schedule.safeParse(Object.fromEntries(given));
  if (parsed.success) return parsed.data;
  const named = parsed.error.issues.find(({ path }) => optionNames.has(String(path[0])));
  if (named === undefined)
    throw new UsageError("A schedule has at least one of --every, --cron and --before-expiry.");
  if (named.path[0] === "zone" && named.code === "custom")
    throw new UsageError("--zone is needed beside --cron, --at and --window.");
  throw new UsageError(`${optionNames.get(String(named.path[0]))} ${named.message}.`);
}

/** A refusal of the schedule in the words of the command line. */
export async function inScheduleOptions(error: unknown): Promise<unknown> {
  const { TenantSecretsError } = await import("@repo/tenant-secrets/client");
  if (!(error instanceof TenantSecretsError) || !error.fields?.includes("schedule")) return error;
  const message = error.message.replace(
    /(?<=^The schedule was refused: )\w+/,
    (field) => optionNames.get(field) ?? field,
  );
  return new TenantSecretsError(error.code, message, error);
}

/** A schedule as the options that it is set with. */
export function scheduleText({ beforeExpiry, ...schedule }: RotationSchedule): string {
  const { every, at, cron, zone, window } = schedule;
  const parts = [
    every === undefined ? [] : [`every ${every}`],
    at === undefined ? [] : [`at ${at}`],
    cron === undefined ? [] : [`cron ${cron}`],
    beforeExpiry === undefined ? [] : [`${beforeExpiry} before expiry`],
    window === undefined ? [] : [`window ${window}`],
    zone === undefined ? [] : [zone],
  ];
  return parts.flat().join(", ");
}
