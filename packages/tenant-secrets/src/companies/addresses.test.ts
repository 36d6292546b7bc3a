import { expect, test } from "vitest";
import { canonicalAddress } from "@repo/audit-log";
import { canonicalNetwork, isInNetworks } from "./addresses.ts";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ["2001:DB8:0:0::1", "2001:db8::1"],
  ["fe80::1%eth0", "fe80::1"],
  ["::1", "::1"],
  ["", undefined],
  ["192.0.2.01", undefined],
  ["192.0.2", undefined],
  ["3221225985", undefined],
  ["0xc0.0.2.1", undefined],
  ["192.0.2.1 ", undefined],
  ["192.0.2.1:443", undefined],
  ["[::1]", undefined],
  ["localhost", undefined],
])("the address %j is spelt %j", (text, canonical) => {
  expect(canonicalAddress(text)).toBe(canonical);
});

test.each([
  ["192.0.2.0/24", "192.0.2.0/24"],
  ["::ffff:192.0.2.0/120", "192.0.2.0/24"],
  ["2001:DB8::/32", "2001:db8::/32"],
  ["0.0.0.0/0", "0.0.0.0/0"],
  ["192.0.2.1", "192.0.2.1"],
  ["192.0.2.0/33", undefined],
  ["192.0.2.0/024", undefined],
  ["192.0.2.0/", undefined],
  ["192.0.2.0/-1", undefined],
  ["192.0.2.0/24/8", undefined],
  ["2001:db8::/129", undefined],
  ["::ffff:192.0.2.0/24", undefined],
  ["fe80::1%eth0", undefined],
  ["*", undefined],
])("the network %j is spelt %j", (text, canonical) => {
  expect(canonicalNetwork(text)).toBe(canonical);
});

test.each([
  [["192.0.2.0/24"], "192.0.2.255", true],
  [["192.0.2.0/24"], "::ffff:192.0.2.7", true],
  [["192.0.2.0/24"], "::ffff:c000:207", true],
  [["192.0.2.0/24"], "192.0.3.0", false],
  [["192.0.2.1"], "192.0.2.1", true],
  [["192.0.2.1"], "192.0.2.10", false],
  [["198.51.100.1", "2001:db8::/32"], "2001:DB8:ffff::1", true],
  [["2001:db8::/32"], "2001:db9::1", false],
  [["fe80::/10"], "fe80::1%eth0", true],
  [["::/0"], "192.0.2.1", false],
  [["0.0.0.0/0"], "192.0.2.1", true],
  [["0.0.0.0/0"], "::1", false],
  [["0.0.0.0/0"], undefined, false],
  [["0.0.0.0/0"], "nonsense", false],
  [[], "192.0.2.1", false],
])("of %j, %j: %j", (networks, address, inside) => {
  expect(isInNetworks(networks, address)).toBe(inside);
});
