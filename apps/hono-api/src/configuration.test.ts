import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { apiVariables } from "./env.ts";

const root = path.resolve(import.meta.dirname, "../../..");
const page = readFileSync(path.join(root, "docs/configuration.md"), "utf8");

function documented(heading: string): string[] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return [...section.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map((match) => match[1] ?? "").toSorted();
}

test("docs/configuration.md lists the variables of the API, all of them and no others", () => {
  expect(documented("The API")).toEqual(Object.keys(apiVariables).toSorted());
});

test("BASE_DOMAIN is the same with a dot at its end and without", () => {
  expect(apiVariables.BASE_DOMAIN.parse("example.com.")).toBe("example.com");
});

test("docs/configuration.md lists every variable that only the command line or the local start reads", () => {
  const sources = ["apps/cli/src", "tooling/local/src"].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts") && !/\.test\.ts$|fixture/.test(file))
      .map((file) => readFileSync(path.join(root, folder, file), "utf8")),
  );
  const read = new Set(
    sources
      .join("\n")
      .replaceAll(/_FILE\b/g, "")
      .match(
        /\b(?:(?:TENANT_SECRETS|DATABASE_SUPERUSER|LEGACY_DATABASE|KEY_BACKUP)_[A-Z_]+|SECRETS_CATALOG)\b/g,
      ),
  );
  expect([...documented("The command line"), ...documented("The local start")].toSorted()).toEqual(
    [...read].toSorted(),
  );
});
