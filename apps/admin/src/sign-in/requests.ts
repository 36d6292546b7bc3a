import { ApiError } from "../errors.ts";

/** What the server asks for next. */
export type Next = "done" | "second-factor";

interface Bodies {
  readonly email: { readonly email: string; readonly password: string };
  readonly "second-factor": { readonly code: string };
  readonly confirm: { readonly password: string; readonly code?: string };
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
  const error = isRecord(answer) && isRecord(answer["error"]) ? answer["error"] : {};
  throw new ApiError(typeof error["message"] === "string" ? error["message"] : "", error);
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
