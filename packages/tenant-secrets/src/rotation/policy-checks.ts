import type { Statements } from "@repo/db";
import { type Catalog, parseJson, type RotationPolicyInput, TenantSecretsError } from "@repo/catalog";
import { tables } from "@repo/db";
import type { Company } from "../companies/companies.ts";
import type { RotationDriver, RotationDrivers } from "./drivers/driver.ts";
import { getDriver, parseSettings } from "./drivers/drivers.ts";
import { findCurrentVersion } from "./policy-due.ts";
import { ofPolicy } from "./policy-row.ts";
import { checkSchedule } from "./schedule-rules.ts";

const { rotationPolicies } = tables;

export interface CheckParts {
  readonly catalog: Catalog;
  readonly drivers: RotationDrivers;
  /** The shortest time between two rotations that a policy may ask for, in seconds. Default: what its driver says */
  readonly leastSeconds?: number | undefined;
}

/** What of a policy is not as it was asked. */
export interface CheckedPolicy {
  readonly driver: RotationDriver;
  readonly settings: unknown;
  readonly manager: string | null;
}

/** @throws {TenantSecretsError} INVALID_INPUT, NOT_SUPPORTED, UNKNOWN_SECRET_KEY */
export async function checkPolicy(
  parts: CheckParts,
  statements: Statements,
  { company, secretKey, ...asked }: Omit<RotationPolicyInput, "company"> & { readonly company: Company },
): Promise<CheckedPolicy> {
  const { driver, settings } = chosenDriver(parts, secretKey, asked);
  if (company.secretStore === "infisical") throw onInfisical();
  if (asked.canary !== undefined && driver.overlap !== "both-valid") throw noCanary(driver);
  const manager = await managerOf(statements, { driver, company, secretKey, asked: asked.manager });
  if (asked.schedule !== undefined) {
    const leastSeconds = parts.leastSeconds ?? driver.leastSeconds;
    checkSchedule(asked.schedule, {
      overlapSeconds: asked.overlapSeconds,
      ...(leastSeconds !== undefined && { leastMs: leastSeconds * 1000 }),
    });
  }
  return { driver, settings, manager };
}

/** The driver of a policy with its settings, or those that the catalogue names. @throws {TenantSecretsError} */
export function chosenDriver(
  { catalog, drivers }: Pick<CheckParts, "catalog" | "drivers">,
  secretKey: string,
  asked: Pick<RotationPolicyInput, "driver" | "settings">,
): { readonly driver: RotationDriver; readonly settings: unknown } {
  const { rotation } = catalog.get(secretKey);
  const name = asked.driver ?? rotation?.driver;
  if (name === undefined) {
    throw new TenantSecretsError(
      "INVALID_INPUT",
      `Name a driver: the catalogue names none for ${secretKey}.`,
      { fields: ["driver"] },
    );
  }
  const driver = getDriver(drivers, name);
  const ofCatalog = rotation?.driver === name ? (rotation.settings ?? {}) : {};
  const settings = asked.settings === undefined ? ofCatalog : (parseJson(asked.settings) ?? asked.settings);
  parseSettings(driver, settings);
  return { driver, settings };
}

/** @throws {TenantSecretsError} INVALID_INPUT */
async function managerOf(
  statements: Statements,
  {
    driver,
    company,
    secretKey,
    asked,
  }: {
    readonly driver: RotationDriver;
    readonly company: Company;
    readonly secretKey: string;
    readonly asked: string | undefined;
  },
): Promise<string | null> {
  const refuse = (message: string) =>
    new TenantSecretsError("INVALID_INPUT", message, { fields: ["manager"] });
  if (asked === undefined) {
    if (driver.manager !== "required") return null;
    throw refuse(`The driver ${driver.name} acts with the rights of another secret: name it as the manager.`);
  }
  if (driver.manager === "none" || driver.manager === "self")
    throw refuse(`The driver ${driver.name} takes no manager.`);
  const seen = new Set([secretKey]);
  for (let next: string | null = asked; next !== null;) {
    if (seen.has(next)) throw refuse("A secret cannot be managed by itself, not even by way of others.");
    seen.add(next);
    const [policy]: readonly { readonly managerKey: string | null }[] = await statements
      .select({ managerKey: rotationPolicies.managerKey })
      .from(rotationPolicies)
      .where(ofPolicy({ companyId: company.id, secretKey: next }));
    next = policy?.managerKey ?? null;
  }
  if ((await findCurrentVersion(statements, { companyId: company.id, secretKey: asked })) === undefined)
    throw refuse("The manager is a secret of the same company that has a value.");
  return asked;
}

function noCanary({ name }: RotationDriver): TenantSecretsError {
  return new TenantSecretsError(
    "INVALID_INPUT",
    `With the driver ${name} the new value ends the old one, so that the uses cannot be shared between them: leave the canary out.`,
    { fields: ["canary"] },
  );
}

export function onInfisical(): TenantSecretsError {
  return new TenantSecretsError(
    "NOT_SUPPORTED",
    "Secrets of a company on Infisical have no versions, and are not rotated: move it to the hybrid or the database store.",
  );
}
