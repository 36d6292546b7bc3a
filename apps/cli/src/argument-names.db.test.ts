import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appRouter } from "@repo/tenant-secrets/http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expiryOf } from "./arguments.ts";
import type { Command } from "./command.ts";
import { commands } from "./commands.ts";
import { createFixture, operator, product, type Fixture } from "./testing/fixture.ts";
import { cli, failing, type Environment } from "./testing/run-cli.ts";

/** Commands that ask no procedure, and so get no error that names fields of one. */
const withoutApi =
  /^(?:import-legacy|keys (?:check-values|rotate|verify-report|backup|check-backup|restore|shred|receipt|verify-receipt|public-key|emergency-rotate|rotate-company)|audit (?:verify|verify-export|public-key|acknowledge-failover)|operators .*|database .*|regions (?:publish|connect|subscribe|resync|resync-export|unsubscribe|disconnect)|migrate verify-report|webhooks listen)$/;

/** Options that stay local and are never sent. */
const local: ReadonlySet<string> = new Set(["output", "file", "confirm", "receipt"]);

const directory = mkdtempSync(join(tmpdir(), "own-words-"));
const secretsFile = join(directory, "secrets.env");
writeFileSync(secretsFile, "CUSTOM_NEW=fake-new\n");
const identityFile = join(directory, "us.json");
writeFileSync(
  identityFile,
  JSON.stringify({
    region: "us",
    address: "https://us.example.com",
    transportKeyVersion: 1,
    transportKey: "A".repeat(43),
    signingKeyVersion: 1,
    signingKey: "A".repeat(43),
  }),
);
afterAll(() => rmSync(directory, { recursive: true }));

/** Valid values for the other arguments, so that the tested one is the only invalid one. */
const fitting: Readonly<Record<string, string>> = {
  company: "acmecorp",
  secretKey: "CUSTOM_KEPT",
  subdomain: "acmecorp",
  email: "ada@example.com",
  userId: "0198c0de-0000-7000-8000-000000000001",
  id: "0198c0de-0000-7000-8000-000000000001",
  run: "0198c0de-0000-7000-8000-000000000001",
  export: "0198c0de-0000-7000-8000-000000000001",
  approval: "0198c0de-0000-7000-8000-000000000001",
  endpoint: "0198c0de-0000-7000-8000-000000000001",
  url: "https://hooks.example.com/secrets",
  version: "1",
  file: secretsFile,
  identity: identityFile,
  name: "Ada",
  role: "admin",
  store: "database",
  state: "on",
  days: "30",
  to: "1",
  at: "never",
  verbs: "use",
  "secret-keys": "*",
  "expires-in": "1d",
  format: "env",
  purpose: "incident",
};
const fittingOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "companies delete": { after: "30d", "backups-kept-days": "30", confirm: "acmecorp" },
  "companies move": { to: "us" },
  "companies set-external-key": { key: "arn:aws:kms:eu-central-1:111122223333:key/fake" },
  "companies take-over": { from: "eu" },
};

/** What reads its standard input is started as a process of its own. */
const reading: ReadonlySet<string> = new Set(["set", "stage", "search", "rotation supply"]);

let fixture: Fixture;
let environment: Environment;

beforeAll(async () => {
  fixture = await createFixture();
  for (const [subdomain, secretStore] of [
    ["acmecorp", "database"],
    ["codewiser", "infisical"],
  ] as const) {
    await fixture.secrets.admin.companies.create(operator, { subdomain, secretStore });
  }
  await fixture.secrets.company("acmecorp", product).set("CUSTOM_KEPT", "fake-kept");
  const apiKey = await fixture.apiKey(["acmecorp", "codewiser"]);
  environment = { ...fixture.remote, TENANT_SECRETS_API_KEY: apiKey };
});

const operators = new Map<string, Promise<string>>();

/** An operator has so many sensitive calls a minute, and each group of commands has an operator of its own. */
async function environmentOf(name: string): Promise<Environment> {
  const [group = name] = name.split(" ");
  const token =
    operators.get(group) ??
    fixture.secrets.admin.operators
      .create(operator, { name: group, expiresAt: new Date(Date.now() + 3_600_000) })
      .then((created) => created.token);
  operators.set(group, token);
  return { ...environment, TENANT_SECRETS_OPERATOR_TOKEN: await token };
}

/** A line of a command with everything that it needs, and one argument as it is said. */
function lineOf(
  name: string,
  { positionals, optional, options }: Command,
  { argument: wrong, value }: { readonly argument: string; readonly value: string },
): string[] {
  const valueOf = (argument: string): string => {
    if (argument === "confirm") return valueOf(positionals[0] ?? "");
    if (argument === "output") return join(directory, crypto.randomUUID());
    return argument === wrong ? value : (fittingOf[name]?.[argument] ?? fitting[argument] ?? "x");
  };
  const places = optional === undefined ? positionals : [...positionals, optional];
  const given = Object.entries(options).filter(
    ([option, { required }]) =>
      required === true || option === wrong || option === "yes" || option === "confirm",
  );
  return [
    ...name.split(" "),
    ...places.map(valueOf),
    ...given.map(([option, { type }]) =>
      type === "boolean" ? `--${option}` : `--${option}=${valueOf(option)}`,
    ),
  ];
}

