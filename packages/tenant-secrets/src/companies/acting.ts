import { type Caller, confirmationRequired, type OperatorActor, TenantSecretsError } from "@repo/catalog";
import { actsUntil } from "../access/confirmation.ts";

/** The header by which a signed-in person asks to act as an operator. */
const header = "tenant-secrets-as";

/**
 * Whether a request asks for that. A request that asks for what it cannot have is refused, and not served as something else.
 *
 * @throws {TenantSecretsError} INVALID_INPUT for another value, and beside an API key or a token, whose holder is who it says
 */
export function asksForOperator({
  headers,
  credential,
}: {
  readonly headers?: Headers | undefined;
  readonly credential?: string | undefined;
}): boolean {
  const asked = headers?.get(header) ?? undefined;
  if (asked === undefined) return false;
  if (asked === "operator" && credential === undefined) return true;
  throw new TenantSecretsError(
    "INVALID_INPUT",
    `The header ${header} takes the value "operator", from a signed-in person and without a credential.`,
  );
}

/** @returns the operator that a signed-in person may act as now, or why not: FORBIDDEN or CONFIRMATION_REQUIRED */
export function operatorOf({ link, session }: Caller): OperatorActor | TenantSecretsError {
  if (link === undefined)
    return refused("This person may not act as operator: `secrets operators link` allows it.");
  if (session === undefined)
    return refused("A person acts as operator where the sign-in says when they confirmed who they are.");
  if (!session.enrolled)
    return refused("Operators need a second factor: add an authenticator app to the account first.");
  if (actsUntil(session) === undefined) return confirmationRequired();
  return { kind: "operator", id: link.operatorId };
}

function refused(message: string): TenantSecretsError {
  return new TenantSecretsError("FORBIDDEN", message);
}
