import { expect, it } from "vitest";
import { clientAddress } from "./client-address.ts";

it("believes no header unless proxies are configured", () => {
  expect(clientAddress("192.0.2.1", "198.51.100.1", 0)).toBe("192.0.2.1");
});

it.each([
  [1, "203.0.113.9, 198.51.100.1", "198.51.100.1"],
  [2, "203.0.113.9, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
  [2, "198.51.100.1,10.0.0.2", "198.51.100.1"],
  [3, "1.1.1.1, 2.2.2.2, 198.51.100.1,10.0.0.3 ,10.0.0.2", "198.51.100.1"],
])(
  "behind %i proxies takes what the outermost of them saw, whatever the client put before it",
  (hops, header, address) => {
    expect(clientAddress("10.0.0.1", header, hops)).toBe(address);
  },
);

it.each([
  ["::ffff:1.2.3.4", "1.2.3.4"],
  ["::FFFF:102:304", "1.2.3.4"],
  ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
  ["fe80::1%eth0", "fe80::1"],
  ["[2001:db8::1]:443", "2001:db8::1"],
  ["[::ffff:1.2.3.4]", "1.2.3.4"],
  ["1.2.3.4:5678", "1.2.3.4"],
  ["  1.2.3.4\t", "1.2.3.4"],
])("spells %j as %j", (text, address) => {
  expect(clientAddress(text, undefined, 0)).toBe(address);
  expect(clientAddress("10.0.0.1", text, 1)).toBe(address);
});

it.each([
  "",
  "unknown",
  "_hidden",
  "01.2.3.4",
  "1.2.3.4.5",
  "0x7f.1",
  "2130706433",
  "1.2.3.4:99999999",
  "1.2.3.4\r\nx: y",
  "[1.2.3.4",
  "::1, ",
  "<script>",
  "1".repeat(9000),
])("takes the proxy's own address for garbage such as %j", (header) => {
  expect(clientAddress("10.0.0.1", header, 1)).toBe("10.0.0.1");
});

it("takes the proxy's own address where fewer proxies added theirs than there should be", () => {
  expect(clientAddress("10.0.0.1", "198.51.100.1", 2)).toBe("10.0.0.1");
  expect(clientAddress("10.0.0.1", undefined, 1)).toBe("10.0.0.1");
});

it("knows none where the socket is gone", () => {
  expect(clientAddress(undefined, "198.51.100.1", 0)).toBeUndefined();
});
