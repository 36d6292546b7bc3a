import { describe, expect, test } from "vitest";
import { createOutbound } from "./index.ts";
import { isIn, isPublic, ownAddresses, parseNetwork } from "./public-address.ts";

test.for([
  "1.1.1.1",
  "9.255.255.255",
  "11.0.0.0",
  "93.184.215.14",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "172.15.255.255",
  "172.32.0.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2606:4700::1111",
  "2a00:1450:4001:80b::200e",
  "2001:4860:4860::8888",
])("%s is public", (address) => {
  expect(isPublic(address, [])).toBe(true);
});

describe("not public:", () => {
  // The registries of IANA for special addresses, each range with its first and last address.
  test.for([
    ["this network", "0.0.0.0", "0.255.255.255"],
    ["private", "10.0.0.0", "10.255.255.255"],
    ["shared", "100.64.0.0", "100.127.255.255"],
    ["loopback", "127.0.0.0", "127.255.255.255"],
    ["link-local and metadata", "169.254.0.0", "169.254.169.254", "169.254.255.255"],
    ["private", "172.16.0.0", "172.31.255.255"],
    ["protocol assignments", "192.0.0.0", "192.0.0.192", "192.0.0.255"],
    ["documentation", "192.0.2.0", "192.0.2.255"],
    ["AS112", "192.31.196.1", "192.175.48.1"],
    ["AMT", "192.52.193.1"],
    ["6to4 relays", "192.88.99.0", "192.88.99.255"],
    ["private", "192.168.0.0", "192.168.255.255"],
    ["benchmarking", "198.18.0.0", "198.19.255.255"],
    ["documentation", "198.51.100.0", "198.51.100.255", "203.0.113.0", "203.0.113.255"],
    ["multicast", "224.0.0.0", "239.255.255.255"],
    ["reserved", "240.0.0.0", "255.255.255.254"],
    ["broadcast", "255.255.255.255"],
    ["metadata of Azure", "168.63.129.16"],
    ["metadata of Alibaba", "100.100.100.200"],
    ["unspecified", "::"],
    ["loopback", "::1"],
    ["IPv4-compatible", "::127.0.0.1", "::ffff"],
    ["IPv4-mapped", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:1.1.1.1", "::ffff:0:0"],
    ["IPv4-translated", "::ffff:0:127.0.0.1"],
    ["NAT64", "64:ff9b::10.0.0.1", "64:ff9b::", "64:ff9b::1.1.1.1"],
    ["local NAT64", "64:ff9b:1::10.0.0.1", "64:ff9b:1::", "64:ff9b:1:ffff::"],
    ["discard", "100::", "100::ffff", "100:0:0:1::1"],
    ["Teredo", "2001::1", "2001:0:ffff::1"],
    ["protocol assignments", "2001:1::1", "2001:1ff:ffff::"],
    ["benchmarking", "2001:2::1"],
    ["ORCHID", "2001:10::1", "2001:20::1", "2001:2f:ffff::"],
    ["drone ids", "2001:30::1"],
    ["documentation", "2001:db8::", "2001:db8:ffff::1", "3fff::1", "3fff:fff:ffff::"],
    ["6to4", "2002::", "2002:7f00:1::", "2002:a00:1::1", "2002:ffff:ffff::"],
    ["AS112", "2620:4f:8000::1"],
    ["segment routing", "5f00::1"],
    ["unassigned", "4000::1", "1fff::1", "6000::1", "8000::1", "e000::1"],
    ["unique local and metadata", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fdff::1"],
    ["link-local", "fe80::1", "fe80::1%eth0", "febf::1"],
    ["site-local", "fec0::1", "feff::1"],
    ["multicast", "ff00::", "ff02::1", "ffff::"],
    [
      "no address",
      "",
      "x",
      "127.1",
      "0x7f.0.0.1",
      "010.0.0.1",
      "1.1.1.1.",
      "1.1.1.1/32",
      "[::1]",
      "2606::1%a",
    ],
  ])("%s", ([, ...addresses]) => {
    expect(addresses.filter((address) => isPublic(address, []))).toEqual([]);
  });
});

test("an address of this machine is not public, in any spelling", () => {
  const own = ["93.184.215.14", "2606:4700:0:0::1111", "fe80::1%eth0"];
  expect(isPublic("93.184.215.14", own)).toBe(false);
  expect(isPublic("2606:4700::1111", own)).toBe(false);
  expect(isPublic("93.184.215.15", own)).toBe(true);
});

test("the addresses of this machine are known, and a name that has one is refused", async () => {
  expect(ownAddresses()).toContain("127.0.0.1");
  for (const address of ownAddresses()) {
    const outbound = createOutbound({ resolve: () => Promise.resolve([address]) });
    expect((await outbound.check("https://hooks.example.com/"))?.code).toBe("NOT_PUBLIC");
  }
});

describe("networks", () => {
  test.for([
    ["203.0.113.0/24", "203.0.113.255", "203.0.114.0"],
    ["203.0.113.77/24", "203.0.113.0", "203.0.112.255"],
    ["93.184.215.14/32", "93.184.215.14", "93.184.215.15"],
    ["2606:4700::/32", "2606:4700:ffff::1", "2606:4701::"],
    ["0.0.0.0/0", "255.255.255.255", "::1"],
  ] as const)("%s holds %s, and not %s", ([text, inside, outside]) => {
    const network = parseNetwork(text);
    const networks = network === undefined ? [] : [network];
    expect([isIn(inside, networks), isIn(outside, networks)]).toEqual([true, false]);
  });

  test.for([
    "",
    "10.0.0.0",
    "10.0.0.0/33",
    "10/8",
    "010.0.0.0/8",
    "::/129",
    "x/8",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
  ])("%j is none", (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  });

  test("a denied network of public addresses is refused", async () => {
    const resolve = () => Promise.resolve(["93.184.215.14"]);
    const url = "https://hooks.example.com/";
    expect(await createOutbound({ resolve }).check(url)).toBeUndefined();
    expect((await createOutbound({ resolve, deny: ["93.184.0.0/16"] }).check(url))?.code).toBe("NOT_PUBLIC");
  });
});
