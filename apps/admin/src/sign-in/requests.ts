import { ApiError } from "../errors.ts";

/** What the server asks for next. */
export type Next = "done" | "second-factor";

interface Bodies {
  readonly email: { readonly email: string; readonly password: string };
  readonly "second-factor": { readonly code: string };
  readonly confirm: { readonly password: string; readonly code?: string } | { readonly passkey: object };
  readonly passkey: { readonly passkey: object };
  readonly "request-password-reset": { readonly email: string };
  readonly "reset-password": { readonly token: string; readonly password: string };
  readonly "sign-out": Readonly<Record<string, never>>;
}

/**
 * One step of a sign-in. The session is in a cookie that the page cannot read.
 *
 * @throws {ApiError} with the server's reason, or NO_ANSWER
 */
export async function takeStep<Path extends keyof Bodies>(path: Path, body: Bodies[Path]): Promise<Next> {
  const answer = await ask(path, body);
  if (isRecord(answer) && (answer["next"] === "done" || answer["next"] === "second-factor")) {
    return answer["next"];
  }
  throw errorIn(answer);
}

/** The person chose no passkey, or the browser has none for this product. */
export class NoPasskeyChosen extends Error {
  override readonly name = "NoPasskeyChosen";
}

/**
 * Signs in, or confirms, with a passkey of the person's choice.
 *
 * @throws {NoPasskeyChosen}
 * @throws {ApiError} as `takeStep`
 */
export async function takePasskeyStep(path: "passkey" | "confirm"): Promise<Next> {
  const options = await ask("passkey-options", {});
  if (!isRequestOptions(options)) throw errorIn(options);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey }).catch(() => null);
  if (!(credential instanceof PublicKeyCredential)) throw new NoPasskeyChosen();
  return takeStep(path, { passkey: credential.toJSON() });
}

/**
 * Waits for a passkey that the person chooses among the browser's suggestions for the e-mail field.
 *
 * @param signal ends the wait
 * @returns undefined where the browser suggests none, or the wait ended. A page without it works as well: nothing is thrown
 */
export async function suggestedPasskey(signal: AbortSignal): Promise<object | undefined> {
  if (!hasPasskeys() || !("isConditionalMediationAvailable" in PublicKeyCredential)) return undefined;
  try {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) return undefined;
    const options = await ask("passkey-options", {});
    if (!isRequestOptions(options)) return undefined;
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey, mediation: "conditional", signal });
    return credential instanceof PublicKeyCredential ? credential.toJSON() : undefined;
  } catch {
    return undefined;
  }
}

/** Whether this browser has passkeys at all. */
export function hasPasskeys(): boolean {
  return "PublicKeyCredential" in globalThis && "parseRequestOptionsFromJSON" in PublicKeyCredential;
}

function isRequestOptions(answer: unknown): answer is PublicKeyCredentialRequestOptionsJSON {
  return isRecord(answer) && typeof answer["challenge"] === "string";
}

function errorIn(answer: unknown): ApiError {
  const error = isRecord(answer) && isRecord(answer["error"]) ? answer["error"] : {};
  return new ApiError(typeof error["message"] === "string" ? error["message"] : "", error);
}

async function ask(path: string, body: object): Promise<unknown> {
  try {
    const response = await fetch(`/api/sign-in/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return await response.json();
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
