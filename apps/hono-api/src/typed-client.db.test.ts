import { deliveryChatCatalog } from "@repo/delivery-chat";
import { createTenantSecretsClient, errorOfAnswer, TenantSecretsError } from "@repo/tenant-secrets/client";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { send, sendJson, type Answer } from "./testing/raw-http.ts";
import {
  companies,
  createBackends,
  startApi,
  subdomains,
  type Api,
  type Backends,
} from "./testing/fixture.ts";

let backends: Backends;
let api: Api;
let credential: string;

beforeAll(async () => {
  backends = await createBackends();
  api = await startApi({ backends });
  ({ apiKey: credential } = await backends.apiKey(...subdomains));
});
beforeEach(() => backends.emulator.faults.clear());

const client = (as = credential) =>
  createTenantSecretsClient({ url: api.url, credential: as, catalog: deliveryChatCatalog });

async function failureOf(call: Promise<unknown>): Promise<TenantSecretsError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TenantSecretsError) return error;
  throw new Error("did not fail with a TenantSecretsError", { cause: error });
}

describe("the typed client over HTTP", () => {
  it.each(subdomains)("reads, writes, lists and removes the secrets of %s", async (subdomain) => {
    const company = client().company(subdomain);
    const stripeKey: string = await company.get("STRIPE_SECRET_KEY");
    expect(stripeKey).toBe(companies[subdomain].stripeKey);

    const google = { clientId: "fake-client", clientSecret: "fake-secret" };
    await company.set("OAUTH_GOOGLE", google);
    const { clientId, clientSecret }: { clientId: string; clientSecret: string } =
      await company.get("OAUTH_GOOGLE");
    expect({ clientId, clientSecret }).toEqual(google);

    const { secrets } = await company.list();
    expect(secrets.map(({ secretKey }) => secretKey).toSorted()).toEqual([
      "OAUTH_GOOGLE",
      "STRIPE_SECRET_KEY",
    ]);
    expect(secrets[0]?.updatedAt).toBeInstanceOf(Date);
    expect(JSON.stringify(secrets)).not.toContain("fake-secret");

    await company.remove("OAUTH_GOOGLE");
    expect(await company.find("OAUTH_GOOGLE")).toBeUndefined();
  });

  it("learns of a conflict which version there is", async () => {
    const company = client().company("another-company");
    await company.set("CUSTOM_PAIR", "one");
    const { version } = await company.set("CUSTOM_PAIR", "two", { expectedVersion: 1 });
    const error = await failureOf(company.set("CUSTOM_PAIR", "three", { expectedVersion: 1 }));
    expect([error.code, error.currentVersion]).toEqual(["CONFLICT", version]);
    expect(await company.get("CUSTOM_PAIR")).toBe("two");
  });

  it("is told which secret key was meant", async () => {
    const body = { json: { company: "acmecorp", secretKey: "STRIPE_SECRET_KY" } };
    const answer = await sendJson(api.url, {
      path: "/trpc/secrets.read",
      body,
      headers: {
        authorization: `Bearer ${credential}`,
      },
    });
    expect([answer.status, answer.body]).toEqual([
      400,
      expect.stringContaining("did you mean STRIPE_SECRET_KEY?"),
    ]);
    expect(answer.body).toContain('"reason":"UNKNOWN_SECRET_KEY"');
  });

  it("hears of a foreign company what it hears of none", async () => {
    const { apiKey } = await backends.apiKey("acmecorp");
    const [foreign, none] = await Promise.all(
      ["codewiser", "nobody"].map((subdomain) =>
        failureOf(client(apiKey).company(subdomain).get("STRIPE_SECRET_KEY")),
      ),
    );
    const heard = (error?: TenantSecretsError) => [
      error?.code,
      error?.message,
      error?.retryAfterMs,
      error?.diagnosis,
    ];
    expect(heard(foreign)).toEqual(heard(none));
    expect(foreign?.code).toBe("NOT_FOUND");
  });

  it("hears why a request was refused before a procedure saw it", async () => {
    const large = { company: "another-company", secretKey: "CUSTOM_LARGE", value: "a".repeat(600_000) };
    const answer: unknown = await client()
      .trpc.secrets.write.mutate(large)
      .catch((error: unknown) => error);
    expect(errorOfAnswer(answer)).toMatchObject({
      code: "INVALID_INPUT",
      message: "The body is larger than 524288 bytes: send less at once.",
    });
  });

  it("writes ten values at once that together are more than a request may hold", async () => {
    const company = client().company("another-company");
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => company.set(`CUSTOM_LARGE_${i}`, "a".repeat(65_536))),
    );
    expect(await company.get("CUSTOM_LARGE_9")).toHaveLength(65_536);
  });

  it("hears when to come back, and so do those who read headers", async () => {
    const busy = {
      kind: "answer",
      status: 429,
      headers: { "retry-after": "7" },
      body: { message: "slow down" },
    } as const;
    // A process of its own: it asks Infisical for nothing until that time is over.
    const { url } = await startApi({ backends });
    const theirs = createTenantSecretsClient({ url, credential, catalog: deliveryChatCatalog });
    await theirs.company("another-company").get("STRIPE_SECRET_KEY");
    backends.emulator.faults.add(busy, { times: 20, path: /secrets/ });
    const error = await failureOf(theirs.company("codewiser").get("STRIPE_SECRET_KEY"));
    expect(error.code).toBe("STORE_UNAVAILABLE");
    const body = { json: { company: "codewiser", secretKey: "STRIPE_SECRET_KEY" } };
    const answer = await sendJson(url, {
      path: "/trpc/secrets.read",
      body,
      headers: {
        authorization: `Bearer ${credential}`,
      },
    });
    backends.emulator.faults.clear();
    expect(answer.status).toBe(503);
    expect(Number(answer.headers["retry-after"])).toBe(
      Math.ceil(Number(/"retryAfterMs":(\d+)/.exec(answer.body)?.[1]) / 1000),
    );
  });
});

