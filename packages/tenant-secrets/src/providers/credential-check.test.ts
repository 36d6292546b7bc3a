import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { deliveryChatCatalog as catalog } from "@repo/delivery-chat";
import { defineCatalog, textSecret } from "@repo/catalog";
import { checkCredential, requireChecks, type CredentialChecks } from "./credential-check.ts";
import { providerChecks } from "./provider-checks.ts";

interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Record<string, string>;
}
/** The provider's next behaviour: an answer, no answer, or a closed connection. */
let answer: Answer | "silence" | "hang up" | "half an answer";
let requests: IncomingMessage[] = [];
const server = createServer((incoming, outgoing) => {
  requests.push(incoming);
  if (answer === "silence") return;
  if (answer === "hang up") {
    outgoing.destroy();
    return;
  }
  if (answer === "half an answer") {
    outgoing.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
    outgoing.write("{");
    return;
  }
  outgoing.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
  outgoing.end(answer.body ?? "{}");
});
let url: string;
let checks: CredentialChecks;

beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  checks = providerChecks({ stripe: url, sendgrid: url });
});
afterEach(() => {
  requests = [];
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, "close");
});

const credentials = {
  STRIPE_SECRET_KEY: "sk_test_fake_codewiser_0001",
  SENDGRID_API_KEY: "SG.fakefake.codewiser0001",
} as const;
const secretKeys = ["STRIPE_SECRET_KEY", "SENDGRID_API_KEY"] as const;
const check = (secretKey: (typeof secretKeys)[number], next: typeof answer, deadlineMs = 5000) => {
  answer = next;
  return checkCredential(catalog, checks, {
    secretKey,
    text: credentials[secretKey],
    options: { deadlineMs },
  });
};
/** Refusals in the format of both Stripe and SendGrid. */
const refusal = (type: string) =>
  JSON.stringify({
    error: { type, message: "Invalid API Key provided: sk_test_***0001" },
    errors: [{ field: null, message: "authorization required" }],
  });

describe.for(secretKeys)("the check of %s", (secretKey) => {
  test("a provider's check accepts a valid credential with one call that changes nothing", async () => {
    expect(await check(secretKey, { status: 200, body: '{"object":"balance","scopes":[]}' })).toBe(
      "accepted",
    );
    const [request, ...others] = requests;
    expect(others).toEqual([]);
    expect([request?.method, request?.url]).toEqual([
      "GET",
      secretKey === "STRIPE_SECRET_KEY" ? "/v1/balance" : "/v3/scopes",
    ]);
    expect(request?.headers.authorization).toBe(`Bearer ${credentials[secretKey]}`);
    expect(Object.keys(request?.headers ?? {})).not.toContain("x-stripe-client-telemetry");
  });

  test("a provider's check accepts a credential that lacks the permission for the call", async () => {
    expect(await check(secretKey, { status: 403, body: refusal("invalid_request_error") })).toBe("accepted");
  });

  test("a provider's check rejects a revoked credential", async () => {
    expect(await check(secretKey, { status: 401, body: refusal("invalid_request_error") })).toBe("rejected");
  });

  test.for([
    ["429", { status: 429, body: refusal("rate_limit_error") }],
    ["500", { status: 500, body: refusal("api_error") }],
    ["503 of a proxy", { status: 503, body: "<html>", headers: { "content-type": "text/html" } }],
    ["404", { status: 404, body: "{}" }],
    ["the 200 of something else", { status: 200, body: '{"object":"page"}' }],
    ["JSON that is no object", { status: 200, body: '"no"' }],
    ["null", { status: 200, body: "null" }],
    ["an empty answer", { status: 200, body: "" }],
    ["the 401 of something else", { status: 401, body: "<html>" }],
    ["the 403 of something else", { status: 403, body: '"no"' }],
    ["400", { status: 400, body: refusal("invalid_request_error") }],
    ["a redirect", { status: 302, headers: { location: "/elsewhere" } }],
    ["a closed connection", "hang up"],
  ] as const)("says unknown to %s, and asks no more than twice", async ([, next]) => {
    expect(await check(secretKey, next)).toBe("unknown");
    expect(requests.length).toBeLessThanOrEqual(2);
  });

  test.for(["silence", "half an answer"] as const)("says unknown to %s, at the deadline", async (next) => {
    const started = performance.now();
    expect(await check(secretKey, next, 200)).toBe("unknown");
    expect(performance.now() - started).toBeLessThan(4000);
  });

  test("a provider's check is unknown if the provider is unreachable", async () => {
    const away = providerChecks({ stripe: "http://127.0.0.1:1", sendgrid: "http://127.0.0.1:1" });
    expect(await checkCredential(catalog, away, { secretKey, text: credentials[secretKey] })).toBe("unknown");
  });

  test("a provider's check writes no part of the credential to any output", async () => {
    const printed: string[] = [];
    const keep = (text: unknown) => {
      printed.push(String(text));
      return true;
    };
    const spies = [vi.spyOn(process.stdout, "write"), vi.spyOn(process.stderr, "write")].map((spy) =>
      spy.mockImplementation(keep),
    );
    const methods = ["log", "info", "warn", "error", "debug"] as const;
    const consoles = methods.map((method) => vi.spyOn(console, method).mockImplementation(keep));
    const warnings: string[] = [];
    const warned = (warning: Error) => warnings.push(warning.stack ?? "");
    process.on("warning", warned);
    const odd = ["fakefakefake0001", "fake\nfakefake0001", "fakefäkefake0001", " fakefake0001 "];
    try {
      for (const text of [credentials[secretKey], ...odd]) {
        for (const status of [200, 401, 429, 500]) {
          const headers = { "stripe-notice": `noticed ${text.trim().slice(-4)}` };
          answer = { status, body: refusal("invalid_request_error"), headers };
          await checkCredential(catalog, checks, { secretKey, text });
        }
      }
    } finally {
      process.off("warning", warned);
      for (const spy of [...spies, ...consoles]) spy.mockRestore();
    }
    expect([...printed, ...warnings].join("\n")).not.toMatch(/0001/);
    expect(requests.map(({ url: path }) => path).join(" ")).not.toContain("fake");
  });
});

