import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDnsResolve, type Resolve } from "./dns.ts";
import { createOutbound, type OutboundOptions } from "./index.ts";
import { type DnsServer, startDnsServer } from "./testing/dns-server.ts";
import { listen, type Listener, ok } from "./testing/listener.ts";

/** In the part of the public space that no registry has given out: nothing answers there. */
const publicAddress = "2d00::1";
const publicAddressV4 = "93.184.215.14";

/** Where a connection to 127.0.0.1 would arrive. */
let trap: Listener;
beforeEach(async () => {
  trap = await listen(ok);
});
afterEach(async () => {
  await trap.stop();
  if (trap.connections() > 0) throw new Error("A connection was opened to a private address.");
});

const outboundTo = (resolve: Resolve, options: OutboundOptions = {}) =>
  createOutbound({ resolve, port: trap.port, ...options });
const url = () => `https://hooks.example.com:${trap.port}/`;
const send = { method: "POST", body: "x", timeoutMs: 1000, connectTimeoutMs: 200 } as const;

test("the trap hears a connection, where the operator allows its host", async () => {
  const heard = await listen(ok);
  const allow = [`hooks.example.com:${heard.port}`];
  const outbound = createOutbound({ resolve: () => Promise.resolve(["127.0.0.1"]), allow });
  const { status } = await outbound.fetch(`http://hooks.example.com:${heard.port}/`, send);
  expect([status, heard.connections()]).toEqual([200, 1]);
  await heard.stop();
});

test.for([
  ["a private address", ["127.0.0.1"]],
  ["a public and a private one", [publicAddress, "127.0.0.1"]],
  ["a private and a public one", ["127.0.0.1", publicAddress]],
  ["a private IPv4 address mapped into IPv6", ["::ffff:127.0.0.1"]],
  ["17 public ones", Array.from({ length: 17 }, (_, i) => `2d00::${i + 1}`)],
  ["a text that is no address", ["localhost"]],
] as const)("a name with %s is refused at save and at send", async ([, addresses]) => {
  const outbound = outboundTo(() => Promise.resolve(addresses));
  expect((await outbound.check(url()))?.code).toBe("NOT_PUBLIC");
  await expect(outbound.fetch(url(), send)).rejects.toMatchObject({ code: "ADDRESS" });
});

test("16 public addresses are good", async () => {
  const addresses = Array.from({ length: 16 }, (_, i) => `2d00::${i + 1}`);
  expect(await outboundTo(() => Promise.resolve(addresses)).check(url())).toBeUndefined();
});

test("a name that was public at save and is private at send is not connected to", async () => {
  const answers = [[publicAddress], ["127.0.0.1"]];
  const outbound = outboundTo(() => Promise.resolve(answers.shift() ?? []));
  expect(await outbound.check(url())).toBeUndefined();
  await expect(outbound.fetch(url(), send)).rejects.toMatchObject({ code: "ADDRESS" });
});

test("a connection goes to the address that was judged, and the name is not looked up again", async () => {
  let lookUps = 0;
  const outbound = outboundTo(() => Promise.resolve([lookUps++ === 0 ? publicAddress : "127.0.0.1"]));
  await expect(outbound.fetch(url(), send)).rejects.toMatchObject({
    code: expect.stringMatching(/^(?:CONNECT|TIMEOUT)$/),
  });
  expect(lookUps).toBe(1);
});

test("each request looks the name up again", async () => {
  let lookUps = 0;
  const heard = await listen(ok);
  const allow = [`hooks.example.com:${heard.port}`];
  const resolve: Resolve = () => {
    lookUps += 1;
    return Promise.resolve(["127.0.0.1"]);
  };
  const outbound = createOutbound({ resolve, allow });
  await outbound.fetch(`http://hooks.example.com:${heard.port}/`, send);
  await outbound.fetch(`http://hooks.example.com:${heard.port}/`, send);
  expect([lookUps, heard.connections()]).toEqual([2, 2]);
  await heard.stop();
});

