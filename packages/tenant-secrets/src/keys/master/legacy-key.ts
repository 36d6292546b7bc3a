import { createSecretKey, type KeyObject } from "node:crypto";
import { InfisicalError, type InfisicalClient } from "@repo/infisical";
import { TenantSecretsError } from "@repo/catalog";
import { masterKeyFolder } from "./master-key-name.ts";
import { mapInfisicalErrors } from "../on-infisical.ts";

/**
 * Reads the raw key that legacy rows are encrypted under. A weak key is accepted, since the rows exist already.
 *
 * @param name of the secret in `/hono-api` that holds 64 hexadecimal digits
 * @throws {TenantSecretsError} INVALID_INPUT for an invalid name, MASTER_KEY_MISSING, MASTER_KEY_MALFORMED; KEY_UNAVAILABLE if
 *   Infisical is unavailable
 */
export async function readLegacyKey(infisical: InfisicalClient, name: string): Promise<KeyObject> {
  const text = await findText(infisical, name);
  if (text === undefined) {
    throw new TenantSecretsError(
      "MASTER_KEY_MISSING",
      `The folder ${masterKeyFolder} of this environment in Infisical has no secret of the legacy key's name: give its name.`,
    );
  }
  if (!/^[0-9a-fA-F]{64}$/.test(text)) {
    throw new TenantSecretsError(
      "MASTER_KEY_MALFORMED",
      "The legacy key in Infisical is not exactly 64 hexadecimal digits.",
    );
  }
  const bytes = Buffer.from(text, "hex");
  try {
    return createSecretKey(bytes);
  } finally {
    bytes.fill(0);
  }
}

async function findText(infisical: InfisicalClient, name: string): Promise<string | undefined> {
  const found = await mapInfisicalErrors(
    () =>
      infisical.findSecret(masterKeyFolder, name).catch((error: unknown) => {
        if (!(error instanceof InfisicalError) || error.code !== "INVALID_INPUT") throw error;
        throw new TenantSecretsError("INVALID_INPUT", `The legacy key's name was refused: ${error.message}`);
      }),
    "KEY_UNAVAILABLE",
    (answer) =>
      `The legacy key could not be read: Infisical answered ${answer}. Check that it is up, and the INFISICAL_… settings.`,
  );
  return found?.value;
}
