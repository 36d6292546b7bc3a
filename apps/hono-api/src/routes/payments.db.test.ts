import { once } from "node:events";
import { createServer } from "node:http";
import { beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { pay, send, withoutRequestId } from "../testing/raw-http.ts";
import {
  companies,
  createBackends,
  operator,
  startApi,
  subdomains,
  type Api,
  type Backends,
} from "../testing/fixture.ts";

let backends: Backends;
let api: Api;
let acmecorp: { readonly apiKey: string; readonly id: string };

beforeAll(async () => {
  backends = await createBackends();
  api = await startApi({ backends });
  acmecorp = await backends.apiKey("acmecorp");
});
beforeEach(() => backends.emulator.faults.clear());

const newest = () => backends.stripe.requests().at(-1);

describe("a payment", () => {
  it.each(subdomains)("of %s is made with its own key", async (subdomain) => {
    const { apiKey: credential } = await backends.apiKey(subdomain);
    const answer = await pay(api.url, { host: `${subdomain}.localhost`, credential });
    expect(answer.status).toBe(201);
    expect(JSON.parse(answer.body)).toEqual({
      id: expect.stringMatching(/^pi_/),
      status: "requires_payment_method",
      amount: 1200,
      currency: "eur",
    });
    expect(newest()).toMatchObject({
      method: "POST",
      path: "/v1/payment_intents",
      authorization: `Bearer ${companies[subdomain].stripeKey}`,
      body: "amount=1200&currency=eur",
    });
  });

  it("goes to the company that the host names, in any case and at any port", async () => {
    const { apiKey: credential } = await backends.apiKey("acmecorp", "another-company");
    for (const [host, subdomain] of [
      ["ACMEcorp.localhost:3000", "acmecorp"],
      ["acmecorp.localhost.", "acmecorp"],
      ["acmecorp.localhost.:3000", "acmecorp"],
      ["another-company.LOCALHOST", "another-company"],
    ] as const) {
      expect((await pay(api.url, { host, credential })).status).toBe(201);
      expect(newest()?.authorization).toBe(`Bearer ${companies[subdomain].stripeKey}`);
    }
  });

  it("carries the client's Idempotency-Key to Stripe, and is refused with one that Stripe would not take", async () => {
    const request = { host: "acmecorp.localhost", credential: acmecorp.apiKey };
    expect((await pay(api.url, { ...request, headers: { "idempotency-key": "order-17" } })).status).toBe(201);
    expect(newest()?.headers["idempotency-key"]).toBe("order-17");
    expect((await pay(api.url, { ...request, headers: { "idempotency-key": "a b" } })).status).toBe(400);
  });

  it.each([
    [{ amount: 12.5, currency: "eur" }],
    [{ amount: 0, currency: "eur" }],
    [{ amount: "1200", currency: "eur" }],
    [{ amount: 1e21, currency: "eur" }],
    [{ amount: 1200, currency: "EURO" }],
    [{ amount: 1200, currency: "eur", company: "codewiser" }],
    [[]],
    [null],
  ])("is refused as %j, and does not reach Stripe", async (payment) => {
    const before = backends.stripe.requests().length;
    const answer = await pay(api.url, { host: "acmecorp.localhost", credential: acmecorp.apiKey }, payment);
    expect(answer.status).toBe(400);
    expect(backends.stripe.requests()).toHaveLength(before);
  });
});

describe("a credential", () => {
  it("opens no other company: the answer is that for a company that does not exist, to the byte", async () => {
    const before = backends.stripe.requests().length;
    const linesBefore = api.lines.length;
    const hosts = ["codewiser.localhost", "another-company.localhost", "nobody-of-that-name.localhost"];
    const answers = await Promise.all(
      hosts.map((host) => pay(api.url, { host, credential: acmecorp.apiKey })),
    );
    expect(new Set(answers.map(withoutRequestId)).size).toBe(1);
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404]);
    expect(answers[0]?.body).toContain('"reason":"NOT_FOUND"');
    const names = answers.map(({ headers }) => Object.keys(headers).join(","));
    expect(new Set(names).size).toBe(1);
    // The log names a company only where it was entered.
    expect(api.lines.slice(linesBefore).join("")).not.toContain('"company"');
    expect(backends.stripe.requests()).toHaveLength(before);
  });

  it("is refused in one text when it is missing, malformed, unknown, expired or revoked", async () => {
    const expired = await backends.expiredApiKey("acmecorp");
    const revoked = await backends.apiKey("acmecorp");
    await backends.secrets.admin.apiKeys.revoke(operator, "acmecorp", revoked.id);
    const unknown = `${acmecorp.apiKey.slice(0, -12)}AAAA${acmecorp.apiKey.slice(-8)}`;
    const credentials = [undefined, "nonsense", unknown, expired, revoked.apiKey];
    const host = "acmecorp.localhost";
    const answers = await Promise.all(
      credentials.map((credential) =>
        pay(api.url, credential === undefined ? { host } : { host, credential }),
      ),
    );
    expect(new Set(answers.map(withoutRequestId)).size).toBe(1);
    expect(answers[0]?.status).toBe(401);
    expect(answers[0]?.body).toContain('"reason":"UNAUTHENTICATED"');
  });

  it("needs a company's host", async () => {
    for (const host of [
      "localhost",
      "acmecorp.localhost..",
      "acmecorp..localhost",
      "acmecorp.example.com",
      "acmecorplocalhost",
      "a.acmecorp.localhost",
      "-.localhost",
    ]) {
      const { status, body } = await pay(api.url, { host, credential: acmecorp.apiKey });
      expect([status, body.includes("INVALID_INPUT")], host).toEqual([400, true]);
    }
  });

  it("is checked on every spelling of the path", async () => {
    for (const path of [
      "/api/%70ayments/create",
      "//api/payments/create",
      "/api/payments/create/",
      "/api/x/../payments/create",
    ]) {
      const headers = { "content-type": "application/json", host: "acmecorp.localhost" };
      const { status } = await send(api.url, {
        method: "POST",
        path,
        headers,
        body: '{"amount":1,"currency":"eur"}',
      });
      expect([401, 404], path).toContain(status);
    }
  });
});

