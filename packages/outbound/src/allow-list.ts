import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** The hosts and ports that the operator exempts from the rules of public addresses. */
export interface AllowList {
  has(host: string, port: number): boolean;
}

/**
 * @param entries each `host:port`; an IPv6 address is in brackets
 * @throws {TypeError} where an entry is none, without quoting it
 */
export function createAllowList(entries: readonly string[]): AllowList {
  const places = new Set(
    entries.map((entry) => {
      const place = parseEntry(entry);
      if (place === undefined) throw new TypeError("An entry of the list of allowed hosts is not host:port.");
      return keyOf(place.host, place.port);
    }),
  );
  return { has: (host, port) => places.has(keyOf(host, port)) };
}

/** Whether a text is `host:port`. `localhost` is none: it is in no DNS, and 127.0.0.1 says which address is meant. */
export function isAllowEntry(entry: string): boolean {
  return parseEntry(entry) !== undefined;
}

/** Whether an entry names the machine that this process runs on, by a loopback address or the unspecified one. */
export function isLoopbackEntry(entry: string): boolean {
  const host = parseEntry(entry)?.host;
  if (host === undefined || isIP(host) === 0) return false;
  // Also the loopback address in an IPv4-mapped one.
  return ["loopback", "unspecified"].includes(ipaddr.process(host).range());
}

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** @returns undefined for a text that is not `host:port`; see {@link isAllowEntry} */
export function parseEntry(entry: string): Place | undefined {
  const [, written = "", digits = ""] = /^(\[[\d.:A-Fa-f]+\]|[\w.-]+):(\d{1,5})$/.exec(entry) ?? [];
  const port = Number(digits);
  const url = written === "" ? null : URL.parse(`http://${written}/`);
  if (url === null || port < 1 || port > 65_535) return undefined;
  const host = bareHost(url);
  return /(?:^|\.)localhost$/.test(host) ? undefined : { host, port };
}

const keyOf = (host: string, port: number): string => `${host} ${port}`;

/** The host as the URL standard spells it, without the brackets of an IPv6 address and without one trailing dot. */
export function bareHost({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}
