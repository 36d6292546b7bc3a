import type { RotationDrivers } from "../rotation/drivers/driver.ts";

/** Drivers that ask their local providers without a pause between two steps. */
export function unpaced(drivers: RotationDrivers): RotationDrivers {
  return Object.fromEntries(
    Object.entries(drivers).map(([name, driver]) => [name, { ...driver, paceMs: 0 }]),
  );
}
