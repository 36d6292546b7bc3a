import { InfisicalError } from "./errors.ts";

/** What Infisical shows in place of a value that the reader may not see. Written back, it would destroy the value. */
export const hiddenValue = "<hidden-by-infisical>";

const absolutePath = /^\/$|^(?:\/[A-Za-z0-9_-]{1,255})+$/;
const secretName = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

/** @throws {InfisicalError} `INVALID_INPUT` unless `path` is `/` or absolute, without a trailing slash, of plain segments */
export function checkPath(path: string): void {
  if (typeof path === "string" && absolutePath.test(path)) return;
  throw refused(
    "a folder path is absolute and its segments are 1 to 255 letters, digits, dashes and underscores",
  );
}

/** @throws {InfisicalError} `INVALID_INPUT` unless `name` is a letter or underscore, then up to 99 letters, digits, underscores */
export function checkName(name: string): void {
  // `__proto__` fits the pattern and is no credential's name; plain objects made from names would lose it.
  if (typeof name === "string" && secretName.test(name) && name !== "__proto__") return;
  throw refused("a secret's name is a letter or underscore, then at most 99 letters, digits and underscores");
}

/** @throws {InfisicalError} `INVALID_INPUT` for a value that would come back changed */
export function checkValue(value: string): void {
  if (typeof value === "string" && survivesInfisical(value)) return;
  throw refused(
    "Infisical would change this value: it trims white space, and reserves the mask of hidden values",
  );
}

/**
 * Says whether Infisical gives this value back unchanged. The server trims white space at both ends but keeps
 * one trailing newline; text that is not well-formed Unicode cannot travel as JSON; and the mask of hidden
 * values is never a value.
 */
export function survivesInfisical(value: string): boolean {
  const body = value.endsWith("\n") ? value.slice(0, -1) : value;
  const trimmed = body.trim() === body && value !== "\n";
  return trimmed && value.isWellFormed() && value !== hiddenValue;
}

/** Splits "/a/b/c" into its parent "/a/b" and its leaf "c". Not for "/". */
export function splitPath(path: string): { parent: string; leaf: string } {
  const slash = path.lastIndexOf("/");
  return { parent: path.slice(0, slash) || "/", leaf: path.slice(slash + 1) };
}

/**
 * Brings the address of an Infisical server into the one form that the SDK takes.
 *
 * @param allowHttp whether plain http is accepted for other machines too
 * @returns the address without a trailing slash and without a trailing `/api`
 * @throws {InfisicalError} `INVALID_INPUT` for anything but https, or http to this machine: the log-in carries credentials
 */
export function normalizeSiteUrl(siteUrl: string, allowHttp = false): string {
  const url = URL.canParse(siteUrl) ? new URL(siteUrl) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw refused("INFISICAL_SITE_URL is no https address, such as https://app.infisical.com");
  }
  if (url.username || url.password || url.search || url.hash) {
    throw refused("INFISICAL_SITE_URL holds credentials, a query or a fragment; it is an address alone");
  }
  const isHere = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === "http:" && !isHere && !allowHttp) {
    throw refused(
      "INFISICAL_SITE_URL is plain http to another machine, and credentials travel there; use https, or set INFISICAL_ALLOW_HTTP=true where the network between is yours, as inside a cluster",
    );
  }
  return (
    url.origin +
    url.pathname
      .replace(/\/+$/, "")
      .replace(/\/api$/, "")
      .replace(/\/+$/, "")
  );
}

function refused(sentence: string): InfisicalError {
  return new InfisicalError("INVALID_INPUT", { sentence });
}
