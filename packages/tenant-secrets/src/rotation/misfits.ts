import { type RotationPolicyInput, systemCaller, TenantSecretsError } from "@repo/catalog";
import { Plaintext } from "@repo/envelope";
import type { CompanyScope } from "../companies/companies.ts";
import type { Vault } from "../vault/vault.ts";
import { parseSettings } from "./drivers/drivers.ts";
import { type CheckParts, chosenDriver, onInfisical } from "./policy-checks.ts";

interface MisfitParts extends Pick<CheckParts, "catalog" | "drivers"> {
  readonly vault: Pick<Vault, "open">;
}

type Asked = Omit<RotationPolicyInput, "company"> & { readonly scope: CompanyScope };

/**
 * Asks a driver that looks at values whether it can rotate this secret. They are read as by a run, in the request of the caller.
 *
 * @throws {TenantSecretsError} INVALID_INPUT, NOT_SUPPORTED, UNKNOWN_SECRET_KEY; NOT_FOUND for a secret without a value
 */
export async function refuseMisfits(
  parts: MisfitParts,
  { scope, secretKey, ...asked }: Asked,
): Promise<void> {
  const { driver, settings } = chosenDriver(parts, secretKey, asked);
  if (scope.company.secretStore === "infisical") throw onInfisical();
  const { manager: managerKey } = asked;
  // Which manager it takes is checked with the policy.
  if (driver.refuses === undefined || (driver.manager === "required" && managerKey === undefined)) return;
  const secretKeys = managerKey === undefined ? [secretKey] : [secretKey, managerKey];
  const { requestId } = scope.caller;
  const caller = { ...systemCaller("rotation", { verbs: ["use"], secretKeys }), requestId };
  const opened: Plaintext[] = [];
  const open = async (key: string): Promise<Plaintext> => {
    const { bytes } = await parts.vault.open({ company: scope.company, caller }, { secretKey: key });
    const plaintext = new Plaintext(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    opened.push(plaintext);
    return plaintext;
  };
  try {
    const current = await open(secretKey);
    const manager = managerKey === undefined ? undefined : await open(managerKey).catch(withoutValue);
    if (managerKey !== undefined && manager === undefined) return;
    const why = driver.refuses(parseSettings(driver, settings), { current, manager });
    if (why === undefined) return;
    throw new TenantSecretsError("INVALID_INPUT", `The policy was refused: ${why}.`, { fields: ["driver"] });
  } finally {
    for (const plaintext of opened) plaintext.wipe();
  }
}

function withoutValue(error: unknown): undefined {
  if (error instanceof TenantSecretsError && error.code === "NOT_FOUND") return undefined;
  throw error;
}
