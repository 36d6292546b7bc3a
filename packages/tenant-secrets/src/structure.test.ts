import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { build, type Rolldown } from "vite";
import { describe, expect, test } from "vitest";

const root = import.meta.dirname;

/** A file may import from its own folder and from the folders before it, and from no other. */
const layers = [
  "vocabulary",
  "catalog",
  "transfer",
  "providers",
  "crypto",
  "cache",
  "access",
  "companies",
  "keys",
  "stores",
  "vault",
  "record",
  "lifecycle",
  "migration",
  "router",
];

const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (file) => file.endsWith(".ts") && !file.endsWith(".test.ts"),
);

function importsOf(file: string): string[] {
  const text = readFileSync(path.join(root, file), "utf8");
  return [...text.matchAll(/(?:from|import) "([^"]+)"/g)].map((match) => match[1] ?? "");
}

describe("the folders of the package", () => {
  test("are the known ones", () => {
    const folders = new Set(
      files.filter((file) => file.includes(path.sep)).map((file) => file.split(path.sep)[0]),
    );
    expect([...folders].filter((folder) => !layers.includes(folder ?? ""))).toEqual([]);
  });

  test("import only from those before them", () => {
    const wrong = files.flatMap((file) => {
      const [folder, ...rest] = file.split(path.sep);
      if (rest.length === 0) return [];
      return importsOf(file)
        .filter((specifier) => specifier.startsWith("../"))
        .map((specifier) => specifier.split("/")[1] ?? "")
        .filter((target) => layers.includes(target) && layers.indexOf(target) > layers.indexOf(folder ?? ""))
        .map((target) => `${file} → ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  test("hold no drawer for what has no name", () => {
    const drawers = files.filter((file) =>
      /(?:^|[/\\])(?:utils?|helpers?|types|common|services?|managers?|misc|shared)\.ts$/.test(file),
    );
    expect(drawers).toEqual([]);
  });
});

/** Whoever imports the maker of a CompanyId: the resolver, the check of credentials, and platform code. */
const makersOfCompanyIds = [
  "companies/authenticate.ts",
  "companies/companies.ts",
  "keys/company/rotation.ts",
  "keys/rotation/emergency.ts",
  "audit/audit-service.ts",
  "stores/infisical/outside-settlement.ts",
  "jobs/maintenance.ts",
  "vault/search.ts",
];

test("a CompanyId is made by the listed files alone, and by no cast", () => {
  const product = files.filter((file) => !file.endsWith("testing/fixture.ts"));
  const makers = product.filter((file) =>
    importsOf(file).some((specifier) => specifier.endsWith("/company-id.ts")),
  );
  expect(makers.map((file) => file.replaceAll(path.sep, "/")).toSorted()).toEqual(makersOfCompanyIds);
  const casts = product.filter((file) =>
    /\bas (?:unknown as )?CompanyId\b|<CompanyId>\s*\w/.test(readFileSync(path.join(root, file), "utf8")),
  );
  expect(casts.map((file) => file.replaceAll(path.sep, "/"))).toEqual(["companies/company-id.ts"]);
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
  expect(code).toContain("STRIPE_SECRET_KEY");
  expect(code).not.toMatch(/createDecipheriv|postgres|@infisical|drizzle|node:/);
});