test("addresses for another protocol are judged alike, at any port", async () => {
  const answers = new Map([
    ["db.example.com", [publicAddressV4]],
    ["private.example.com", ["10.0.0.1"]],
    ["pg.internal", ["10.0.0.1"]],
  ]);
  const outbound = outboundTo((host) => Promise.resolve(answers.get(host) ?? []), {
    allow: ["pg.internal:5432"],
  });
  expect(await outbound.addressesOf("DB.example.com.", 5432)).toEqual([publicAddressV4]);
  expect(await outbound.addressesOf("pg.internal", 5432)).toEqual(["10.0.0.1"]);
  const refused = [
    "private.example.com",
    "localhost",
    "2130706433",
    "::1",
    "127.0.0.1",
    "a/b",
    "a@b.com",
    "",
  ];
  for (const host of refused) {
    await expect(outbound.addressesOf(host, 5432)).rejects.toMatchObject({ code: "ADDRESS" });
  }
  await expect(outbound.addressesOf("pg.internal", 5433)).rejects.toMatchObject({ code: "ADDRESS" });
  await expect(outbound.addressesOf("none.example.com", 5432)).rejects.toMatchObject({ code: "RESOLVE" });
});

describe("with a DNS server", () => {
  let dns: DnsServer;
  beforeEach(async () => {
    dns = await startDnsServer({});
  });
  afterEach(() => dns.stop());
  const outbound = (options: OutboundOptions = {}) => outboundTo(createDnsResolve([dns.address]), options);

  test.for([
    ["both families", { "hooks.example.com": { addresses: [publicAddressV4, publicAddress] } }],
    ["IPv4 alone", { "hooks.example.com": { addresses: [publicAddressV4] } }],
    [
      "an alias",
      { "hooks.example.com": { alias: "e.example.net" }, "e.example.net": { addresses: [publicAddress] } },
    ],
    [
      "IPv4, and a failing look-up of IPv6",
      { "hooks.example.com": { addresses: [publicAddressV4], failure: "SERVFAIL", failing: "AAAA" } },
    ],
  ] as const)("a name with %s is good", async ([, names]) => {
    dns.names = names;
    expect(await outbound().check(url())).toBeUndefined();
  });

  test.for([
    [
      "an alias of a metadata host",
      {
        "hooks.example.com": { alias: "a.example.net" },
        "a.example.net": { alias: "metadata.google.internal" },
        "metadata.google.internal": { addresses: ["169.254.169.254"] },
      },
    ],
    [
      "an IPv6 address that is a private IPv4 one by NAT64",
      { "hooks.example.com": { addresses: ["64:ff9b::a00:1"] } },
    ],
    [
      "a public IPv4 and a private IPv6 address",
      { "hooks.example.com": { addresses: [publicAddressV4, "fd00::1"] } },
    ],
    ["a loopback address", { "hooks.example.com": { addresses: ["127.0.0.1"] } }],
  ] as const)("a name with %s is refused", async ([, names]) => {
    dns.names = names;
    expect((await outbound().check(url()))?.code).toBe("NOT_PUBLIC");
    await expect(outbound().fetch(url(), send)).rejects.toMatchObject({ code: "ADDRESS" });
  });

  test("a name that does not exist is told like a private one at save, and apart at send", async () => {
    const missing = await outbound().check(url());
    await expect(outbound().fetch(url(), send)).rejects.toMatchObject({ code: "RESOLVE" });
    dns.names = { "hooks.example.com": { addresses: ["10.0.0.1"] } };
    expect(missing).toEqual(await outbound().check(url()));
  });

  test("a name that cannot be looked up is RESOLVE", async () => {
    dns.names = { "hooks.example.com": { failure: "SERVFAIL" } };
    expect((await outbound().check(url()))?.code).toBe("NOT_RESOLVED");
    await expect(outbound().fetch(url(), send)).rejects.toMatchObject({ code: "RESOLVE" });
  });

  test("a server that is silent is given up", async () => {
    dns.names = { "hooks.example.com": { failure: "silent" } };
    const before = performance.now();
    expect((await outbound({ resolveTimeoutMs: 100 }).check(url()))?.code).toBe("NOT_RESOLVED");
    await expect(outbound({ resolveTimeoutMs: 100 }).fetch(url(), send)).rejects.toMatchObject({
      code: "RESOLVE",
    });
    await expect(outbound().fetch(url(), { ...send, timeoutMs: 100 })).rejects.toMatchObject({
      code: "TIMEOUT",
    });
    expect(performance.now() - before).toBeLessThan(2000);
  });
});
