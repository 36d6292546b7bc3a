import { describe, expect, test } from "vitest";
import { malformedInput, RotationSchedule, TenantSecretsError } from "@repo/catalog";
import { checkSchedule, type ScheduleBounds } from "./schedule-rules.ts";

/** What a caller is told, of the form as of what it means. */
function refusal(schedule: object, bounds: ScheduleBounds = {}): string | undefined {
  try {
    checkSchedule(RotationSchedule.parse(schedule), bounds);
    return undefined;
  } catch (error) {
    const refused = error instanceof TenantSecretsError ? error : malformedInput(error);
    expect(refused.code).toBe("INVALID_INPUT");
    return refused.message;
  }
}

const zone = "Europe/Berlin";

describe("a schedule is refused", () => {
  test.for([
    [{ cron: "* * * * * *", zone }, "cron has five fields"],
    [{ cron: "@daily", zone }, "cron has five fields"],
    [{ cron: "? ? * * *", zone }, "cron has five fields"],
    [{ cron: "60 * * * *", zone }, "cron is five fields that come true"],
    [{ cron: "0 0 30 2 *", zone }, "cron is five fields that come true"],
    [{ cron: "0 0 29 2 *", zone }, "cron leaves at most 400 days"],
    [{ cron: "* * * * *", zone }, "cron leaves at least 1 hour"],
    [{ cron: "5,55 0,23 1,15,16 * *", zone }, "cron leaves at least 1 hour"],
    [{ cron: "0 3 * * *" }, "zone is needed"],
    [{ every: "PT1S" }, "every is a duration"],
    [{ every: "P" }, "every is a duration"],
    [{ every: "P1DT" }, "every is a duration"],
    [{ every: "P1M" }, "every is a duration"],
    [{ every: "PT0M" }, "every is between 1 hour and 400 days"],
    [{ every: "PT59M" }, "every is between 1 hour and 400 days"],
    [{ every: "P999D" }, "every is between 1 hour and 400 days"],
    [{ every: "P401D" }, "every is between 1 hour and 400 days"],
    [{ beforeExpiry: "PT5M" }, "beforeExpiry is between 1 hour and 400 days"],
    [{ every: "P1D", zone: "../../etc" }, "zone is the name of a time zone"],
    [{ every: "P1D", zone: "+02:00" }, "zone is the name of a time zone"],
    [{ every: "P1D", zone: "Mars/Olympus" }, "zone is a name in the time zone database"],
    [{ every: "P1D", at: "25:00", zone }, "at is a time of day"],
    [{ every: "PT36H", at: "03:00", zone }, "at is for an interval of whole days"],
    [{ cron: "0 3 * * *", at: "03:00", zone }, "at is for an interval of whole days"],
    [{ every: "P1D", at: "03:00" }, "zone is needed"],
    [{ every: "P1D", at: "06:00", window: "02:00–05:00", zone }, "at is a time inside the window"],
    [{ every: "P1D", window: "02:00–02:00", zone }, "window is two different times"],
    [{ every: "P1D", window: "02:00", zone }, "window is two different times"],
  ] as const)("%j", ([schedule, sentence]) => {
    expect(refusal(schedule)).toContain(`refused: ${sentence}`);
  });

  test("without a rule, or with a field that is none", () => {
    expect(refusal({ zone })).toBe("The request does not have the form that this procedure takes.");
    expect(refusal({ every: "P1D", cronn: "x" })).toMatch(/form that this procedure takes/);
    expect(refusal(JSON.parse('{"every":"P1D","__proto__":{"at":"03:00"}}'))).toMatch(/form/);
  });

  test("where the replaced value would stay active for longer than the time between two rotations", () => {
    const day = 86_400;
    expect(refusal({ every: "P1D" }, { overlapSeconds: day })).toBeUndefined();
    expect(refusal({ every: "P1D" }, { overlapSeconds: day + 1 })).toMatch(/as long as the overlap/);
    expect(refusal({ cron: "0 3,9 * * *", zone }, { overlapSeconds: 6 * 3600 + 1 })).toMatch(/overlap/);
    expect(refusal({ beforeExpiry: "P7D" }, { overlapSeconds: 30 * day })).toBeUndefined();
  });
});

describe("a schedule is taken", () => {
  test.for([
    { every: "P30D" },
    { every: "P4W", at: "03:00", zone },
    { every: "P400D" },
    { every: "PT1H", window: "22:00–04:00", zone },
    { every: "P1D", at: "23:30", window: "22:00-04:00", zone },
    { cron: "0 3 1 * *", zone: "UTC" },
    { cron: "0 * * * *", zone: "Australia/Lord_Howe" },
    { cron: "0 0 29 2 1", zone },
    { cron: "0 3 * JAN MON#1", zone: "America/Argentina/Buenos_Aires" },
    { beforeExpiry: "P7D" },
    { every: "P30D", cron: "0 3 1 * *", beforeExpiry: "P1DT12H", zone, window: "02:00–05:00" },
  ])("%j", (schedule) => {
    expect(refusal(schedule)).toBeUndefined();
  });

  test("of ten minutes, or of one, where the driver allows it", () => {
    const minutes = (count: number) => ({ leastMs: count * 60_000 });
    expect(refusal({ every: "PT10M" }, minutes(10))).toBeUndefined();
    expect(refusal({ every: "PT9M" }, minutes(10))).toContain("between 10 minutes and 400 days");
    expect(refusal({ cron: "*/10 * * * *", zone }, minutes(10))).toBeUndefined();
    expect(refusal({ cron: "* * * * *", zone }, minutes(1))).toBeUndefined();
    expect(refusal({ cron: "10,50 0,23 1,15,16 * *", zone }, minutes(20))).toBeUndefined();
    expect(refusal({ cron: "10,50 0,23 1,15,16 * *", zone }, minutes(21))).toContain("at least 21 minutes");
  });
});
