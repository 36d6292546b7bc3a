import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadProduct } from "./product-module.ts";
import { requireDrivers } from "./rotation/drivers/drivers.ts";

// Inside of the package, so that the module finds the packages that it imports.
const folder = mkdtempSync(path.join(import.meta.dirname, "../node_modules/product-module-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function moduleOf(exported: string): string {
  const file = path.join(folder, `${++files}.mjs`);
  writeFileSync(
    file,
    `import { defineCatalog, textSecret } from "@repo/catalog"; import { z } from "zod"; ${exported}`,
  );
  return file;
}

const load = (named: string) => loadProduct(named, (specifier) => import(specifier));

test.for([
  ["a missing package", "no-such-package", /names a package that is not among the dependencies/],
  ["no export", { source: "" }, /exports nothing that is a catalogue/],
  [
    "a module without a catalogue",
    { source: "export const a = { entries: {} };" },
    /exports nothing that is a catalogue/,
  ],
  [
    "two catalogues",
    { source: "export const a = defineCatalog({}); export const b = defineCatalog({});" },
    /2 exports that are a catalogue/,
  ],
  [
    "checks that are not functions",
    { source: `export const a = defineCatalog({}); export const checks = { acme: "https://acme.example" };` },
    /SECRETS_CATALOG names a module whose export "checks" is not an object of functions: "acme" is none/,
  ],
  [
    "verifiers that are a list",
    { source: `export const a = defineCatalog({}); export const verifiers = [];` },
    /SECRETS_CATALOG names a module whose export "verifiers" is not an object of functions/,
  ],
  [
    "drivers without the parts of a driver",
    { source: `export const a = defineCatalog({}); export const drivers = { acme: { name: "acme" } };` },
    /SECRETS_CATALOG names a module whose export "drivers" is not an object of rotation drivers: "acme" is none/,
  ],
] as const)("a SECRETS_CATALOG with %s is refused", async ([, named, problem]) => {
  await expect(load(typeof named === "string" ? named : moduleOf(named.source))).rejects.toThrow(problem);
});

test("a rotation driver that is not there is refused, with the secret key that names it", async () => {
  const { catalog, drivers } = await load(
    moduleOf(
      `export const a = defineCatalog({ A: textSecret(z.string(), { label: "a", rule: "a", rotation: { driver: "none" } }) });`,
    ),
  );
  expect(() => requireDrivers(catalog, drivers)).toThrow('The entry of A names the rotation driver "none"');
});
