import { beforeAll, describe, expect, it } from "vitest";
import { send, sendJson, withoutRequestId, type Answer } from "./testing/raw-http.ts";
import { createBackends, operator, startApi, type Api, type Backends } from "./testing/fixture.ts";

let backends: Backends;
let api: Api;
let credential: string;

beforeAll(async () => {
  backends = await createBackends();
  api = await startApi({ backends });
  ({ apiKey: credential } = await backends.apiKey("another-company"));
});

const company = "another-company";
const call = (procedure: string, input: unknown, as = credential): Promise<Answer> =>
  sendJson(api.url, {
    path: `/trpc/${procedure}`,
    body: typeof input === "string" ? input : { json: input },
    headers: {
      authorization: `Bearer ${as}`,
    },
  });
const reasonOf = ({ body }: Answer) => String(/"reason":"([A-Z_]+)"/.exec(body)?.[1]);
const write = (value: string, secretKey = "CUSTOM_TEXT") =>
  call("secrets.write", { company, secretKey, value });

async function read(secretKey = "CUSTOM_TEXT"): Promise<string> {
  const { body } = await call("secrets.read", { company, secretKey });
  const parsed: { result: { data: { json: { value: string } } } } = JSON.parse(body);
  return parsed.result.data.json.value;
}

describe("a value", () => {
  it.each([
    ["one byte", "a"],
    ["64 KiB of one byte", "a".repeat(65_536)],
    ["64 KiB of four", "\u{1F511}".repeat(16_384)],
    ["a byte order mark", "\uFEFFvalue"],
    ["text from right to left", "\u202Eevil\u202C \u05D0"],
    ["emoji of several code points", "👩‍👩‍👧‍👦🏳️‍🌈"],
    ["composed", "é"],
    ["decomposed", "e\u0301"],
    ["line ends of every kind", "a\r\nb\nc\rd\u2028e\u0085"],
    ["controls", "\u0001\u001b[31m\u007f"],
    ["white space around it", " \t value \u00A0"],
    ["what looks like code", "'; drop table companies; -- ${jndi:ldap://x} {{7*7}} <script>"],
    ["what looks like a reference", "${prod.tenants.codewiser.STRIPE_SECRET_KEY}"],
    ["a name of an object's own", "__proto__"],
  ])("comes back byte for byte: %s", async (_, value) => {
    expect((await write(value)).status).toBe(200);
    expect(Buffer.from(await read()).equals(Buffer.from(value))).toBe(true);
  });

  it.each([
    ["nothing", ""],
    ["a byte too many", "a".repeat(65_537)],
    ["a character of four bytes too many", `${"\u{1F511}".repeat(16_384)}a`],
    ["NUL", "a\u0000b"],
    ["half a character", "a\uD83D"],
    ["the other half", "\uDD11a"],
    ["halves in the wrong order", "\uDD11\uD83D"],
  ])("is refused and leaves the one before as it was: %s", async (_, value) => {
    await write("the one before");
    const answer = await write(value);
    expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_VALUE"]);
    expect(await read()).toBe("the one before");
  });

  it.each([
    ["1e400", "1e400"],
    ["NaN", "NaN"],
    ["a number", "7"],
    ["null", "null"],
    ["a list", '["a"]'],
    ["an object", '{"toString":"a"}'],
    ["nothing", ""],
  ])("is refused where it is no text: %s", async (_, literal) => {
    const field = literal === "" ? "" : `,"value":${literal}`;
    const answer = await call(
      "secrets.write",
      `{"json":{"company":"${company}","secretKey":"CUSTOM_A"${field}}}`,
    );
    expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_INPUT"]);
  });
});

