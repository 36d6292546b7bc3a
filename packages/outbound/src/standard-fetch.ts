import type { OutboundRequest } from "./exchange.ts";
import type { Outbound } from "./outbound.ts";

/** Statuses whose answers have no body by the standard of `fetch`. */
const withoutBody = new Set([204, 205, 304]);

const methods: readonly OutboundRequest["method"][] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/**
 * A function that libraries take in place of `fetch`, such as `customFetch` of openid-client. A redirect is an answer.
 *
 * @throws {TypeError} for a method that is not sent
 * @throws {OutboundError}
 */
export function standardFetch(
  outbound: Pick<Outbound, "fetch">,
): (url: string | URL, init?: RequestInit) => Promise<Response> {
  return async (url, { method: named = "GET", headers, body, signal } = {}) => {
    const method = methods.find((each) => each === named.toUpperCase());
    if (method === undefined) throw new TypeError("The method of the request is not one that is sent.");
    // Knows every kind of body, and the type of its content. A Response does too, but Hono's server replaces the global one by
    // its own, which takes all bodies for texts.
    const carrying = { method: "POST", body: body ?? null, duplex: "half" as const };
    const content = new Request("http://localhost", carrying);
    const sent = new Headers(headers);
    const type = content.headers.get("content-type");
    if (type !== null && !sent.has("content-type")) sent.set("content-type", type);
    const answer = await outbound.fetch(String(url), {
      method,
      headers: Object.fromEntries(sent),
      body: body === undefined || body === null ? undefined : Buffer.from(await content.arrayBuffer()),
      signal: signal ?? undefined,
    });
    const { status, headers: received } = answer;
    const bytes = new Uint8Array(answer.body);
    return new Response(withoutBody.has(status) ? null : bytes, { status, headers: received });
  };
}
