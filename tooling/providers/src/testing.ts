import { z } from "zod";
import type { LocalProvider } from "./local-provider.ts";

interface Call {
  readonly key?: string;
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
}

/** @returns what came back; `body` is undefined where it is no JSON */
export async function call(
  { url }: Pick<LocalProvider, "url">,
  request: `${string} /${string}`,
  { key, json, form }: Call = {},
): Promise<{ status: number; body: Record<string, unknown> | undefined; text: string; headers: Headers }> {
  const [method = "GET", path = "/"] = request.split(" ");
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(json !== undefined && { "content-type": "application/json" }),
    },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(form && { body: new URLSearchParams(form) }),
  });
  const text = await response.text();
  return { status: response.status, body: objectIn(text), text, headers: response.headers };
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
