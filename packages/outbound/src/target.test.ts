import { describe, expect, test } from "vitest";
import { createOutbound } from "./index.ts";

const publicAddress = "93.184.215.14";
const outbound = createOutbound({
  allow: ["127.0.0.1:9100", "[::1]:9100", "receiver.internal:8443", "10.0.0.7:443"],
  ownDomains: ["Secrets.Example.com.", "saas.example"],
  resolve: (host) => Promise.resolve([host === "receiver.internal" ? "10.0.0.5" : publicAddress]),
});
const codeOf = async (url: string) => (await outbound.check(url))?.code ?? "good";

test.for([
  "https://hooks.example.com",
  "https://hooks.example.com/",
  "https://hooks.example.com:443/secrets?a=1&b=%20",
  "https://HOOKS.Example.COM/x",
  "https://hooks.example.com./x",
  "https://h.co/",
  "https://1.example.com/",
  "https://xn--mnchen-3ya.example/",
  "https://münchen.example/",
  "https://hooks.example.com\\@127.0.0.1/",
  "https://hooks。example.com/",
  "https://internal.example.com/",
  "https://mysecrets.example.com.example.org/",
  "https://notsaas.example/",
])("%s is good", async (url) => {
  expect(await codeOf(url)).toBe("good");
});

describe("refused:", () => {
  test.for([
    // no URL
    ["", "NOT_A_URL"],
    ["hooks.example.com", "NOT_A_URL"],
    ["//hooks.example.com/", "NOT_A_URL"],
    ["https://", "NOT_A_URL"],
    ["https://h ooks.example.com/", "NOT_A_URL"],
    ["https://[::1", "NOT_A_URL"],
    ["https://hooks.example.com:99999/", "NOT_A_URL"],
    ["https://256.1.1.1/", "NOT_A_URL"],
    // another protocol
    ["http://hooks.example.com/", "NOT_HTTPS"],
    ["HTTP://hooks.example.com/", "NOT_HTTPS"],
    ["ftp://hooks.example.com/", "NOT_HTTPS"],
    ["file:///etc/passwd", "NOT_HTTPS"],
    ["data:text/plain,x", "NOT_HTTPS"],
    ["javascript:alert(1)", "NOT_HTTPS"],
    ["gopher://127.0.0.1:6379/_x", "NOT_HTTPS"],
    ["unix:/var/run/docker.sock", "NOT_HTTPS"],
    ["ws://hooks.example.com/", "NOT_HTTPS"],
    ["blob:https://hooks.example.com/x", "NOT_HTTPS"],
    // user, password, fragment
    ["https://pat@hooks.example.com/", "HAS_CREDENTIALS"],
    ["https://pat:fake@hooks.example.com/", "HAS_CREDENTIALS"],
    ["https://:fake@hooks.example.com/", "HAS_CREDENTIALS"],
    ["https://hooks.example.com@127.0.0.1/", "HAS_CREDENTIALS"],
    ["https://hooks.example.com:fake@127.0.0.1:443/", "HAS_CREDENTIALS"],
    ["https://hooks.example.com/#", "HAS_FRAGMENT"],
    ["https://hooks.example.com/#x", "HAS_FRAGMENT"],
    ["https://hooks.example.com#@127.0.0.1/", "HAS_FRAGMENT"],
    ["https://127.0.0.1#@hooks.example.com/", "HAS_FRAGMENT"],
    // ports
    ["https://hooks.example.com:22/", "WRONG_PORT"],
    ["https://hooks.example.com:25/", "WRONG_PORT"],
    ["https://hooks.example.com:80/", "WRONG_PORT"],
    ["https://hooks.example.com:8443/", "WRONG_PORT"],
    ["https://hooks.example.com:0/", "WRONG_PORT"],
    // IP addresses in every spelling
    ["https://127.0.0.1/", "IS_IP_ADDRESS"],
    ["https://127.0.0.1./", "IS_IP_ADDRESS"],
    ["https:127.0.0.1", "IS_IP_ADDRESS"],
    ["https:/127.0.0.1", "IS_IP_ADDRESS"],
    ["https://2130706433/", "IS_IP_ADDRESS"],
    ["https://0x7f.1/", "IS_IP_ADDRESS"],
    ["https://0x7f000001/", "IS_IP_ADDRESS"],
    ["https://0177.0.0.01/", "IS_IP_ADDRESS"],
    ["https://017700000001/", "IS_IP_ADDRESS"],
    ["https://①②⑦.⓪.⓪.①/", "IS_IP_ADDRESS"],
    ["https://１２７.０.０.１/", "IS_IP_ADDRESS"],
    ["https://%31%32%37.0.0.1/", "IS_IP_ADDRESS"],
    ["https://127。0。0。1/", "IS_IP_ADDRESS"],
    ["https://1.2.3/", "IS_IP_ADDRESS"],
    ["https://127.1/", "IS_IP_ADDRESS"],
    ["https://0/", "IS_IP_ADDRESS"],
    ["https://0.0.0.0/", "IS_IP_ADDRESS"],
    ["https://93.184.215.14/", "IS_IP_ADDRESS"],
    ["https://169.254.169.254/latest/meta-data/", "IS_IP_ADDRESS"],
    ["https://[::]/", "IS_IP_ADDRESS"],
    ["https://[::1]/", "IS_IP_ADDRESS"],
    ["https://[0:0:0:0:0:0:0:1]/", "IS_IP_ADDRESS"],
    ["https://[::ffff:127.0.0.1]/", "IS_IP_ADDRESS"],
    ["https://[::ffff:7f00:1]/", "IS_IP_ADDRESS"],
    ["https://[::127.0.0.1]/", "IS_IP_ADDRESS"],
    ["https://[64:ff9b::10.0.0.1]/", "IS_IP_ADDRESS"],
    ["https://[64:ff9b:1::a00:1]/", "IS_IP_ADDRESS"],
    ["https://[2002:7f00:1::]/", "IS_IP_ADDRESS"],
    ["https://[2606:4700::1111]/", "IS_IP_ADDRESS"],
    // hosts that are no full domain name
    ["https://intranet/", "BAD_HOST"],
    ["https://com./", "BAD_HOST"],
    ["https://h..com/", "BAD_HOST"],
    ["https://.example.com/", "BAD_HOST"],
    ["https://hooks.example.com../", "BAD_HOST"],
    ["https://hooks_x.example.com/", "BAD_HOST"],
    ["https://-hooks.example.com/", "BAD_HOST"],
    ["https://a'b.example.com/", "BAD_HOST"],
    ["https://a;b.example.com/", "BAD_HOST"],
    ["https://*.example.com/", "BAD_HOST"],
    [`https://${"a".repeat(64)}.example.com/`, "BAD_HOST"],
    [`https://${"abcdefghi.".repeat(25)}example.com/`, "BAD_HOST"],
    // names that are not public
    ["https://localhost/", "INTERNAL_HOST"],
    ["https://localhost./", "INTERNAL_HOST"],
    ["https://LOCALHOST/", "INTERNAL_HOST"],
    ["https://ｌｏｃａｌｈｏｓｔ/", "INTERNAL_HOST"],
    ["https://api.localhost/", "INTERNAL_HOST"],
    ["https://metadata.google.internal/", "INTERNAL_HOST"],
    ["https://foo.internal./", "INTERNAL_HOST"],
    ["https://printer.local/", "INTERNAL_HOST"],
    ["https://home.arpa/", "INTERNAL_HOST"],
    ["https://nas.home.arpa/", "INTERNAL_HOST"],
    ["https://x.test/", "INTERNAL_HOST"],
    ["https://x.invalid/", "INTERNAL_HOST"],
    ["https://x.onion/", "INTERNAL_HOST"],
    ["https://secrets.example.com/", "INTERNAL_HOST"],
    ["https://acmecorp.secrets.example.com/", "INTERNAL_HOST"],
    ["https://SAAS.example./", "INTERNAL_HOST"],
    // length, as it is written and as it is sent
    [`${" ".repeat(2048)}https://hooks.example.com/`, "TOO_LONG"],
    [`https://hooks.example.com/${"a".repeat(2048)}`, "TOO_LONG"],
    [`https://hooks.example.com/${"ä".repeat(1000)}`, "TOO_LONG"],
  ] as const)("%s: %s", async ([url, code]) => {
    const refusal = await outbound.check(url);
    expect(refusal?.code).toBe(code);
    expect(refusal?.message).toMatch(/^The .+\.$/);
    expect(refusal?.message).not.toMatch(/127|169|pat|fake|metadata/);
    await expect(outbound.fetch(url, { method: "GET" })).rejects.toMatchObject({ code: "ADDRESS" });
  });
});