describe("a batch", () => {
  const list = (calls: number) => {
    const input = Object.fromEntries(
      Array.from({ length: calls }, (_, i) => [i, { json: { company: "acmecorp" } }]),
    );
    const names = Array.from({ length: calls }, () => "secrets.list").join(",");
    const path = `/trpc/${names}?batch=1&input=${encodeURIComponent(JSON.stringify(input))}`;
    return send(api.url, { path, headers: { authorization: `Bearer ${credential}` } });
  };

  it("of 10 calls is answered, one of 11 is refused", async () => {
    const ten = await list(10);
    expect([ten.status, JSON.parse(ten.body)]).toEqual([200, expect.objectContaining({ length: 10 })]);
    const eleven = await list(11);
    expect([eleven.status, eleven.body.length < 500]).toEqual([400, true]);
    expect(eleven.body).toContain(`"requestId":"${String(eleven.headers["x-request-id"])}"`);
  });

  it("answers each call by itself when one of them fails", async () => {
    const acmecorp = client().company("acmecorp");
    const answers = await Promise.allSettled([
      acmecorp.get("STRIPE_SECRET_KEY"),
      client().company("nobody").get("STRIPE_SECRET_KEY"),
      acmecorp.find("CUSTOM_NONE"),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

it("refuses unknown fields in a procedure's input, and takes none from `__proto__`, nor puts any there", async () => {
  for (const input of [
    '{"json":{"company":"acmecorp","secretKey":"CUSTOM_A","__proto__":{"value":"a"}}}',
    '{"json":{"company":"acmecorp","secretKey":"CUSTOM_A","value":"a","admin":true}}',
    '{"json":{"company":"acmecorp","secretKey":"__proto__","value":"a"}}',
    '{"json":{"company":"acmecorp","secretKey":"CUSTOM_A","value":"a"},"meta":{"values":{"__proto__.polluted":["Date"]}}}',
  ]) {
    const answer = await sendJson(api.url, {
      path: "/trpc/secrets.write",
      body: input,
      headers: {
        authorization: `Bearer ${credential}`,
      },
    });
    expect([answer.status, input], answer.body).toEqual([400, input]);
  }
  expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
});

it("the API is ready while all servers are, and degraded while only Infisical is unavailable", async () => {
  const ready = await send(api.url, { path: "/readyz" });
  expect([ready.status, JSON.parse(ready.body)]).toEqual([
    200,
    {
      status: "ready",
      checks: {
        database: "ok",
        maintenance: "ok",
        masterKey: "ok",
        infisical: "ok",
        notifications: "ok",
        regions: "ok",
      },
    },
  ]);
  const fresh = await startApi({ backends });
  backends.emulator.faults.add({ kind: "answer", status: 503 }, { times: 100 });
  const before = backends.emulator.requests().length;
  const looks: Answer[] = [];
  for (let i = 0; i < 20; i++) looks.push(await send(fresh.url, { path: "/readyz" }));
  expect(new Set(looks.map(({ status, body }) => `${status} ${body}`))).toEqual(
    new Set([
      `200 {"status":"degraded","checks":{"database":"ok","maintenance":"ok","masterKey":"ok","infisical":"Infisical failed to handle the request; try again, then look at its log","notifications":"ok","regions":"ok"}}`,
    ]),
  );
  // One look of a few calls, however many probes.
  expect(backends.emulator.requests().length - before).toBeLessThan(10);
  expect(await client().company("another-company").get("STRIPE_SECRET_KEY")).toBe(
    "sk_test_fake_another_0003",
  );
});
