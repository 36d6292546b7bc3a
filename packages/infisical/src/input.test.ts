import * as fc from "fast-check";
import { expect, test, vi } from "vitest";
import { createInfisicalClient } from "./client.ts";
import { InfisicalError } from "./errors.ts";
import { failureOf, name, path, startFixture, value } from "./testing/fixture.ts";
import { checkName, checkPath, normalizeSiteUrl, survivesInfisical } from "./input.ts";

// Real time passes here; a busy machine may take its own on top.
vi.setConfig({ testTimeout: 20_000 });

const accepted = (check: () => void) => {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof InfisicalError && error.code === "INVALID_INPUT") return false;
    throw error;
  }
};

test.for(["/", "/a", "/tenants/acme-corp_2", `/${"x".repeat(255)}`])("accepts the path %s", (good) => {
  expect(accepted(() => checkPath(good))).toBe(true);
});

test.for([
  "",
  "tenants/acmecorp",
  "/tenants/",
  "//",
  "/tenants//acmecorp",
  "../x",
  "/tenants/../x",
  "/./x",
  "/a b",
  "/a\0",
  "/a\n",
  "/%2e%2e",
  "/ä",
  `/${"x".repeat(256)}`,
])("refuses the path %j", (bad) => {
  expect(accepted(() => checkPath(bad))).toBe(false);
});

test.for(["A", "_", "stripe_secret_key", "A".repeat(100), "constructor", "toString"])(
  "accepts the name %s",
  (good) => {
    expect(accepted(() => checkName(good))).toBe(true);
  },
);

test.for([
  "",
  "..",
  ".",
  "../x",
  "a/b",
  "a:b",
  "a b",
  "1A",
  "A\0",
  "A\n",
  "A-B",
  "ä",
  "A".repeat(101),
  "__proto__",
])("refuses the name %j", (bad) => {
  expect(accepted(() => checkName(bad))).toBe(false);
});

test("accepts no path or name that would change what a URL means", () => {
  const text = fc.string({
    unit: fc.constantFrom("/", ".", "%", "_", "-", "2", "e", "A", "?", "#", "\\", " ", "\0"),
  });
  const isSafe = (given: string) =>
    (!accepted(() => checkPath(given)) || new URL(`http://h${given}`).pathname === given) &&
    (!accepted(() => checkName(given)) || new URL(`http://h/raw/${given}`).pathname === `/raw/${given}`);
  expect(fc.check(fc.property(text, isSafe), { numRuns: 500 }).failed).toBe(false);
});

test("says that a value survives only where the emulator gives it back", async () => {
  await using fixture = await startFixture();
  const spaces = fc.constantFrom(" ", "\n", "\t", "\r\n", "\u00a0", "\ufeff", "", "a", "\n\n");
  const isKept = async (before: string, text: string, after: string) => {
    const sample = before + text.replaceAll("$", "") + after;
    if (!survivesInfisical(sample)) return true;
    await fixture.client.putSecret(path, name, sample);
    return (await fixture.client.findSecret(path, name))?.value === sample;
  };
  const property = fc.asyncProperty(spaces, fc.string({ unit: "binary", maxLength: 5 }), spaces, isKept);
  expect((await fc.check(property, { numRuns: 20 })).failed).toBe(false);
});

test.for([
  " a",
  "a ",
  "\ta",
  "a\r\n",
  "a\n\n",
  " \n",
  "\n",
  "a\u00a0",
  "\ufeffa",
  "\ud800",
  "<hidden-by-infisical>",
])("refuses the value %j, which would not come back", async (bad) => {
  expect(survivesInfisical(bad)).toBe(false);
  await using fixture = await startFixture();
  expect((await failureOf(fixture.client.putSecret(path, name, bad))).code).toBe("INVALID_INPUT");
  expect(fixture.emulator.requests()).toEqual([]);
});

test("sends nothing for a path or name that it refuses", async () => {
  await using fixture = await startFixture();
  const { client } = fixture;
  for (const call of [
    client.listFolders("/../x"),
    client.createFolder("/a b"),
    client.deleteFolder("/"),
    client.deleteFolder("x"),
    client.listSecrets("/tenants/"),
    client.listSecretSummaries("//"),
    client.findSecret(path, ".."),
    client.findSecret("/../x", name),
    client.putSecret(path, "a/b", value),
    client.deleteSecret(path, "A\0"),
  ]) {
    expect((await failureOf(call)).code).toBe("INVALID_INPUT");
  }
  expect(fixture.emulator.requests()).toEqual([]);
});

test("refuses a value beyond the server's limit, with nothing written", async () => {
  await using fixture = await startFixture();
  expect((await failureOf(fixture.client.putSecret(path, name, "x".repeat(1_048_576)))).code).toBe(
    "INVALID_INPUT",
  );
  expect(await fixture.client.findSecret(path, name)).toBeUndefined();
});

test.for([
  ["https://app.infisical.com", "https://app.infisical.com"],
  ["https://app.infisical.com/", "https://app.infisical.com"],
  ["https://secrets.example.com/infisical/api/", "https://secrets.example.com/infisical"],
  ["https://eu.infisical.com/api", "https://eu.infisical.com"],
  ["http://127.0.0.1:8080/", "http://127.0.0.1:8080"],
  ["http://localhost:8080", "http://localhost:8080"],
  ["http://[::1]:8080", "http://[::1]:8080"],
])("brings the address %s into the form of the SDK", ([given, wanted]) => {
  expect(normalizeSiteUrl(given ?? "")).toBe(wanted);
});

test.for([
  "",
  "app.infisical.com",
  "ftp://app.infisical.com",
  "http://app.infisical.com",
  "http://127.0.0.1.example.com",
  "http://10.0.0.1",
  "https://user:fake@app.infisical.com",
  "https://app.infisical.com?x=1",
  "https://app.infisical.com#x",
])("refuses the address %j", (bad) => {
  expect(accepted(() => void normalizeSiteUrl(bad))).toBe(false);
});

test("takes plain http to another machine only where it is allowed, and says how", () => {
  expect(() => normalizeSiteUrl("http://infisical:8080")).toThrow(
    /INFISICAL_SITE_URL.*INFISICAL_ALLOW_HTTP=true/,
  );
  expect(normalizeSiteUrl("http://infisical:8080/", true)).toBe("http://infisical:8080");
  expect(accepted(() => void normalizeSiteUrl("ftp://infisical:8080", true))).toBe(false);
  expect(() => normalizeSiteUrl("infisical")).toThrow("INFISICAL_SITE_URL");
});

test("refuses options of a wrong form by name, without their content", () => {
  const options = {
    siteUrl: "https://h.example",
    clientId: "",
    clientSecret: "",
    projectId: "p",
    environment: "dev",
  } as const;
  expect(() => createInfisicalClient(options)).toThrow("clientId, clientSecret");
  expect(() =>
    createInfisicalClient({ ...options, clientId: "c", clientSecret: "s", deadlineMs: 0 }),
  ).toThrow("deadlineMs");
});
