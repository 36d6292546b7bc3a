import { isIP, isIPv6, SocketAddress } from "node:net";

/**
 * The canonical spelling of an IP address (RFC 5952), without a zone. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) becomes
 * the IPv4 address.
 *
 * @returns undefined where the text is no address
 */
export function canonicalAddress(text: string): string | undefined {
  const family = isIP(text);
  if (family === 4) return text;
  if (family === 0) return undefined;
  const { address } = new SocketAddress({ address: text.replace(/%.*$/, ""), family: "ipv6" });
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address;
}

/**
 * The network that counts as one sender: an IPv4 address, or the /64 of an IPv6 address, because one host has 2^64 addresses
 * there.
 *
 * @returns the text itself where it is no address
 */
export function networkOf(text: string): string {
  const address = canonicalAddress(text) ?? text;
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const groups = head === "" ? [] : head.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  const all = [...groups, ...Array<string>(zeros).fill("0"), ...(tail ?? "").split(":")];
  return `${all.slice(0, 4).join(":")}::/64`;
}
