import { loadNamedModule } from "@repo/environment";
import { type Catalog } from "@repo/tenant-secrets/client";
import { isCatalog } from "@repo/catalog";

/**
 * The catalogue of the product that this deployment serves.
 *
 * @param named what SECRETS_CATALOG says: docs/configuration.md
 * @throws {EnvironmentError} where it names no module with one catalogue
 */
export function loadCatalog(named: string): Promise<Catalog> {
  return loadNamedModule({
    variable: "SECRETS_CATALOG",
    named,
    importModule: (specifier) => import(specifier),
    what: "a catalogue (defineCatalog)",
    isOne: isCatalog,
  });
}
