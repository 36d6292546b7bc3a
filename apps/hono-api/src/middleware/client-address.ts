import { isIP, isIPv4, SocketAddress } from "node:net";

/**
 * The address of the client: the socket's peer or, behind proxies of our own, the peer of the outermost proxy.
 *
 * @param forwardedFor the header X-Forwarded-For; a client can forge every entry left of those that our proxies added
 * @param trustedProxies number of our own proxies that a request passes
 * @returns in canonical spelling, so that addresses compare; undefined where the socket is closed
 */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: number,
): string | undefined {
  const forwarded = trustedProxies === 0 ? undefined : forwardedFor?.split(",").at(-trustedProxies);
  return canonical(forwarded) ?? canonical(socketAddress);
}

/** Without port, brackets and zone; an IPv4-mapped IPv6 address as IPv4. */
function canonical(text: string | undefined): string | undefined {
  // An IPv4 address has one spelling.
  if (text === undefined || isIPv4(text)) return text;
  const [, bracketed, withPort] = /^\s*(?:\[([^\]]+)\](?::\d{1,5})?|(\d[\d.]*):\d{1,5})\s*$/.exec(text) ?? [];
  const bare = (bracketed ?? withPort ?? text).trim().replace(/%.*$/, "");
  const version = isIP(bare);
  if (version === 0) return undefined;
  const { address } = new SocketAddress({ address: bare, family: version === 6 ? "ipv6" : "ipv4" });
  return /^::ffff:(\d[\d.]*)$/.exec(address)?.[1] ?? address;
}
