import {
  ConnectionProblem,
  connectDatabase,
  DatabaseError,
  databaseVariables,
  explainConnection,
  type Database,
} from "@repo/db";
import { EnvironmentError } from "@repo/environment";
import { createAwsKms } from "@repo/external-keys";
import { createInfisicalClient, infisicalOptionsOf, infisicalVariables } from "@repo/infisical";
import { createOutbound, outboundVariables } from "@repo/outbound";
import {
  asTenantSecretsError,
  createTenantSecrets,
  providerChecks,
  TenantSecretsError,
  type Catalog,
  type TenantSecrets,
  type TenantSecretsOptions,
} from "@repo/tenant-secrets";
import { deploymentDrivers, driverVariables, type RotationDrivers } from "@repo/tenant-secrets/drivers";
import { z } from "zod";
import { readVariables } from "./env.ts";
import { UsageError } from "./failure.ts";
import { readProduct } from "./product.ts";

export interface OpenServices extends AsyncDisposable {
  readonly secrets: TenantSecrets<Catalog>;
}

const shape = {
  DATABASE_URL: databaseVariables.DATABASE_URL,
  DATABASE_MAINTENANCE_URL: databaseVariables.DATABASE_MAINTENANCE_URL,
  ...infisicalVariables,
  MASTER_KEY_REGION: z.string().default("default"),
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  OPERATOR_APPROVALS: z
    .enum(["1", "2"])
    .default("2")
    .transform((number): 1 | 2 => (number === "1" ? 1 : 2)),
  ...outboundVariables,
  ...driverVariables,
  STRIPE_API_URL: z.url({ protocol: /^https?$/ }).optional(),
  SENDGRID_API_URL: z.url({ protocol: /^https?$/ }).optional(),
  AWS_KMS_URL: z.url({ protocol: /^https?$/ }).optional(),
};

/**
 * What a server would run, built from the same variables.
 *
 * @throws {UsageError} when a variable does not fit, SECRETS_CATALOG names no catalogue, or DATABASE_URL's role is one that may see every company
 * @throws {TenantSecretsError} DATABASE_UNAVAILABLE, or INTERNAL when the database does not let us in
 */
export async function openServices(): Promise<OpenServices> {
  const variables = readVariables(shape);
  const { catalog, checks, verifiers, drivers } = await readProduct();
  const database = connectDatabase({
    applicationUrl: variables.DATABASE_URL,
    maintenanceUrl: variables.DATABASE_MAINTENANCE_URL,
    maxConnections: 2,
  });
  const infisical = createInfisicalClient(infisicalOptionsOf(variables));
  const secrets = create({
    database,
    infisical,
    catalog,
    cache: false,
    region: variables.MASTER_KEY_REGION,
    address: variables.PUBLIC_URL,
    externalKeys: createAwsKms({ url: variables.AWS_KMS_URL }),
    operatorApprovals: variables.OPERATOR_APPROVALS,
    checks: {
      ...providerChecks({ stripe: variables.STRIPE_API_URL, sendgrid: variables.SENDGRID_API_URL }),
      ...checks,
    },
    verifiers,
    drivers: driversOf(variables, drivers),
    outbound: createOutbound({ allow: variables.OUTBOUND_ALLOW, deny: variables.OUTBOUND_DENY }),
  });
  try {
    await checkDatabase(database, variables);
  } catch (error) {
    await database.close();
    throw error;
  }
  return {
    secrets,
    [Symbol.asyncDispose]: async () => {
      try {
        await secrets.stop();
      } finally {
        await database.close();
      }
    },
  };
}

/** @throws {UsageError} where ROTATION_POSTGRES_HOSTS names what this environment does not allow */
function driversOf(...given: Parameters<typeof deploymentDrivers>): RotationDrivers {
  try {
    return deploymentDrivers(...given);
  } catch (error) {
    throw error instanceof EnvironmentError ? new UsageError(error.message) : error;
  }
}

/** @throws {UsageError} where the catalogue names a check or a verifier that this program does not have */
function create(options: TenantSecretsOptions<Catalog>): TenantSecrets<Catalog> {
  try {
    return createTenantSecrets(options);
  } catch (error) {
    throw error instanceof TypeError ? new UsageError(`${error.message}: see SECRETS_CATALOG.`) : error;
  }
}

async function checkDatabase(
  database: Database,
  urls: Readonly<Record<"DATABASE_URL" | "DATABASE_MAINTENANCE_URL", string>>,
): Promise<void> {
  let variable: keyof typeof urls = "DATABASE_URL";
  try {
    await database.check();
    variable = "DATABASE_MAINTENANCE_URL";
    await database.acrossCompanies((statements) => statements.execute("select 1"));
  } catch (thrown) {
    const error = explainConnection(variable, urls[variable], thrown);
    if (error instanceof ConnectionProblem)
      throw new TenantSecretsError(error.isUnavailable ? "DATABASE_UNAVAILABLE" : "INTERNAL", error.message);
    // Any other error is our check of the role or of the schema, whose message is safe to show.
    if (!(error instanceof DatabaseError)) throw new UsageError(error instanceof Error ? error.message : "");
    throw asTenantSecretsError(error);
  }
}
