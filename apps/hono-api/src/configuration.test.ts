import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import { apiVariables, readApiEnvironment } from "./env.ts";

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
        /\b(?:(?:TENANT_SECRETS|DATABASE_SUPERUSER|LEGACY_DATABASE|KEY_BACKUP)_[A-Z_]+|SECRETS_CATALOG|(?<!STRIPE_)WEBHOOK_SECRET)\b/g,
      ),
  );
  expect([...documented("The command line"), ...documented("The local start")].toSorted()).toEqual(
    [...read].toSorted(),
  );
});

test("each variable is named in the notes of the release that brought it, and one that is gone in those of the release that took it", () => {
  const folder = path.join(root, "docs/releases");
  const sections = readdirSync(folder).map((file) => {
    const notes = readFileSync(path.join(folder, file), "utf8");
    return notes.split(/^## /m).find((part) => part.startsWith("Variables")) ?? "";
  });
  const namedIn = (lines: readonly string[]) =>
    new Set(lines.flatMap((line) => line.match(/(?<=`)[A-Z]+(?:_[A-Z]+)*(?=`)/g) ?? []));
  const lines = sections.flatMap((section) => section.split("\n"));
  const [named, gone] = [namedIn(lines), namedIn(lines.filter((line) => line.startsWith("- Removed")))];
  const all = ["The API", "The command line", "The local start"].flatMap(documented);
  expect(all.filter((name) => !named.has(name))).toEqual([]);
  expect([...named].filter((name) => !all.includes(name) && !gone.has(name))).toEqual([]);
  expect(named.size).toBeGreaterThan(60);
});

/** The environment with what every process needs, and these. */
function readWith(variables: Readonly<Record<string, string>>) {
  const url = "postgres://user:fake@db.example/tenant_secrets";
  const required = {
    DATABASE_URL: url,
    DATABASE_MAINTENANCE_URL: url,
    DATABASE_LISTENER_URL: url,
    INFISICAL_SITE_URL: "https://infisical.example",
    INFISICAL_CLIENT_ID: "fake",
    INFISICAL_CLIENT_SECRET: "fake",
    INFISICAL_PROJECT_ID: "fake",
    INFISICAL_ENVIRONMENT: "dev",
  };
  for (const [name, value] of Object.entries({ ...required, ...variables })) vi.stubEnv(name, value);
  return readApiEnvironment();
}

describe("the variables of retention", () => {
  test("keep what release 0.1.0 kept, where none is set", () => {
    const read = readWith({});
    expect(read).toMatchObject({ VERSIONS_KEPT: 20, VERSIONS_KEPT_DAYS: 1, DELIVERIES_RETENTION_DAYS: 30 });
    expect([read.RUNS_RETENTION_DAYS, read.AUDIT_RETENTION_DAYS]).toEqual([undefined, undefined]);
  });

  test.each([
    { name: "VERSIONS_KEPT", least: 1, most: 10_000 },
    { name: "VERSIONS_KEPT_DAYS", least: 1, most: 36_500 },
    { name: "RUNS_RETENTION_DAYS", least: 30, most: 36_500 },
    { name: "DELIVERIES_RETENTION_DAYS", least: 4, most: 3650 },
    { name: "AUDIT_RETENTION_DAYS", least: 30, most: 36_500 },
  ])("take $least to $most as $name, and say so of anything else", ({ name, least, most }) => {
    for (const value of [least, most])
      expect(readWith({ [name]: String(value) })).toMatchObject({ [name]: value });
    for (const text of [least - 1, most + 1, 0, -1, "1.5", "1e2", "twenty", "999999999999", " 30", "0x30"])
      expect(() => readWith({ [name]: String(text) }), String(text)).toThrow(
        `${name} is no whole number from ${least} to ${most}\n`,
      );
    vi.unstubAllEnvs();
  });
});

describe("OUTBOUND_ALLOW", () => {
  const read = (variables: Readonly<Record<string, string>>) => readWith(variables).OUTBOUND_ALLOW;

  test("names this machine in development and elsewhere, and not in production", () => {
    const readIn = (environment: string) =>
      read({ INFISICAL_ENVIRONMENT: environment, OUTBOUND_ALLOW: "10.0.0.7:443, 127.0.0.1:9100" });
    expect(readIn("dev")).toEqual(["10.0.0.7:443", "127.0.0.1:9100"]);
    expect(readIn("staging")).toEqual(["10.0.0.7:443", "127.0.0.1:9100"]);
    expect(() => readIn("prod")).toThrow(/^OUTBOUND_ALLOW names an address of this machine/);
    expect(() => readIn("prod")).not.toThrow("9100");
  });

  test("names other machines in production", () => {
    const names = "10.0.0.7:443,receiver.internal:8443";
    expect(read({ INFISICAL_ENVIRONMENT: "prod", OUTBOUND_ALLOW: names })).toEqual(names.split(","));
  });
});
