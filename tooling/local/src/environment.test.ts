import { expect, test } from "vitest";
import { apiEnvironment, readSettings, type Variables } from "./environment.ts";

const infisical = {
  siteUrl: "http://127.0.0.1:8080",
  clientId: "id",
  clientSecret: "fake",
  projectId: "project",
};
const database = {
  application: "postgres://a@127.0.0.1/x",
  maintenance: "postgres://m@127.0.0.1/x",
  migration: "postgres://o@127.0.0.1/x",
  listener: "postgres://l@127.0.0.1/x",
  signIn: "postgres://s@127.0.0.1/x",
};

const none = { database: false, infisical: false, stripe: false, sendgrid: false, mail: false };
const ports = { api: 3001, metrics: 9001 };

test("starts everything where the environment names no server", () => {
  expect(readSettings({}).given).toEqual(none);
});

test.each([
  ["DATABASE_URL", "database"],
  ["DATABASE_MAINTENANCE_URL_FILE", "database"],
  ["DATABASE_LISTENER_URL", "database"],
  ["INFISICAL_SITE_URL", "infisical"],
  ["INFISICAL_CLIENT_SECRET_FILE", "infisical"],
  ["STRIPE_API_URL", "stripe"],
  ["SENDGRID_API_URL", "sendgrid"],
  ["SMTP_URL", "mail"],
] as const)("%s alone is enough to start no local %s", (variable, server) => {
  const { given } = readSettings({ [variable]: "something" });
  expect(given).toEqual({ ...none, [server]: true });
});

test("the API gets the addresses of the local servers, and its remaining environment unchanged", () => {
  const variables = { STRIPE_API_URL: "https://stripe.example.com", LOG_LEVEL: "debug", PORT: "3000" };
  const given = apiEnvironment(
    variables,
    { database, infisical, stripe: undefined },
    { ports, cacheDir: "/cache" },
  );
  expect(given).toMatchObject({
    ...variables,
    PORT: "3001",
    METRICS_PORT: "9001",
    INFISICAL_ENVIRONMENT: "dev",
  });
  expect(given).toMatchObject({ DATABASE_URL: database.application, INFISICAL_CLIENT_SECRET: "fake" });
  expect(given).toMatchObject({ DATABASE_LISTENER_URL: database.listener });
});

test("the fake keys of the demo are checked at the local providers, and nowhere else", () => {
  const stripe = { url: "http://127.0.0.1:4000" };
  const sendgrid = { url: "http://127.0.0.1:4001" };
  const given = apiEnvironment({}, { database, infisical, stripe, sendgrid }, { ports, cacheDir: "/cache" });
  expect(given).toMatchObject({ STRIPE_API_URL: stripe.url, SENDGRID_API_URL: sendgrid.url });
});

test("rotations and notifications reach the local servers, beside what the environment allows", () => {
  const receiver = { url: "http://127.0.0.1:9100" };
  const sendgrid = { url: "http://127.0.0.1:4001" };
  const servers = { database, infisical, stripe: undefined, sendgrid, receiver };
  const allowed = (variables: Variables) =>
    apiEnvironment(variables, servers, { ports, cacheDir: "/cache" })["OUTBOUND_ALLOW"];
  expect(allowed({})).toBe("127.0.0.1:4001,127.0.0.1:9100");
  expect(allowed({ OUTBOUND_ALLOW: "10.0.0.1:443" })).toBe("10.0.0.1:443,127.0.0.1:4001,127.0.0.1:9100");
});

test.each([
  [{}, "http://localhost:3001"],
  [{ HOST: "0.0.0.0" }, "http://localhost:3001"],
  [{ HOST: "192.0.2.7" }, undefined],
  [{ PUBLIC_URL: "https://secrets.example.com" }, "https://secrets.example.com"],
  [{ PUBLIC_URL_FILE: "/run/public-url" }, undefined],
])("with %j, browsers find the admin app at %s", (variables, publicUrl) => {
  const servers = { database, infisical, stripe: undefined };
  expect(apiEnvironment(variables, servers, { ports, cacheDir: "/cache" })["PUBLIC_URL"]).toBe(publicUrl);
});

test("one operator is enough with a local database, unless the environment says otherwise", () => {
  const approvals = (variables: Variables, own: typeof database | undefined) =>
    apiEnvironment(variables, { database: own, infisical, stripe: undefined }, { ports, cacheDir: "/cache" })[
      "OPERATOR_APPROVALS"
    ];
  expect(approvals({}, database)).toBe("1");
  expect(approvals({ OPERATOR_APPROVALS: "2" }, database)).toBe("2");
  expect(approvals({ OPERATOR_APPROVALS_FILE: "/run/approvals" }, database)).toBeUndefined();
  expect(approvals({}, undefined)).toBeUndefined();
});

test("touches no variable of a server that the environment names", () => {
  const variables = {
    DATABASE_URL: "postgres://real",
    INFISICAL_ENVIRONMENT: "prod",
    MASTER_KEY_REGION: "eu",
  };
  const given = apiEnvironment(
    variables,
    { database: undefined, infisical: undefined, stripe: undefined },
    { ports, cacheDir: "/cache" },
  );
  expect(given).toMatchObject(variables);
});

test.each(["0", "65536", "http"])("refuses the port %s", (port) => {
  expect(() => readSettings({ PORT: port })).toThrow("PORT is a number from 1 to 65535");
  expect(() => readSettings({ METRICS_PORT: port })).toThrow("METRICS_PORT is a number from 1 to 65535");
});
