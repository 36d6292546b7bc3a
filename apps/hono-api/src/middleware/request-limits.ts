import type { MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HttpError, invalidInput } from "../http-error.ts";

/** In bytes: a batch or an import of eight secrets of the largest size, which is 64 KiB. A request is parsed in memory. */
const maxBodyBytes = 512 * 1024;
/** In characters. The typed client starts another request where a batch of queries would get longer. */
const maxUrlLength = 8192;
/** In levels of JSON, beyond those of any input. Deep nesting makes parser and validation recurse. */
const maxNesting = 20;

export const limitUrl: MiddlewareHandler = (c, next) => {
  if (c.req.url.length > maxUrlLength) throw invalidInput("The URL is too long: send less at once.", 414);
  return next();
};

/** @throws {HttpError} 405 with the allowed methods (RFC 9110, 15.5.6), before the body is read */
export function allowMethods(...allowed: readonly string[]): MiddlewareHandler {
  return (c, next) => {
    if (!allowed.includes(c.req.method)) {
      throw new HttpError({
        status: 405,
        reason: "INVALID_INPUT",
        message: `Here requests are sent with ${allowed.join(" or ")}.`,
        allowed,
      });
    }
    return next();
  };
}

const limitStream = bodyLimit({ maxSize: maxBodyBytes, onError: refuseBody });

/** A body of a stated length is not opened as a stream, which costs more than the rest of a small request. */
export const limitBody: MiddlewareHandler = (c, next) => {
  const length = c.req.header("content-length");
  if (length === undefined || c.req.header("transfer-encoding") !== undefined) return limitStream(c, next);
  if (!(Number(length) <= maxBodyBytes)) refuseBody();
  return next();
};

function refuseBody(): never {
  throw invalidInput(`The body is larger than ${maxBodyBytes} bytes: send less at once.`, 413);
}

/**
 * Takes bodies of the content type application/json alone, in valid UTF-8, well-formed, nested at most 20 levels deep. So no
 * browser's form can send one, and no byte of a value is replaced.
 */
export const acceptJsonOnly: MiddlewareHandler = async (c, next) => {
  if (c.req.method !== "GET" && c.req.method !== "HEAD") {
    if (!/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(c.req.header("content-type") ?? "")) {
      throw invalidInput("Send the content type application/json.", 415);
    }
    const text = checkedJson(await c.req.arrayBuffer());
    // Where Hono looks for it, as a promise: what reads the body later decodes no bytes.
    Object.assign(c.req.bodyCache, { text: Promise.resolve(text) });
  }
  return next();
};

const utf8 = new TextDecoder("utf-8", { fatal: true });

function checkedJson(bytes: ArrayBuffer): string {
  try {
    const text = utf8.decode(bytes);
    if (nestsDeeper(text, maxNesting)) throw invalidInput(`The JSON nests deeper than ${maxNesting} levels.`);
    JSON.parse(text);
    return text;
  } catch (error) {
    // The parser's own message quotes the text.
    throw error instanceof SyntaxError || error instanceof TypeError
      ? invalidInput("The body is not well-formed JSON in UTF-8.")
      : error;
  }
}

/** Scans the text, so that the parser never sees what nests too deep. */
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
