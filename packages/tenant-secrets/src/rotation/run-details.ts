import { asc, eq } from "drizzle-orm";
import { tables, type Statements } from "@repo/db";
import type { RotationRunDetails } from "@repo/catalog";
import type { RunRow } from "../runs/lease.ts";
import type { RotationDriver, RotationDrivers } from "./drivers/driver.ts";
import { hasCanary, type Phase, RotationInput } from "./rotation-state.ts";
import { describeRotation } from "./run-words.ts";

const { rotationCredentials } = tables;

/** One rotation in words, with its phases and what it caused at the provider. */
export async function describeInDetail(
  statements: Statements,
  row: RunRow,
  drivers: RotationDrivers,
): Promise<RotationRunDetails> {
  const input = RotationInput.parse(row.input);
  const { driver: name } = input;
  const driver = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  const credentials = await statements
    .select()
    .from(rotationCredentials)
    .where(eq(rotationCredentials.runId, row.id))
    .orderBy(asc(rotationCredentials.createdAt), asc(rotationCredentials.marker));
  return {
    ...describeRotation(row, drivers),
    phases: driver === undefined ? [] : phasesOf(driver, input),
    credentials: credentials.map(({ marker, ref, state, version, createdAt }) => ({
      marker,
      ...(ref !== null && { ref }),
      state,
      ...(version !== null && { version }),
      createdAt,
    })),
  };
}

function phasesOf(
  driver: RotationDriver,
  { urgent, canary }: Pick<RotationInput, "urgent" | "canary">,
): readonly Phase[] {
  const tested = hasCanary({ urgent, canary }) ? (["test", "canary"] as const) : (["test"] as const);
  const watched = urgent ? ([] as const) : (["watch"] as const);
  switch (driver.creates) {
    case "exchange":
      return ["prepare", "create"];
    case "person":
      return ["prepare", "ask", ...tested, "promote", ...watched, "ask-retire"];
    case "us":
    case "provider": {
      const leads = driver.creates === "us" && (driver.leadSeconds ?? 0) > 0 && !urgent;
      const ends = driver.confirm === undefined ? (["retire"] as const) : (["retire", "confirm"] as const);
      return [
        "prepare",
        "create",
        ...(leads ? (["lead"] as const) : []),
        ...tested,
        "promote",
        ...watched,
        ...ends,
      ];
    }
  }
}
