import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { invalidInput, Refusal } from "./refusal.ts";

const maxBodyBytes = 512 * 1024;
const maxUrlLength = 8192;
const maxNesting = 20;

/** Answers are data for programs: a browser that is led to one runs, frames, caches and passes on nothing. */
export const answerHeaders = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    frameAncestors: ["'none'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
  },
  strictTransportSecurity: "max-age=31536000; includeSubDomains",
  xFrameOptions: "DENY",
});

export const limitUrl: MiddlewareHandler = async (c, next) => {
  if (c.req.url.length > maxUrlLength) throw invalidInput("The URL is too long: send less at once.", 414);
  await next();
};

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * What may change something is not taken from other people's pages. A browser says by itself which page sends a request,
 * and no page can have it say otherwise; whatever is no browser says nothing.
 *
 * @param allowedOrigins whose pages may, wherever the API is: of those a browser says same-site or cross-site
 */
export function refuseForeignPages(allowedOrigins: readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    const site = c.req.header("sec-fetch-site");
    const origin = c.req.header("origin");
    const isForeign =
      origin === undefined
        ? site !== undefined && site !== "same-origin" && site !== "none"
        : !allowedOrigins.includes(origin);
    if (isForeign && !safeMethods.has(c.req.method)) {
      throw new Refusal(403, "FORBIDDEN", "Requests from pages of this origin are not taken.");
    }
    await next();
  };
}

/** Tells browsers that pages of these origins may send requests and read the answers. Others hear nothing of it. */
export function letPagesRead(allowedOrigins: readonly string[]): MiddlewareHandler {
  const answer = cors({
    origin: [...allowedOrigins],
    allowMethods: ["GET", "POST"],
    allowHeaders: ["authorization", "content-type", "idempotency-key", "traceparent"],
    exposeHeaders: ["retry-after", "x-request-id"],
    maxAge: 600,
  });
  return (c, next) => {
    const asks = c.req.method !== "OPTIONS" || c.req.header("access-control-request-method") !== undefined;
    return asks && allowedOrigins.includes(c.req.header("origin") ?? "") ? answer(c, next) : next();
  };
}

/** @throws {Refusal} 405 with what there is (RFC 9110, 15.5.6); before anything of a body is looked at */
export function allowMethods(...allowed: readonly string[]): MiddlewareHandler {
  return async (c, next) => {
    if (!allowed.includes(c.req.method)) {
      throw new Refusal(405, "INVALID_INPUT", `Here requests are sent with ${allowed.join(" or ")}.`, {
        allowed,
      });
    }
    await next();
  };
}

export const limitBody = bodyLimit({
  maxSize: maxBodyBytes,
  onError: () => {
    throw invalidInput(`The body is larger than ${maxBodyBytes} bytes: send less at once.`, 413);
  },
});

/**
 * A body is JSON that says so, well-formed down to its bytes, and not nested deeper than anything here is: a browser's
 * form cannot send it, and no byte of a value is silently replaced.
 */
export const acceptJsonOnly: MiddlewareHandler = async (c, next) => {
  if (c.req.method !== "GET" && c.req.method !== "HEAD") {
    if (!/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(c.req.header("content-type") ?? "")) {
      throw invalidInput("Send the content type application/json.", 415);
    }
    checkJson(await c.req.arrayBuffer());
  }
  await next();
};

function checkJson(bytes: ArrayBuffer): void {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (nestsDeeper(text, maxNesting)) throw invalidInput(`The JSON nests deeper than ${maxNesting} levels.`);
    JSON.parse(text);
  } catch (error) {
    // The parser's own message quotes the text.
    throw error instanceof SyntaxError || error instanceof TypeError
      ? invalidInput("The body is not well-formed JSON in UTF-8.")
      : error;
  }
}

/** Looked at before the parser makes an object of it. */
function nestsDeeper(json: string, limit: number): boolean {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const character = json[i];
    if (quoted) {
      if (character === "\\") i += 1;
      else if (character === '"') quoted = false;
    } else if (character === '"') quoted = true;
    else if (character === "[" || character === "{") {
      depth += 1;
      if (depth > limit) return true;
    } else if (character === "]" || character === "}") depth -= 1;
  }
  return false;
}
