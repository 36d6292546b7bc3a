import { isIP } from "node:net";
import { bareHost, type AllowList } from "./allow-list.ts";
import { AddressRefused } from "./refusal.ts";

/** Where a request goes, after the rules that need no look-up. */
export interface Target {
  readonly isEncrypted: boolean;
  /** A name without a trailing dot, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** For the header `host`. */
  readonly hostHeader: string;
  /** Path and query. */
  readonly path: string;
  /** Whether the operator allows this host and port by name. */
  readonly isAllowed: boolean;
}

export interface TargetRules {
  readonly allowed: AllowList;
  /** Domains of this deployment, in lower case. */
  readonly ownDomains: readonly string[];
  /** The port of addresses that the operator does not allow by name. */
  readonly port: number;
}

/** In characters. */
const longestUrl = 2048;

/** Names that no public DNS has. */
const internalDomains = ["internal", "local", "localhost", "home.arpa", "test", "invalid", "onion"];

/** @throws {AddressRefused} */
export function targetOf(text: string, rules: TargetRules): Target {
  if (text.length > longestUrl) throw new AddressRefused("TOO_LONG");
  const url = URL.parse(text);
  if (url === null) throw new AddressRefused("NOT_A_URL");
  if (url.href.length > longestUrl) throw new AddressRefused("TOO_LONG");
  const isEncrypted = url.protocol === "https:";
  if (!isEncrypted && url.protocol !== "http:") throw new AddressRefused("NOT_HTTPS");
  if (url.username !== "" || url.password !== "") throw new AddressRefused("HAS_CREDENTIALS");
  // An empty fragment is a # in the text alone.
  if (url.href.includes("#")) throw new AddressRefused("HAS_FRAGMENT");
  const host = bareHost(url);
  const port = url.port === "" ? (isEncrypted ? 443 : 80) : Number(url.port);
  const isAllowed = rules.allowed.has(host, port);
  if (!isAllowed) {
    if (!isEncrypted) throw new AddressRefused("NOT_HTTPS");
    assertPublicName(host, rules.ownDomains);
    if (port !== rules.port) throw new AddressRefused("WRONG_PORT");
  }
  const shown = isIP(host) === 6 ? `[${host}]` : host;
  return {
    isEncrypted,
    host,
    port,
    hostHeader: url.port === "" ? shown : `${shown}:${port}`,
    path: `${url.pathname}${url.search}`,
    isAllowed,
  };
}

/** @throws {AddressRefused} for an IP address, and for a name that no public DNS can have */
export function assertPublicName(host: string, ownDomains: readonly string[]): void {
  if (isIP(host) !== 0) throw new AddressRefused("IS_IP_ADDRESS");
  const isName =
    host.length <= 253 && /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/.test(host);
  const isInternal = [...internalDomains, ...ownDomains].some(
    (domain) => host === domain || host.endsWith(`.${domain}`),
  );
  if (isInternal) throw new AddressRefused("INTERNAL_HOST");
  if (!isName) throw new AddressRefused("BAD_HOST");
}
