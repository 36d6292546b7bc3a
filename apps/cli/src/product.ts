import { EnvironmentError } from "@repo/environment";
import { loadProduct, type Product } from "@repo/tenant-secrets/product-module";
import { readCatalogVariable } from "./env.ts";
import { UsageError } from "./failure.ts";

/**
 * The catalogue of the product whose secrets are worked with, with its checks and verifiers: docs/configuration.md,
 * SECRETS_CATALOG.
 *
 * @throws {UsageError} if the variable names no module with one catalogue, or an export of it is malformed
 */
export async function readProduct(): Promise<Product> {
  try {
    return await loadProduct(readCatalogVariable(), (specifier) => import(specifier));
  } catch (error) {
    throw error instanceof EnvironmentError ? new UsageError(error.message) : error;
  }
}