describe("when Stripe", () => {
  it("does not accept the key, the answer says so without Stripe's words, which quote it", async () => {
    const { apiKey: credential } = await backends.apiKey("another-company");
    const caller = await backends.secrets.authenticate({ credential });
    const company = backends.secrets.company("another-company", caller);
    await company.set("STRIPE_SECRET_KEY", "sk_test_fake_revoked_canary");
    const answer = await pay(api.url, { host: "another-company.localhost", credential });
    await company.set("STRIPE_SECRET_KEY", companies["another-company"].stripeKey);
    expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
      502,
      { error: { reason: "PROVIDER_REFUSED" } },
    ]);
    expect(answer.body + api.lines.join("")).not.toMatch(/sk_test|\*\*\*|nary/);
    expect(api.lines.join("")).toContain("StripeAuthenticationError 401");
  });

  it("is unavailable, the response says when to retry", async () => {
    const elsewhere = await startApi({
      backends: { ...backends, stripe: { ...backends.stripe, url: "http://127.0.0.1:1" } },
    });
    const answer = await pay(elsewhere.url, { host: "acmecorp.localhost", credential: acmecorp.apiKey });
    expect([answer.status, answer.headers["retry-after"]]).toEqual([502, "1"]);
    expect(answer.body).toContain("PROVIDER_UNAVAILABLE");
  });
});

it.each(['"no"', "null", "7", "[]"])("an answer of %s in Stripe's place ends no process", async (body) => {
  const server = createServer((_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = z.object({ port: z.int() }).parse(server.address());
  const stripe = { ...backends.stripe, url: `http://127.0.0.1:${port}` };
  const odd = await startApi({ backends: { ...backends, stripe } });
  const answer = await pay(odd.url, { host: "acmecorp.localhost", credential: acmecorp.apiKey });
  expect([answer.status, JSON.parse(answer.body)]).toMatchObject([
    502,
    { error: { reason: "PROVIDER_UNAVAILABLE" } },
  ]);
});

it("logs who asked, where and how it ended, and nothing that was sent", async () => {
  const before = api.lines.length;
  await pay(api.url, {
    host: "acmecorp.localhost",
    credential: acmecorp.apiKey,
    headers: { "x-note": "a-canary" },
  });
  await send(api.url, { path: "/a-canary?a-canary=1" });
  const lines = api.lines.slice(before).map((line): unknown => JSON.parse(line));
  const line = (fields: object) => ({
    level: "info",
    time: expect.any(String),
    msg: "request",
    requestId: expect.any(String),
    durationMs: expect.any(Number),
    ...fields,
  });
  expect(lines).toEqual([
    line({
      method: "POST",
      route: "/api/payments/create",
      status: 201,
      company: "acmecorp",
      actor: "service",
    }),
    {
      level: "info",
      time: expect.any(String),
      msg: "refused",
      requestId: expect.any(String),
      code: "NOT_FOUND",
    },
    line({ method: "GET", route: "/*", status: 404 }),
  ]);
});
