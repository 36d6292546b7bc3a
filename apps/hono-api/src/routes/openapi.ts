import { createHash } from "node:crypto";
import { openApiDocument } from "@repo/tenant-secrets/http";
import type { Handler } from "hono";
import type { ApiEnv } from "../context.ts";

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