test("an address of 2,048 characters is good, and one of one more is not", async () => {
  const start = "https://hooks.example.com/";
  expect(await codeOf(start + "a".repeat(2048 - start.length))).toBe("good");
  expect(await codeOf(start + "a".repeat(2049 - start.length))).toBe("TOO_LONG");
});

describe("a host and port that the operator allows", () => {
  test.for([
    "http://127.0.0.1:9100/x",
    "https://127.0.0.1:9100/x",
    "http://2130706433:9100/",
    "http://[::1]:9100/",
    "http://[0:0::1]:9100/",
    "https://receiver.internal:8443/",
    "http://receiver.internal.:8443/",
    "https://10.0.0.7/",
  ])("may be private, unencrypted and an IP address: %s", async (url) => {
    expect(await codeOf(url)).toBe("good");
  });

  test.for([
    ["http://127.0.0.1:9101/", "NOT_HTTPS"],
    ["https://127.0.0.1:9101/", "IS_IP_ADDRESS"],
    ["https://127.0.0.2:9100/", "IS_IP_ADDRESS"],
    ["https://receiver.internal/", "INTERNAL_HOST"],
    ["https://a.receiver.internal:8443/", "INTERNAL_HOST"],
    ["http://10.0.0.7/", "NOT_HTTPS"],
    ["http://pat@127.0.0.1:9100/", "HAS_CREDENTIALS"],
    ["http://127.0.0.1:9100/#", "HAS_FRAGMENT"],
    ["ftp://127.0.0.1:9100/", "NOT_HTTPS"],
  ] as const)("allows no other one, and nothing else: %s, %s", async ([url, code]) => {
    expect(await codeOf(url)).toBe(code);
  });
});

test("a denied network is refused for an allowed host, too", async () => {
  const both = createOutbound({
    allow: ["10.0.0.7:443", "receiver.internal:443"],
    deny: ["10.0.0.0/8"],
    resolve: () => Promise.resolve(["10.1.2.3"]),
  });
  expect((await both.check("https://10.0.0.7/"))?.code).toBe("NOT_PUBLIC");
  expect((await both.check("https://receiver.internal/"))?.code).toBe("NOT_PUBLIC");
});

test("an allowed host whose look-up answers no address is refused", async () => {
  const allow = ["receiver.internal:443"];
  const misled = createOutbound({ allow, resolve: () => Promise.resolve(["localhost"]) });
  expect((await misled.check("https://receiver.internal/"))?.code).toBe("NOT_PUBLIC");
});

test.for([
  { allow: ["127.0.0.1"] },
  { allow: ["127.0.0.1:9100", "https://secret.example:443"] },
  { deny: ["10.0.0.0"] },
  { deny: ["secret.example/8"] },
])("options of another form are refused, unquoted: %j", (options) => {
  expect(() => createOutbound(options)).toThrow(TypeError);
  expect(() => createOutbound(options)).not.toThrow("secret");
});
