import { isIP } from "node:net";
import { networkInterfaces } from "node:os";
import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;
export type Network = readonly [Address, number];

/** A public address by every list, which on machines of Azure is the host of their metadata. */
const azureHost = parseNetwork("168.63.129.16/32");

/** @returns undefined where the text is not an address, a slash and a number of bits */
export function parseNetwork(text: string): Network | undefined {
  const [address = "", bits = ""] = text.split("/", 2);
  // The library also reads octal and shortened addresses, which two readers understand in two ways.
  if (isIP(address) === 0 || !/^\d{1,3}$/.test(bits) || !ipaddr.isValidCIDR(text)) return undefined;
  return ipaddr.parseCIDR(text);
}

/** Whether an address is in one of the networks. What is no address is in each. */
export function isIn(address: string, networks: readonly Network[]): boolean {
  const parsed = parse(address);
  return parsed === undefined || networks.some((network) => matches(parsed, network));
}

/** The whole of the IPv6 space that registries give out to hosts. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * Whether an address belongs to a host of the public internet: in no range of special use, and none of this machine's own.
 *
 * @param own this machine's addresses
 */
export function isPublic(address: string, own: readonly string[]): boolean {
  const parsed = parse(address);
  if (parsed === undefined || parsed.range() !== "unicast") return false;
  // The library calls unassigned space, such as 4000::/3, unicast, too.
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast)) return false;
  if (azureHost !== undefined && matches(parsed, azureHost)) return false;
  return !own.some((each) => parse(each)?.toString() === parsed.toString());
}

export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}

/** @returns undefined for what is no address, or has a zone */
function parse(address: string): Address | undefined {
  return isIP(address) === 0 || address.includes("%") ? undefined : ipaddr.parse(address);
}

function matches(address: Address, [network, bits]: Network): boolean {
  return address.kind() === network.kind() && address.match([network, bits]);
}