const ofApi = await Promise.all(
  [...commands]
    .filter(([name]) => !withoutApi.test(name))
    .map(async ([name, { load }]) => [name, await load()] as const),
);
const values = ofApi.flatMap(([name, command]) => {
  const { positionals, optional = [], options } = command;
  const places = [...positionals, ...[optional].flat()].map((place) => [place, `<${place}>`] as const);
  const flags = Object.entries(options)
    .filter(([, { type }]) => type === "string")
    .map(([option]) => [option, `--${option}`] as const);
  return [...places, ...flags]
    .filter(([argument]) => !local.has(argument))
    .map(([argument, spelled]) => [name, spelled, command, argument] as const);
});

/** Names of fields that no text has by chance. */
const fields = [
  ...JSON.stringify(
    Object.values<object>(appRouter._def.procedures).map((procedure) =>
      fieldsOf(Reflect.get(Object(Reflect.get(procedure, "_def")), "inputs")),
    ),
  ).matchAll(/[a-z]+[A-Z]\w*/g),
].map(([name]) => name);

function fieldsOf(inputs: unknown): string[] {
  return Array.isArray(inputs)
    ? inputs.flatMap((input: unknown) => Object.keys(Object(Reflect.get(Object(input), "shape"))))
    : [];
}

describe.for(values)("%s %s", ([name, spelled, command, argument]) => {
  test("is what an error about it names, and no field of the API", async () => {
    const line = lineOf(name, command, { argument, value: "x".repeat(2000) });
    const own = await environmentOf(name);
    const message = reading.has(name)
      ? (await cli(line, own, "fake-value")).stderr
      : (await failing(line, own)).message;
    expect(message).toContain(spelled);
    for (const field of new Set(fields)) {
      expect(message.replaceAll(/<\w+>/g, "")).not.toMatch(new RegExp(`\\b${field}\\b`));
    }
  });
});

test("the names of fields are found, and there are many arguments", () => {
  expect(fields).toEqual(expect.arrayContaining(["graceSeconds", "reminderDays", "expectedVersion"]));
  expect(values.length).toBeGreaterThan(60);
});

test.each([
  ["expire CUSTOM_KEPT --company acmecorp --at 2031-01-01 --remind 400", "--remind (at most 365)"],
  ["expire CUSTOM_KEPT --company acmecorp --at 2031-01-01 --remind 7,7", "--remind has at most 10 different"],
  ["expire CUSTOM_KEPT --company acmecorp --at 1999-01-01", "--at is between the years 2000 and 9999"],
  ["promote CUSTOM_KEPT --company acmecorp --grace 31d", "--grace is at most 30d"],
  ["versions CUSTOM_KEPT --company acmecorp --limit 1000", "--limit (at most 100)"],
  ["list --company acmecorp --expires-within 99999", "--expires-within (at most 3653)"],
  ["rollback CUSTOM_KEPT --company acmecorp --to 999999999", "no version 999999999"],
  ["remove CUSTOM_KEPT --company codewiser --yes --request-id r-1", "(--request-id)"],
  ["remove CUSTOM_KEPT --company codewiser --yes --expected-version 1", "(--expected-version)"],
] as const)("%s is answered in its own words", async (line, sentence) => {
  expect((await failing(line.split(" "), environment)).message).toContain(sentence);
});

test.each([
  ["2026-12-31", "2026-12-31T00:00:00.000Z"],
  ["2026-12-31T10:00:00Z", "2026-12-31T10:00:00.000Z"],
  ["2026-12-31T10:00:00+02:00", "2026-12-31T08:00:00.000Z"],
  ["2026-12-31T10:00:00.25-09:30", "2026-12-31T19:30:00.250Z"],
  ["2026-12-31t10:00:00z", "2026-12-31T10:00:00.000Z"],
  ["2028-02-29T00:30:00+01:00", "2028-02-28T23:30:00.000Z"],
])("--at takes %s", (text, time) => {
  expect(expiryOf(text)?.toISOString()).toBe(time);
});

test.each([
  "2026-12-31T10:00:00",
  "2026-12-31T10:00:00+0200",
  "2026-02-29",
  "2026-12-31T24:00:00Z",
  "2026-12-31T10:00:00+25:00",
  "31.12.2026",
  "tomorrow",
  "1798700400",
  "",
])("--at refuses %j, and says what it takes", (text) => {
  expect(() => expiryOf(text)).toThrow(/^--at is a day .*2027-01-31T12:00:00\+01:00.*"never"\.$/);
});
