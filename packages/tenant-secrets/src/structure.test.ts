import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { build, type Rolldown } from "vite";
import { describe, expect, test } from "vitest";

const root = import.meta.dirname;
const packages = path.resolve(root, "../..");

/** Rooms of this package and files of its root. Each may import from itself and from those before it, and from no other. */
const layers = [
  "api-requests.ts",
  "verify-notification.ts",
  "providers",
  "cache",
  "access",
  "companies",
  "runs",
  "keys",
  "regions",
  "stores",
  "vault",
  "audit",
  "migration",
  "notifications",
  "rotation",
  "product-module.ts",
  "jobs",
  "health",
  "product-services.ts",
  "router",
  "api-links.ts",
  "audit-actions.ts",
  "client.ts",
  "drivers.ts",
  "files.ts",
  "http.ts",
  "migration-findings.ts",
  "receipts.ts",
  "operator.ts",
  "assembly",
  "assemble.ts",
  "internals.ts",
  "lifecycle.ts",
  "tenant-secrets.ts",
  "index.ts",
  "testing",
];

const productOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => file.replaceAll(path.sep, "/"));

const files = productOf(root);

/** Imports of types too: a reader follows them as well. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/(?:from|import) "([^"]+)"/g)].map((match) => match[1] ?? "");
}

/** The files of the same package that a file imports, as paths from the package's `src`. */
function neighboursOf(folder: string, file: string): string[] {
  return importsOf(path.join(folder, file))
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => path.posix.join(path.posix.dirname(file), specifier));
}

const layerOf = (file: string): number => layers.indexOf(file.split("/")[0] ?? "");

describe("the rooms of the core", () => {
  test("are the known ones", () => {
    expect(files.filter((file) => layerOf(file) === -1)).toEqual([]);
  });

  test("import only from those before them", () => {
    const upward = files.flatMap((file) =>
      neighboursOf(root, file)
        .filter((target) => layerOf(target) > layerOf(file))
        .map((target) => `${file} → ${target}`),
    );
    expect(upward).toEqual([]);
  });

  test("hold no drawer for what has no name", () => {
    const drawers = files.filter((file) =>
      /(?:^|\/)(?:utils?|helpers?|types|common|services?|managers?|misc|shared)\.ts$/.test(file),
    );
    expect(drawers).toEqual([]);
  });
});

/** The file of one entry of a package of this repository, such as `@repo/audit-log/verify`. */
function entryOf(specifier: string): string {
  const [name = "", ...subpath] = specifier.slice("@repo/".length).split("/");
  const folder = [packages, path.join(root, "../../../apps")]
    .map((parent) => path.join(parent, name))
    .find(existsSync);
  const { exports } = JSON.parse(readFileSync(path.join(folder ?? name, "package.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  return path.join(folder ?? name, exports[[".", ...subpath].join("/")] ?? "");
}

/** The libraries that Node loads with these files, whichever files they come through. */
function librariesOf(entries: readonly string[]): string[] {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const specifier of loadedBy(file)) {
      if (specifier.startsWith(".")) visit(path.join(path.dirname(file), specifier));
      else seen.add(specifier);
      if (specifier.startsWith("@repo/")) visit(entryOf(specifier));
    }
  };
  entries.forEach(visit);
  return [...seen].filter((name) => !path.isAbsolute(name) && !name.startsWith("node:")).toSorted();
}

test("the verifier of exports loads no database, no file format and no part of the core", () => {
  expect(librariesOf([entryOf("@repo/audit-log/verify")])).toEqual([
    "@repo/catalog",
    "@repo/envelope",
    "zod",
  ]);
});

test("what pages read files and values with loads no schema library, which would be a quarter of the page", () => {
  expect(librariesOf([entryOf("@repo/tenant-secrets/files")])).toEqual([
    "@humanwhocodes/momoa",
    "@repo/catalog/files",
  ]);
});

test("the names of audited actions, which pages put into words, load nothing", () => {
  expect(librariesOf([entryOf("@repo/tenant-secrets/audit-actions")])).toEqual(["@repo/audit-log/actions"]);
});

test("the findings of migrations, which pages show, load nothing", () => {
  expect(librariesOf([entryOf("@repo/tenant-secrets/migration-findings")])).toEqual([
    "@repo/catalog/migration-findings",
  ]);
});

test("the kit for tests of other products loads no test runner", () => {
  expect(librariesOf([entryOf("@repo/tenant-secrets/test-kit")])).not.toContain("vitest");
});

test("the benchmarks load no test runner, and the contract of stores does", () => {
  const bench = path.resolve(root, "../../../tooling/bench/src");
  const libraries = librariesOf(productOf(bench).map((file) => path.join(bench, file)));
  expect(libraries).toContain("@repo/tenant-secrets/internals");
  expect(libraries).not.toContain("vitest");
  expect(librariesOf([entryOf("@repo/tenant-secrets/testing")])).toContain("vitest");
});

/** What Node loads for a file: its imports but for those of types. */
function loadedBy(file: string): string[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^(?:import|export)(?! type\b)[^;]*?from "([^"]+)";$/gm)].map(
    (match) => match[1] ?? "",
  );
}

/** Files that make a CompanyId: the resolver, the check of credentials, and platform code. */
const makersOfCompanyIds = [
  "audit/verifications.ts",
  "companies/authenticate.ts",
  "companies/companies.ts",
  "jobs/maintenance.ts",
  "keys/check-values.ts",
  "keys/company/rotation-run.ts",
  "regions/adoption.ts",
  "regions/moves/move-run.ts",
  "regions/moves/offered.ts",
  "regions/renewal-run.ts",
  "regions/verification/verification.ts",
  "stores/infisical/outside-settlement.ts",
  "vault/search.ts",
];

test("a CompanyId is made by the listed files alone, and by no cast", () => {
  const product = files.filter((file) => !file.startsWith("testing/"));
  const makers = product.filter((file) =>
    importsOf(path.join(root, file)).some((specifier) => specifier.endsWith("/company-id.ts")),
  );
  expect(makers.toSorted()).toEqual(makersOfCompanyIds);
  const casts = ["catalog", "envelope", "audit-log", "tenant-secrets"].flatMap((name) => {
    const folder = path.join(packages, name, "src");
    return productOf(folder)
      .filter((file) => !file.startsWith("testing/"))
      .filter((file) =>
        /\bas (?:unknown as )?CompanyId\b|<CompanyId>\s*\w/.test(
          readFileSync(path.join(folder, file), "utf8"),
        ),
      )
      .map((file) => `${name}/${file}`);
  });
  expect(casts).toEqual(["tenant-secrets/companies/company-id.ts"]);
});

test("what a browser gets of the client holds no cipher, no database and no Infisical", async () => {
  const output = await build({
    root,
    logLevel: "silent",
    build: {
      write: false,
      minify: false,
      lib: { entry: "client.ts", formats: ["es"] },
      rollupOptions: { external: [] },
    },
  });
  const [bundle] = [output].flat() as Rolldown.RolldownOutput[];
  const code = bundle?.output.map((chunk) => ("code" in chunk ? chunk.code : "")).join("\n") ?? "";
  expect(code).toContain("createTenantSecretsClient");
  expect(code).toContain("defineCatalog");
  expect(code).not.toMatch(/createDecipheriv|postgres|@infisical|drizzle|node:/);
});
