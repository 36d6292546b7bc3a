import { afterEach, expect, test, vi } from "vitest";
import { failureOf, path, startFixture, value } from "./testing/fixture.ts";
import { getSecrets } from "./get-secrets.ts";
import { readInfisicalOptions } from "./variables.ts";

afterEach(() => void vi.unstubAllEnvs());

test("reads a folder with the client that the environment describes, one for each environment", async () => {
  vi.stubEnv("INFISICAL_SITE_URL", "");
  await expect(getSecrets(path, "dev")).rejects.toThrow("INFISICAL_SITE_URL is not set");

  await using fixture = await startFixture();
  vi.stubEnv("INFISICAL_SITE_URL", `${fixture.emulator.siteUrl}/api`);
  vi.stubEnv("INFISICAL_CLIENT_ID", fixture.emulator.clientId);
  vi.stubEnv("INFISICAL_CLIENT_SECRET", fixture.emulator.clientSecret);
  vi.stubEnv("INFISICAL_PROJECT_ID", fixture.emulator.projectId);
  await fixture.client.putSecret(path, "STRIPE_SECRET_KEY", value);
  await fixture.client.putSecret(path, "constructor", "fake");

  const secrets = await getSecrets(path, "dev");
  expect(Object.entries(secrets)).toEqual([
    ["STRIPE_SECRET_KEY", value],
    ["constructor", "fake"],
  ]);
  expect(Object.getPrototypeOf(secrets)).toBeNull();
  expect(secrets["toString"]).toBeUndefined();
  expect(await getSecrets(path, "prod")).toEqual({});
  await getSecrets(path, "dev");
  // One of the fixture's own client, and one for each of the two environments.
  expect(fixture.emulator.requests().filter(({ path: at }) => at.endsWith("/login"))).toHaveLength(3);
  // @ts-expect-error -- not an environment
  expect((await failureOf(getSecrets(path, "production"))).code).toBe("INVALID_INPUT");
});

test("has no default environment", () => {
  const connection = {
    INFISICAL_SITE_URL: "https://h.example",
    INFISICAL_CLIENT_ID: "c",
    INFISICAL_CLIENT_SECRET: "s",
    INFISICAL_PROJECT_ID: "p",
  };
  expect(() => readInfisicalOptions(connection)).toThrow("INFISICAL_ENVIRONMENT is not set");
  expect(readInfisicalOptions({ ...connection, INFISICAL_ENVIRONMENT: "staging" }).environment).toBe(
    "staging",
  );
});

test("reads what a cluster and a server without headers need, and names what it does not understand", () => {
  const connection = {
    INFISICAL_SITE_URL: "http://infisical:8080",
    INFISICAL_CLIENT_ID: "c",
    INFISICAL_CLIENT_SECRET: "s",
    INFISICAL_PROJECT_ID: "p",
    INFISICAL_ENVIRONMENT: "dev",
  };
  expect(readInfisicalOptions(connection)).toMatchObject({ allowHttp: false });
  expect(readInfisicalOptions(connection)).not.toHaveProperty("requestsPerMinute");
  const more = { INFISICAL_ALLOW_HTTP: "true", INFISICAL_REQUESTS_PER_MINUTE: "120" };
  expect(readInfisicalOptions({ ...connection, ...more })).toMatchObject({
    allowHttp: true,
    requestsPerMinute: 120,
  });
  const wrong = { INFISICAL_ALLOW_HTTP: "yes", INFISICAL_REQUESTS_PER_MINUTE: "0" };
  expect(() => readInfisicalOptions({ ...connection, ...wrong })).toThrow(
    /INFISICAL_ALLOW_HTTP[\s\S]*INFISICAL_REQUESTS_PER_MINUTE/,
  );
});
