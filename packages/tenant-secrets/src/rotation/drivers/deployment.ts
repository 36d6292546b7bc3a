import { type DatabasePlace, databasePlaces } from "@repo/db";
import { EnvironmentError } from "@repo/environment";
import { allowsLoopback, parsePlace, type Place } from "@repo/outbound";
import { z } from "zod";
import type { ProviderUrls } from "../../providers/provider-checks.ts";
import type { RotationDrivers } from "./driver.ts";
import { rotationDrivers } from "./drivers.ts";
import { createPostgresOneRoleDriver } from "./postgres-role/postgres-one-role.ts";
import { createPostgresRoleDriver } from "./postgres-role/postgres-role.ts";
import type { PostgresHost } from "./postgres-role/role-work.ts";

const postgresPort = 5432;

/** The variables of a process that rotates credentials, for `readEnvironment`. */
export const driverVariables = {
  /** Servers that the drivers of PostgreSQL connect to. */
  ROTATION_POSTGRES_HOSTS: z
    .string()
    .transform((text, context): readonly Place[] => {
      const places = text.split(",").flatMap((part) => findPlace(part.trim()) ?? []);
      if (places.length === text.split(",").length) return places;
      context.addIssue({
        code: "custom",
        message: "holds a part that is not a host, or a host and a port, such as db.example.com:5432",
      });
      return z.NEVER;
    })
    .default([]),
} as const;

function findPlace(part: string): Place | undefined {
  return parsePlace(part) ?? parsePlace(`${part}:${postgresPort}`);
}

/** What a deployment says of its drivers, in its variables. */
export interface DriverEnvironment {
  readonly ROTATION_POSTGRES_HOSTS: readonly Place[];
  /** This machine is connected to where it is `dev`, and in the clear. */
  readonly INFISICAL_ENVIRONMENT: string;
  readonly STRIPE_API_URL?: string | undefined;
  readonly SENDGRID_API_URL?: string | undefined;
  readonly DATABASE_URL: string;
  readonly DATABASE_MAINTENANCE_URL: string;
  readonly DATABASE_MIGRATION_URL?: string | undefined;
  readonly DATABASE_LISTENER_URL?: string | undefined;
  readonly DATABASE_SIGN_IN_URL?: string | undefined;
}

/**
 * The drivers of a deployment: those of this package, and its own, of which one of the same name replaces ours.
 *
 * @param own of the module that SECRETS_CATALOG names
 * @throws {EnvironmentError} where ROTATION_POSTGRES_HOSTS names this machine outside of `dev`
 */
export function deploymentDrivers(environment: DriverEnvironment, own: RotationDrivers): RotationDrivers {
  const postgres = { hosts: postgresHosts(environment), ownDatabases: ownDatabases(environment) };
  const urls: ProviderUrls = {
    stripe: environment.STRIPE_API_URL,
    sendgrid: environment.SENDGRID_API_URL,
  };
  return {
    ...rotationDrivers(urls),
    "postgres-role": createPostgresRoleDriver(postgres),
    "postgres-one-role": createPostgresOneRoleDriver(postgres),
    ...own,
  };
}

function postgresHosts({
  ROTATION_POSTGRES_HOSTS: places,
  INFISICAL_ENVIRONMENT: name,
}: DriverEnvironment): readonly PostgresHost[] {
  const hosts = places.map(({ host, port }) => {
    const isHere = allowsLoopback([`${host.includes(":") ? `[${host}]` : host}:${port}`]);
    return { host, port, isEncrypted: !isHere };
  });
  if (name !== "dev" && hosts.some(({ isEncrypted }) => !isEncrypted)) {
    throw new EnvironmentError(
      "ROTATION_POSTGRES_HOSTS names an address of this machine, which is for INFISICAL_ENVIRONMENT=dev alone. See docs/rotation-drivers.md.",
    );
  }
  return hosts;
}

function ownDatabases(environment: DriverEnvironment): readonly DatabasePlace[] {
  const urls = [
    environment.DATABASE_URL,
    environment.DATABASE_MAINTENANCE_URL,
    environment.DATABASE_MIGRATION_URL,
    environment.DATABASE_LISTENER_URL,
    environment.DATABASE_SIGN_IN_URL,
  ];
  return urls.flatMap((url) => (url === undefined ? [] : databasePlaces(url)));
}
