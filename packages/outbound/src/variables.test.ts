import { describe, expect, test } from "vitest";
import { allowsLoopback, outboundVariables } from "./index.ts";

const { OUTBOUND_ALLOW, OUTBOUND_DENY } = outboundVariables;

test("both lists are empty where they are not set", () => {
  expect(OUTBOUND_ALLOW.parse(undefined)).toEqual([]);
  expect(OUTBOUND_DENY.parse(undefined)).toEqual([]);
});

test("their parts are separated by commas, with spaces or without", () => {
  const allow = "127.0.0.1:9100, [::1]:9100,receiver.internal:443";
  expect(OUTBOUND_ALLOW.parse(allow)).toEqual(["127.0.0.1:9100", "[::1]:9100", "receiver.internal:443"]);
  expect(OUTBOUND_DENY.parse("203.0.113.0/24, 2001:db8::/32")).toEqual(["203.0.113.0/24", "2001:db8::/32"]);
});

describe("refused, unquoted:", () => {
  test.for([
    "fake.example",
    "127.0.0.1",
    ":9100",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "::1:9100",
    "http://fake.example:80",
    "pat@fake.example:80",
    "fake.example:80/x",
    "fake.example:80:90",
    "fake example:80",
    "127.0.0.1:9100,",
    "*:443",
    "localhost:9100",
    "api.localhost.:9100",
  ])("OUTBOUND_ALLOW=%s", (text) => {
    const { error } = OUTBOUND_ALLOW.safeParse(text);
    expect(error?.issues.map(({ code, message }) => [code, message])).toEqual([
      ["custom", "holds a part that is not a host and a port, such as 127.0.0.1:9100"],
    ]);
  });

  test.for(["203.0.113.0", "203.0.113.0/33", "fake.example/8", "203.0.113.0/24,", "10/8", "::/200"])(
    "OUTBOUND_DENY=%s",
    (text) => {
      const { error } = OUTBOUND_DENY.safeParse(text);
      expect(error?.issues.map(({ message }) => message)).toEqual([
        "holds a part that is not a network, such as 203.0.113.0/24",
      ]);
    },
  );
});

test.for([
  "127.0.0.1:9100",
  "127.8.8.8:9100",
  "2130706433:9100",
  "0x7f.1:9100",
  "0.0.0.0:9100",
  "0:9100",
  "[::1]:9100",
  "[::]:9100",
  "[::ffff:127.0.0.1]:9100",
])("%s is this machine", (entry) => {
  expect(allowsLoopback(["receiver.internal:443", entry])).toBe(true);
});

test("hosts of the operator's network are not this machine", () => {
  expect(allowsLoopback(["10.0.0.7:443", "receiver.internal:443", "[fd00::1]:443"])).toBe(false);
});
