import { EnvironmentError, readEnvironment } from "@repo/environment";
import { Plaintext } from "@repo/envelope";
import { describe, expect, test } from "vitest";
import { deploymentDrivers, type DriverEnvironment, driverVariables } from "./deployment.ts";

const { ROTATION_POSTGRES_HOSTS } = driverVariables;
const own = "postgres://fake:fake@db.internal:5433/tenant_secrets";
const given: DriverEnvironment = {
  ROTATION_POSTGRES_HOSTS: ROTATION_POSTGRES_HOSTS.parse("db.shop.example,db.internal:5433"),
  INFISICAL_ENVIRONMENT: "prod",
  DATABASE_URL: own,
  DATABASE_MAINTENANCE_URL: own,
};

test("hosts are separated by commas, with a port or with that of PostgreSQL", () => {
  expect(ROTATION_POSTGRES_HOSTS.parse(undefined)).toEqual([]);
  expect(ROTATION_POSTGRES_HOSTS.parse("db.shop.example, DB2.shop.example:6432,[fd00::1],10.0.0.7")).toEqual([
    { host: "db.shop.example", port: 5432 },
    { host: "db2.shop.example", port: 6432 },
    { host: "fd00::1", port: 5432 },
    { host: "10.0.0.7", port: 5432 },
  ]);
});

test.each([
  "db.shop.example,",
  "postgres://db.shop.example",
  "pat@db.shop.example",
  "db.shop.example:0",
  "db.shop.example:65536",
  "db.shop.example/shop",
  "*.shop.example",
  "localhost",
])("ROTATION_POSTGRES_HOSTS=%s is refused, unquoted", (text) => {
  const read = () => readEnvironment({ ROTATION_POSTGRES_HOSTS }, { ROTATION_POSTGRES_HOSTS: text });
  expect(read).toThrow(
    "ROTATION_POSTGRES_HOSTS holds a part that is not a host, or a host and a port, such as db.example.com:5432",
  );
  expect(read).not.toThrow(`HOSTS=${text}`);
});

test("this machine is for dev alone", () => {
  for (const text of [
    "127.0.0.1",
    "127.9.9.9:5433",
    "[::1]",
    "0.0.0.0",
    "2130706433",
    "[::ffff:127.0.0.1]:5432",
  ]) {
    const hosts = ROTATION_POSTGRES_HOSTS.parse(`db.shop.example,${text}`);
    const start = (name: string) =>
      deploymentDrivers({ ...given, INFISICAL_ENVIRONMENT: name, ROTATION_POSTGRES_HOSTS: hosts }, {});
    for (const name of ["prod", "staging"]) {
      expect(() => start(name), text).toThrow(EnvironmentError);
      expect(() => start(name), text).toThrow(/^ROTATION_POSTGRES_HOSTS names an address of this machine/);
    }
    expect(() => start("dev"), text).not.toThrow();
  }
});

test("a driver of the deployment replaces the one of the same name", () => {
  const { generated } = deploymentDrivers(given, {});
  if (generated === undefined) throw new TypeError("it is one of this package");
  const replaced = { ...generated, name: "postgres-role" };
  const drivers = deploymentDrivers(given, { "postgres-role": replaced });
  expect(drivers["postgres-role"]).toBe(replaced);
  expect(Object.keys(drivers).toSorted()).toEqual([
    "generated",
    "guided",
    "postgres-one-role",
    "postgres-role",
    "sendgrid",
  ]);
});

describe("what is refused as a policy is saved:", () => {
  const driver = deploymentDrivers(given, {})["postgres-role"];
  const login = { host: "db.shop.example", port: 5432, database: "shop", user: "shop_a", password: "fake" };
  const refusal = (current: object, manager: object = { ...login, user: "shop_manager" }) =>
    driver?.refuses?.(
      { roles: ["shop_a", "shop_b"] },
      {
        current: Plaintext.fromText(JSON.stringify(current)),
        manager: Plaintext.fromText(JSON.stringify(manager)),
      },
    );

  test("nothing for a login at a server of the list", () => {
    expect(refusal(login)).toBeUndefined();
    expect(refusal({ ...login, host: "DB.shop.example" })).toBeUndefined();
  });

  test.each([
    ["a text", "a text", /^the value of the secret is not \{"host"/],
    ["another user", { ...login, user: "postgres" }, /has a user that is not in the settings$/],
    [
      "another host",
      { ...login, host: "db.evil.example" },
      /names a server that is not in ROTATION_POSTGRES_HOSTS/,
    ],
    ["another port", { ...login, port: 5433 }, /names a server that is not in ROTATION_POSTGRES_HOSTS/],
    [
      "this deployment's database",
      { ...login, host: "DB.internal", port: 5433, database: "tenant_secrets" },
      /names the database of this deployment itself$/,
    ],
  ])("%s", (_, current, why) => {
    expect(refusal(Object(current), Object(current))).toMatch(why);
  });

  test("a manager of another database, and one that is none", () => {
    expect(refusal(login, { ...login, database: "other" })).toMatch(/name different databases$/);
    expect(refusal(login, { clientId: "fake" })).toMatch(/^the value of the manager is not/);
  });
});

test("localhost and a socket in DATABASE_URL are this machine, by each of its names", () => {
  for (const url of [
    "postgres://f:f@localhost/ours",
    "postgres://f@/ours?host=/tmp",
    "postgres://f:f@[::1]/ours",
  ]) {
    const driver = deploymentDrivers(
      {
        ...given,
        INFISICAL_ENVIRONMENT: "dev",
        ROTATION_POSTGRES_HOSTS: ROTATION_POSTGRES_HOSTS.parse("127.0.0.1,[::1]"),
        DATABASE_URL: url,
      },
      {},
    )["postgres-one-role"];
    for (const host of ["127.0.0.1", "::1"]) {
      const login = { host, port: 5432, database: "ours", user: "a", password: "fake" };
      const value = Plaintext.fromText(JSON.stringify(login));
      expect(driver?.refuses?.({ role: "a" }, { current: value, manager: value }), url).toMatch(/itself$/);
    }
  }
});
