import { EnvironmentError, loadNamedModule } from "@repo/environment";
import { type Catalog } from "@repo/tenant-secrets/client";
import { isCatalog } from "@repo/catalog";
import { readCatalogVariable } from "./env.ts";
import { UsageError } from "./failure.ts";

/**
 * The catalogue of the product whose secrets are worked with: docs/configuration.md, SECRETS_CATALOG.
 *
 * @throws {UsageError} where the variable names no module with one catalogue
 */
export async function readCatalog(): Promise<Catalog> {
  const named = readCatalogVariable();
  try {
    return await loadNamedModule({
      variable: "SECRETS_CATALOG",
      named,
      importModule: (specifier) => import(specifier),
      what: "a catalogue (defineCatalog)",
      isOne: isCatalog,
    });
  } catch (error) {
    throw error instanceof EnvironmentError ? new UsageError(error.message) : error;
  }
}
