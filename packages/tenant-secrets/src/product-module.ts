import { EnvironmentError, loadNamedModule } from "@repo/environment";
import { type Catalog, isCatalog } from "@repo/catalog";
import { z } from "zod";
import type { CredentialChecks } from "./providers/credential-check.ts";
import type { WebhookVerifiers } from "./providers/webhook-verification.ts";
import type { RotationDrivers } from "./rotation/drivers/driver.ts";

/** What the module of a product gives to a deployment. */
export interface Product {
  readonly catalog: Catalog;
  /** Beside the built-in ones; one of the same name replaces it. */
  readonly checks: CredentialChecks;
  /** As `checks`. */
  readonly verifiers: WebhookVerifiers;
  /** As `checks`. */
  readonly drivers: RotationDrivers;
}

const variable = "SECRETS_CATALOG";

/**
 * Loads the module that SECRETS_CATALOG names: its catalogue, under any name, and its exports `checks`, `verifiers` and
 * `drivers`, if it has any. docs/configuration.md describes it.
 *
 * @param named the variable's value
 * @param importModule `(specifier) => import(specifier)` of the program, whose dependencies a package is looked for among
 * @throws {EnvironmentError} if it names no module with one catalogue, or an export is not what its name says
 */
export async function loadProduct(
  named: string,
  importModule: (specifier: string) => Promise<unknown>,
): Promise<Product> {
  const { found, exported } = await loadNamedModule({
    variable,
    named,
    importModule,
    what: "a catalogue (defineCatalog)",
    isOne: isCatalog,
  });
  return {
    catalog: found,
    checks: functionsIn(exported, "checks"),
    verifiers: functionsIn(exported, "verifiers"),
    drivers: driversIn(exported),
  };
}

/** That the functions do what their kind promises is for the module's author: TypeScript checks `satisfies CredentialChecks`. */
function functionsIn<Name extends "checks" | "verifiers">(
  exported: Readonly<Record<string, unknown>>,
  name: Name,
): Product[Name] {
  const given = exported[name] ?? {};
  const isObject = typeof given === "object" && !Array.isArray(given);
  const wrong = isObject ? Object.entries(given).find(([, each]) => typeof each !== "function") : [];
  if (wrong !== undefined) {
    const which = wrong[0] === undefined ? "" : `: "${wrong[0]}" is none`;
    throw new EnvironmentError(
      `${variable} names a module whose export "${name}" is not an object of functions${which}.`,
    );
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every member is a function
  return given as Product[Name];
}

/** As {@link functionsIn}: TypeScript checks `satisfies RotationDrivers`. */
function driversIn({ drivers = {} }: Readonly<Record<string, unknown>>): RotationDrivers {
  const parsed = z.record(z.string(), DriverShape).safeParse(drivers);
  if (!parsed.success || Array.isArray(drivers)) {
    const named = parsed.error?.issues[0]?.path[0];
    const which = named === undefined ? "" : `: "${String(named)}" is none`;
    throw new EnvironmentError(
      `${variable} names a module whose export "drivers" is not an object of rotation drivers${which}.`,
    );
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every member has the parts of a driver
  return drivers as RotationDrivers;
}

const DriverShape = z.looseObject({
  name: z.string(),
  creates: z.enum(["us", "provider", "exchange", "person"]),
  settings: z.looseObject({}),
  test: z.custom((value) => typeof value === "function"),
});