describe("a name", () => {
  it.each([
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "a".repeat(256),
    "../STRIPE_SECRET_KEY",
    "a/b",
    "ключ",
    "1LEADING",
    "CUSTOM_%00",
    "CUSTOM_\u0000",
    "CUSTOM_A\n",
    "CUSTOM_A ",
    "ＣＵＳＴＯＭ_A",
    "CUSTOM_*",
    "CUSTOM_%",
    "' or 1=1 --",
  ])("that no secret can have is refused, for reading and for writing: %j", async (secretKey) => {
    for (const answer of [
      await call("secrets.read", { company, secretKey }),
      await call("secrets.write", { company, secretKey, value: "fake" }),
      await call("secrets.remove", { company, secretKey }),
    ]) {
      expect([400, 404]).toContain(answer.status);
      expect(["UNKNOWN_SECRET_KEY", "INVALID_INPUT", "NOT_FOUND"]).toContain(reasonOf(answer));
    }
  });

  it.each([
    "' or '1'='1",
    "another-company'--",
    "another-company%00",
    "ANOTHER-COMPANY",
    "another-company.",
    "another-company ",
    "аnother-company",
    "*",
    "%",
    "_",
    "",
    "__proto__",
  ])("that no company has finds none, and says what a foreign one says: %j", async (named) => {
    const foreign = await call("secrets.read", { company: "codewiser", secretKey: "STRIPE_SECRET_KEY" });
    const answer = await call("secrets.read", { company: named, secretKey: "STRIPE_SECRET_KEY" });
    expect(withoutRequestId(answer)).toBe(withoutRequestId(foreign));
    expect(answer.status).toBe(404);
  });

  it("of a prototype's is only a name, in a body, in tRPC's own fields and twice", async () => {
    const inner =
      '{"amount":1,"currency":"eur","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}';
    await sendJson(api.url, {
      path: "/api/payments/create",
      body: inner,
      headers: {
        host: "another-company.localhost",
        authorization: `Bearer ${credential}`,
      },
    });
    for (const body of [
      `{"json":${inner},"meta":{"values":{"__proto__.polluted":["Date"],"constructor.prototype.polluted":["Date"]}}}`,
      '{"json":{"company":"another-company","secretKey":"CUSTOM_A"},"meta":{"values":{"company":["class","x"]}}}',
      '{"json":{"company":"another-company","company":"codewiser","secretKey":"STRIPE_SECRET_KEY"}}',
      '{"__proto__":{"json":{"company":"another-company"}}}',
    ]) {
      expect((await call("secrets.read", body)).status).toBeGreaterThanOrEqual(400);
    }
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });
});

describe("a call that says of what types its input is", () => {
  const marked = (mark: unknown, item: unknown, times = 1) => {
    const places = Array.from({ length: times }, (_, i) => [String(i), item]);
    return JSON.stringify({
      json: { company, secretKey: "CUSTOM_A", ...Object.fromEntries(places) },
      meta: { values: Object.fromEntries(places.map(([place]) => [place, mark])) },
    });
  };

  it("is refused for any but dates before anything is built, alone and in a batch", async () => {
    const startedAt = performance.now();
    for (const body of [
      marked([["typed-array", "Uint8Array"]], 100_000_000, 40),
      marked(["map"], [["a", 1]]),
      marked(["set"], [1]),
      marked(["regexp"], "/(a+)+$/"),
      marked(["bigint"], "9".repeat(100_000)),
      marked(["Error"], { message: "a" }),
      marked([["class", "Object"]], {}),
      `{"json":{"company":"${company}","secretKey":"CUSTOM_A","a":[]},"meta":{"referentialEqualities":{"a":["a.0"]}}}`,
    ]) {
      for (const [path, sent] of [
        ["secrets.read", body],
        ["secrets.read?batch=1", `{"0":${body}}`],
      ] as const) {
        const answer = await call(path, sent);
        expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_INPUT"]);
        expect(answer.body).toContain("`meta` marks something other than dates");
      }
    }
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });
});

