import { createHash } from "node:crypto";
import type { Catalog, TenantSecrets } from "@repo/tenant-secrets";
import { openApiDocument } from "@repo/tenant-secrets/http";
import type { Handler } from "hono";
import { originOf, type ApiEnv } from "../context.ts";
import { logHttpError } from "../http-error.ts";
import type { Log } from "../log.ts";

/** The procedures of services, in plain JSON. The handler forms errors; here they are logged. */
export function serveServices(secrets: Pick<TenantSecrets<Catalog>, "handler">, log: Log): Handler<ApiEnv> {
  return (c) => {
    const { method, url, headers, signal } = c.req.raw;
    // The body was read before, with its limits.
    return secrets.handler(
      { method, url, headers, signal, json: () => c.req.json() },
      {
        ...originOf(c),
        onCaller: ({ actor }) => c.set("actor", actor.kind),
        onError: ({ code: reason, diagnosis }) =>
          logHttpError(log, { requestId: c.get("requestId"), reason, diagnosis }),
      },
    );
  };
}

/** The OpenAPI document, which needs no credential: it is the same for every deployment, and names no tenant and no secret. */
export function serveOpenApi(): Handler<ApiEnv> {
  const text = JSON.stringify(openApiDocument());
  const etag = `"${createHash("sha256").update(text).digest("base64url").slice(0, 27)}"`;
  const headers = { "cache-control": "public, max-age=300", etag };
  return (c) => {
    const known =
      c.req
        .header("if-none-match")
        ?.split(/\s*,\s*/)
        .includes(etag) === true;
    return known
      ? c.body(null, 304, headers)
      : c.body(text, 200, { ...headers, "content-type": "application/json" });
  };
}
