import { type Catalog, TenantSecretsError } from "@repo/catalog";
import type { ProviderUrls } from "../../providers/provider-checks.ts";
import type { RotationDriver, RotationDrivers } from "./driver.ts";
import { generated } from "./generated.ts";
import { createGuidedDriver } from "./guided/guided.ts";
import { createSendgridDriver } from "./sendgrid.ts";

/** The built-in drivers: "generated", "guided" and "sendgrid". */
export function rotationDrivers({ stripe, sendgrid }: ProviderUrls = {}): RotationDrivers {
  return {
    generated,
    guided: createGuidedDriver({ stripe }),
    sendgrid: createSendgridDriver(sendgrid ?? "https://api.sendgrid.com"),
  };
}

/**
 * Called at startup.
 *
 * @throws {TypeError} if a driver is not given under its own name, or an entry names one that does not exist, or settings that
 *   it does not take
 */
export function requireDrivers(catalog: Catalog, drivers: RotationDrivers): void {
  for (const [name, driver] of Object.entries(drivers)) {
    if (driver.name !== name) throw new TypeError(`The driver "${driver.name}" is given as "${name}"`);
  }
  for (const [secretKey, { rotation }] of Object.entries(catalog.entries)) {
    if (rotation === undefined) continue;
    const driver = Object.hasOwn(drivers, rotation.driver) ? drivers[rotation.driver] : undefined;
    if (driver === undefined) {
      throw new TypeError(
        `The entry of ${secretKey} names the rotation driver "${rotation.driver}", which is not among the drivers given`,
      );
    }
    if (!driver.settings.safeParse(rotation.settings ?? {}).success) {
      throw new TypeError(
        `The entry of ${secretKey} has settings that the rotation driver "${rotation.driver}" does not take`,
      );
    }
  }
}

/** @throws {TenantSecretsError} NOT_SUPPORTED if there is no driver of this name */
export function getDriver(drivers: RotationDrivers, name: string): RotationDriver {
  const driver = Object.hasOwn(drivers, name) ? drivers[name] : undefined;
  if (driver !== undefined) return driver;
  throw new TenantSecretsError("NOT_SUPPORTED", "This deployment has no rotation driver of this name.");
}

/**
 * @param settings as a person or a catalogue gives them
 * @throws {TenantSecretsError} INVALID_INPUT, which names the settings that do not fit and quotes none
 */
export function parseSettings(driver: RotationDriver, settings: unknown): unknown {
  const parsed = driver.settings.safeParse(settings ?? {});
  if (parsed.success) return parsed.data;
  const named = parsed.error.issues.map(({ path }) => path.map(String).join("."));
  const fields = [...new Set(named)].filter((field) => /^[\w.]{1,60}$/.test(field)).slice(0, 5);
  const which = fields.length === 0 ? "They have" : `${fields.join(", ")}: they have`;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    `The settings of the rotation were refused: ${which} another form than the driver ${driver.name} takes.`,
    { fields: ["settings"] },
  );
}