describe("an import", () => {
  const entries = (count: number) => Array.from({ length: count }, () => ({}));
  const both = async (named: string, sent: unknown, as: string) => [
    await call("secrets.planImport", { company: named, entries: sent }, as),
    await call("secrets.import", { company: named, entries: sent, expected: [] }, as),
  ];

  it("of 120,000 entries that are none is refused in a few words, and quickly", async () => {
    const startedAt = performance.now();
    for (const answer of await both(company, entries(120_000), credential)) {
      expect([answer.status, reasonOf(answer)]).toEqual([400, "INVALID_INPUT"]);
      expect(answer.body.length).toBeLessThan(1000);
    }
    expect(performance.now() - startedAt).toBeLessThan(1000);
    for (const answer of await both(company, entries(100), credential)) {
      expect([answer.status, answer.body]).toEqual([
        400,
        expect.stringContaining("entries.1.secretKey, entries.1.text and 295 more"),
      ]);
    }
  });

  it("is read only of who may write: others hear of the permission, not of the form", async () => {
    const { apiKey: reader } = await backends.secrets.admin.apiKeys.create(operator, {
      name: "reader",
      companies: [company],
      platform: false,
      verbs: ["describe", "use"],
      secretKeys: ["*"],
      expiresAt: new Date(Date.now() + 3_600_000),
    });
    for (const sent of [entries(3), ["a"], [null], entries(1000), [{ secretKey: 1, text: {}, line: "x" }]]) {
      for (const answer of await both(company, sent, reader)) expect(reasonOf(answer)).toBe("FORBIDDEN");
      for (const answer of await both("codewiser", sent, credential)) {
        expect(reasonOf(answer)).toBe("NOT_FOUND");
      }
    }
  });
});

describe("a batch", () => {
  const batch = (paths: readonly string[], inputs: Record<string, unknown>): Promise<Answer> =>
    send(api.url, {
      path: `/trpc/${paths.join(",")}?batch=1&input=${encodeURIComponent(JSON.stringify(inputs))}`,
      headers: { authorization: `Bearer ${credential}` },
    });
  const list = (named: string) => ({ json: { company: named } });

  it("answers each call for itself: one that fails spoils no other, and lends it nothing", async () => {
    const paths = ["secrets.list", "secrets.list", "companies.list", "secrets.list", "secrets.none"];
    const { status, body } = await batch(paths, { 0: list(company), 1: list("codewiser"), 3: list(company) });
    expect(status).toBe(207);
    const answers: { result?: unknown; error?: { json: { data: { reason: string } } } }[] = JSON.parse(body);
    expect(answers.map(({ error }) => error?.json.data.reason)).toEqual([
      undefined,
      "NOT_FOUND",
      "FORBIDDEN",
      undefined,
      "NOT_FOUND",
    ]);
    // The times of last use are committed later than the reads of earlier tests, so also between these two lists.
    const withoutUse = (result: unknown) =>
      JSON.stringify(result, (name, value: unknown) =>
        name === "lastUsedAt" || name === "meta" ? undefined : value,
      );
    expect(withoutUse(answers[0]?.result)).toBe(withoutUse(answers[3]?.result));
    expect(withoutUse(answers[0]?.result)).toContain("secretKey");
    expect(body).not.toContain("codewiser");
  });

  it("with inputs that are missing, strange or of too many calls is refused call by call", async () => {
    for (const inputs of [{}, { 0: null }, { 7: list(company) }, { __proto__: list(company) }, { 0: [] }]) {
      const answer = await batch(["secrets.list", "secrets.list"], inputs);
      expect(answer.body.match(/"reason":"INVALID_INPUT"/g)?.length).toBeGreaterThanOrEqual(1);
    }
    for (const query of [
      "?batch=1&input=[]",
      "?batch=1&input=7",
      "?batch=1&input={",
      "?batch=2",
      "?batch=1",
    ]) {
      const answer = await send(api.url, {
        path: `/trpc/secrets.list,secrets.list${query}`,
        headers: { authorization: `Bearer ${credential}` },
      });
      expect(answer.status).toBeGreaterThanOrEqual(400);
    }
  });

  it("cannot resume, subscribe or bring connection parameters", async () => {
    for (const query of [
      "lastEventId=1",
      "connectionParams=%7B%22a%22%3A%22b%22%7D",
      "connectionParams=%7B",
    ]) {
      const input = encodeURIComponent(JSON.stringify(list("codewiser")));
      const answer = await send(api.url, {
        path: `/trpc/secrets.list?input=${input}&${query}`,
        headers: { authorization: `Bearer ${credential}`, accept: "text/event-stream", "last-event-id": "1" },
      });
      expect([400, 404]).toContain(answer.status);
    }
  });
});

