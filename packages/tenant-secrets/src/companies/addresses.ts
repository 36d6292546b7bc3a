import { BlockList, isIP } from "node:net";
import { canonicalAddress } from "@repo/audit-log";

/**
 * The canonical form of an IP address or a network (`192.0.2.0/24`, `2001:db8::/32`).
 *
 * @returns undefined if the text is neither
 */
export function canonicalNetwork(text: string): string | undefined {
  const [, host = "", length] = /^([0-9A-Fa-f.:]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const address = canonicalAddress(host);
  if (address === undefined || length === undefined) return address;
  // An IPv4-mapped IPv6 prefix includes the 96 bits in front of the IPv4 address.
  const bits = Number(length) - (isIP(address) === 4 && host.includes(":") ? 96 : 0);
  return bits >= 0 && bits <= bitsOf(address) ? `${address}/${bits}` : undefined;
}

/** @param networks in the form of {@link canonicalNetwork} @param address an unknown one (undefined) is in no network */
export function isInNetworks(networks: readonly string[], address: string | undefined): boolean {
  const canonical = address === undefined ? undefined : canonicalAddress(address);
  if (canonical === undefined) return false;
  const family = familyOf(canonical);
  // Compares within one address family only: ::/0 contains every IPv6 address and no IPv4 address.
  const list = new BlockList();
  for (const network of networks) {
    const [host = "", bits] = network.split("/");
    if (isIP(host) !== isIP(canonical)) continue;
    list.addSubnet(host, bits === undefined ? bitsOf(host) : Number(bits), family);
  }
  return list.check(canonical, family);
}

function bitsOf(address: string): number {
  return isIP(address) === 4 ? 32 : 128;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 4 ? "ipv4" : "ipv6";
}
