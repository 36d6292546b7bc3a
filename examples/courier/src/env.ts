import { readEnvironment } from "@repo/environment";
import { z } from "zod";

const CARRIER_URL = z.url();

/** @throws {EnvironmentError} where the variable is missing */
export function readCarrierUrl(): string {
  return readEnvironment({ CARRIER_URL }, process.env).CARRIER_URL;
}

/** @throws {EnvironmentError} where a variable is missing */
export function readVariables() {
  return readEnvironment(
    {
      DATABASE_URL: z.string(),
      DATABASE_MAINTENANCE_URL: z.string(),
      DATABASE_LISTENER_URL: z.string(),
      INFISICAL_SITE_URL: z.string(),
      INFISICAL_CLIENT_ID: z.string(),
      INFISICAL_CLIENT_SECRET: z.string(),
      INFISICAL_PROJECT_ID: z.string(),
      CARRIER_URL,
      PORT: z.coerce.number().default(3000),
    },
    process.env,
  );
}
