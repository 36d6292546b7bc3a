import { isIP, SocketAddress } from "node:net";

/**
 * Where a request comes from: the socket's other end or, behind proxies of our own, what the outermost of them saw.
 *
 * @param forwardedFor the header X-Forwarded-For; what stands left of what our proxies added is the client's own word
 * @param trustedProxies how many proxies of ours a request passes
 * @returns one spelling of it, so that it can be compared; undefined where the socket is gone
 */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: number,
): string | undefined {
  const forwarded = trustedProxies === 0 ? undefined : forwardedFor?.split(",").at(-trustedProxies);
  return canonical(forwarded) ?? canonical(socketAddress);
}

/** Without a port, brackets or zone; an address of IPv4 as such, also where it is written as one of IPv6. */
function canonical(text: string | undefined): string | undefined {
  const [, bracketed, withPort] =
    /^\s*(?:\[([^\]]+)\](?::\d{1,5})?|(\d[\d.]*):\d{1,5})\s*$/.exec(text ?? "") ?? [];
  const bare = (bracketed ?? withPort ?? text ?? "").trim().replace(/%.*$/, "");
  const version = isIP(bare);
  if (version === 0) return undefined;
  const { address } = new SocketAddress({ address: bare, family: version === 6 ? "ipv6" : "ipv4" });
  return /^::ffff:(\d[\d.]*)$/.exec(address)?.[1] ?? address;
}