describe("credential checks of a catalogue", () => {
  const entry = textSecret(z.string(), { label: "x", rule: "x", check: "own" });
  const own = defineCatalog({ OWN: entry });

  test("a product's own check is used under the name that its entry gives", async () => {
    const asked: string[] = [];
    const result = await checkCredential(
      own,
      { own: async (text) => (asked.push(text), "rejected") },
      { secretKey: "OWN", text: "fake-value" },
    );
    expect([result, asked]).toEqual(["rejected", ["fake-value"]]);
  });

  test("a check that fails or hangs is unknown, and its error is discarded", async () => {
    const failing: CredentialChecks = { own: () => Promise.reject(new Error("fake-value")) };
    expect(await checkCredential(own, failing, { secretKey: "OWN", text: "fake-value" })).toBe("unknown");
    const throwing: CredentialChecks = {
      own: () => {
        throw new Error("fake-value");
      },
    };
    expect(await checkCredential(own, throwing, { secretKey: "OWN", text: "fake-value" })).toBe("unknown");
    const endless: CredentialChecks = { own: () => new Promise(() => {}) };
    expect(
      await checkCredential(own, endless, { secretKey: "OWN", text: "x", options: { deadlineMs: 20 } }),
    ).toBe("unknown");
    const stopping = AbortSignal.abort();
    expect(
      await checkCredential(own, endless, { secretKey: "OWN", text: "x", options: { signal: stopping } }),
    ).toBe("unknown");
  });

  test("a check's signal is aborted at the deadline", async () => {
    const reasons: boolean[] = [];
    const listening: CredentialChecks = {
      own: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            reasons.push(signal.aborted);
            reject(new Error("late"));
          });
        }),
    };
    expect(
      await checkCredential(own, listening, { secretKey: "OWN", text: "x", options: { deadlineMs: 20 } }),
    ).toBe("unknown");
    expect(reasons).toEqual([true]);
  });

  test("a check is refused for a secret without one, and for an unknown secret key", async () => {
    const asking = (secretKey: string) => checkCredential(catalog, checks, { secretKey, text: "fake-value" });
    await expect(asking("CUSTOM_A")).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
    await expect(asking("WEBHOOK_SIGNING_SECRET")).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
    await expect(asking("TWILIO_TOKEN")).rejects.toMatchObject({ code: "UNKNOWN_SECRET_KEY" });
    const inherited = defineCatalog({ OWN: { ...entry, check: "toString" } });
    await expect(checkCredential(inherited, {}, { secretKey: "OWN", text: "x" })).rejects.toMatchObject({
      code: "NOT_SUPPORTED",
    });
  });

  test("a check named by an entry must exist at startup", () => {
    expect(() => requireChecks(catalog, checks)).not.toThrow();
    expect(() => requireChecks(own, checks)).toThrow('names the check "own"');
    expect(() => requireChecks(catalog, {})).toThrow(TypeError);
  });
});