describe("a credential", () => {
  it("that differs from the right one in anything is refused like none at all", async () => {
    const list = (authorization: string | undefined) =>
      send(api.url, {
        path: `/trpc/secrets.list?input=${encodeURIComponent(`{"json":{"company":"${company}"}}`)}`,
        headers: authorization === undefined ? {} : { authorization },
      });
    const unnamed = await list(undefined);
    const none = withoutRequestId(unnamed);
    expect([unnamed.status, unnamed.headers["www-authenticate"]]).toEqual([
      401,
      'Bearer realm="tenant-secrets"',
    ]);
    const unpaid = await sendJson(api.url, {
      path: "/api/payments/create",
      body: {},
      headers: { host: `${company}.localhost` },
    });
    expect([unpaid.status, unpaid.headers["www-authenticate"]]).toEqual([
      401,
      'Bearer realm="tenant-secrets"',
    ]);
    const flipped = credential.at(-1) === "0" ? "1" : "0";
    for (const other of [
      credential.slice(0, -1),
      credential.slice(0, -1) + flipped,
      `${credential} `.repeat(2).trim(),
      `${credential}x`,
      credential.toUpperCase(),
      credential.slice(0, 20),
      credential.replace("tsk_", "tso_"),
      `tsk_${"0".repeat(16)}_${"a".repeat(43)}_00000000`,
      "null",
      "undefined",
      "[object Object]",
    ]) {
      expect(withoutRequestId(await list(`Bearer ${other}`)), other.length.toString()).toBe(none);
    }
    for (const scheme of [
      `Basic ${credential}`,
      credential,
      `Bearer: ${credential}`,
      `Token ${credential}`,
    ]) {
      expect(withoutRequestId(await list(scheme))).toBe(none);
    }
    const right = await list(`Bearer ${credential}`);
    expect([right.status, right.headers["www-authenticate"]]).toEqual([200, undefined]);
    expect((await list(`bearer  ${credential}`)).status).toBe(200);
  });
});

describe("behind a proxy of ours", () => {
  it("wrong credentials count for the address that the proxy saw, whatever the client says of itself", async () => {
    const guarded = await startApi({
      backends,
      trustedProxies: 1,
      limits: { failedCredentialsPerMinute: 3 },
    });
    const ask = (as: string, forwarded: string) =>
      send(guarded.url, {
        path: `/trpc/secrets.list?input=${encodeURIComponent(`{"json":{"company":"${company}"}}`)}`,
        headers: { authorization: `Bearer ${as}`, "x-forwarded-for": forwarded },
      });
    for (const claimed of ["203.0.113.1", "203.0.113.2", "203.0.113.3"]) {
      expect((await ask("wrong", `${claimed}, 198.51.100.7`)).status).toBe(401);
    }
    const refused = await ask("wrong", "203.0.113.4, ::ffff:198.51.100.7");
    expect([refused.status, reasonOf(refused)]).toEqual([429, "RATE_LIMITED"]);
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(30);
    expect(refused.headers["cache-control"]).toBe("no-store");
    expect((await ask("wrong", "198.51.100.7, 198.51.100.8")).status).toBe(401);
    expect((await ask(credential, "198.51.100.7")).status).toBe(200);
    const paid = await sendJson(guarded.url, {
      path: "/api/payments/create",
      body: {},
      headers: {
        host: "another-company.localhost",
        authorization: "Bearer wrong",
        "x-forwarded-for": "198.51.100.7",
      },
    });
    expect([paid.status, Number(paid.headers["retry-after"]) > 30]).toEqual([429, true]);
  });
});
