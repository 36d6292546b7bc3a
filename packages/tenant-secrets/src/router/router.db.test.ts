import { TRPCError, type AnyProcedure } from "@trpc/server";
import { beforeAll, describe, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { verbs } from "@repo/catalog";
import { createTenantSecretsClient } from "../client.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { inProcessFetch } from "./handler.ts";
import { appRouter, createCaller } from "./router.ts";
import { serverCaller } from "./server-caller.ts";
import { createCallerContext, createContext } from "./trpc.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const send = inProcessFetch(secrets);
let mine = "";
let theirs = "";
let apiKey = "";

beforeAll(async () => {
  [mine, theirs] = [await fixture.company("database"), await fixture.company("database")];
  for (const subdomain of [mine, theirs]) {
    await secrets
      .company(subdomain, product)
      .set("STRIPE_SECRET_KEY", `sk_test_fake_${subdomain.replace("-", "_")}_0001`);
  }
  const expiresAt = new Date(Date.now() + 3_600_000);
  const key = { name: "k", companies: [mine], platform: false, secretKeys: ["*"], expiresAt } as const;
  ({ apiKey } = await secrets.apiKeys.create(operator, {
    ...key,
    verbs: ["use", "describe", "write", "delete"],
  }));
});

async function post(
  path: string,
  body: string,
  credential = apiKey,
): Promise<{ status: number; text: string }> {
  const headers = { authorization: `Bearer ${credential}`, "content-type": "application/json" };
  const response = await send(`http://in-process/trpc/${path}`, { method: "POST", headers, body });
  return { status: response.status, text: await response.text() };
}

const input = (fields: object) => JSON.stringify({ json: fields });

/** tRPC's type follows the nesting of routers, while its value is flat, by path. */
function byPath(procedures: object): Record<string, AnyProcedure> {
  return procedures as Record<string, AnyProcedure>;
}

describe("every procedure", () => {
  /** Their services limit how often an address may call them. */
  const forVisitors: ReadonlySet<string> = new Set(["invitations.look", "invitations.accept"]);
  const procedures = Object.entries(byPath(appRouter._def.procedures)).filter(
    ([path]) => !forVisitors.has(path),
  );

  test("every procedure declares its verb and its output", () => {
    expect(procedures.length).toBeGreaterThanOrEqual(10);
    for (const [path, procedure] of procedures) {
      expect(verbs, path).toContain(Reflect.get(Object(procedure._def.meta), "verb"));
      expect("output" in procedure._def && procedure._def.output, path).toBeTruthy();
    }
  });

  test("every procedure refuses a request without a credential", async () => {
    for (const [path, procedure] of procedures) {
      const context = createContext(secrets, {});
      const call: unknown = path
        .split(".")
        .reduce<unknown>((node, part) => Reflect.get(Object(node), part), createCaller(context));
      if (typeof call !== "function") throw new Error(`${path} is not callable`);
      await expect(Promise.resolve(call({})), `${path} ${procedure._def.type}`).rejects.toMatchObject({
        code: "UNAUTHORIZED",
      });
    }
  });
});

describe("errors of procedures", () => {
  test("errors for another company's secret and for an absent company are the same bytes", async () => {
    const answers = await Promise.all(
      [theirs, "nobody"].map((company) =>
        post("secrets.read", input({ company, secretKey: "STRIPE_SECRET_KEY" })),
      ),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.status).toBe(404);
    const missing = await post("secrets.read", input({ company: mine, secretKey: "SENDGRID_API_KEY" }));
    expect(missing).toEqual(answers[0]);
  });

  test("errors have our own code, and a conflict has the current version", async () => {
    const write = { company: mine, secretKey: "CUSTOM_KEY", value: "x", expectedVersion: 7 };
    const { status, text } = await post("secrets.write", input(write));
    expect(status).toBe(409);
    expect(JSON.parse(text)).toMatchObject({
      error: { json: { data: { reason: "CONFLICT", currentVersion: 0 } } },
    });
  });

  test.each([
    ["malformed JSON", "secrets.write", '{"json":{"value":"CANARY-7f3a'],
    [
      "an input of the wrong form",
      "secrets.write",
      input({ company: "CANARY-7f3a", secretKey: { "CANARY-7f3a": 1 }, value: 7 }),
    ],
    [
      "an unknown field",
      "secrets.read",
      input({ company: "acme", secretKey: "X", "CANARY-7f3a": "CANARY-7f3a" }),
    ],
    [
      "a refused value",
      "secrets.write",
      input({ company: "company-1", secretKey: "STRIPE_SECRET_KEY", value: "CANARY-7f3a" }),
    ],
    ["an unknown procedure", "CANARY-7f3a", "{}"],
    ["not an object", "secrets.read", "[]"],
  ])("never quote what was sent: %s", async (_, path, body) => {
    const { status, text } = await post(path, body);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(text.replaceAll('"path":"CANARY-7f3a"', "")).not.toContain("CANARY-7f3a");
    expect(text).not.toMatch(/stack|node_modules/);
  });

  test("errors of the database become a fixed message", async () => {
    await superuser`alter table company_secrets rename column origin to origin_away`;
    try {
      const write = { company: mine, secretKey: "CUSTOM_KEY", value: "CANARY-7f3a" };
      const { status, text } = await post("secrets.write", input(write));
      expect(status).toBe(500);
      expect(text).not.toMatch(/CANARY|origin|column|select|insert/i);
      expect(text).toContain("Tell an operator");
      await expect(secrets.company(mine, product).set("CUSTOM_KEY", "CANARY-7f3a")).rejects.toMatchObject({
        code: "INTERNAL",
        diagnosis: expect.stringContaining("42703"),
      });
    } finally {
      await superuser`alter table company_secrets rename column origin_away to origin`;
    }
  });

  test("errors in process are TRPCErrors caused by ours, and the server's caller throws our error itself", async () => {
    const call = createCaller(createCallerContext(secrets, product)).secrets.read({
      company: "nobody",
      secretKey: "X",
    });
    await expect(call).rejects.toBeInstanceOf(TRPCError);
    await expect(call).rejects.toMatchObject({ code: "NOT_FOUND", cause: { code: "NOT_FOUND" } });
    const caller = serverCaller(secrets, await fixture.scope(mine));
    expect(await codeOf(caller.get("SENDGRID_API_KEY"))).toBe("NOT_FOUND");
  });
});

describe("batches of calls", () => {
  test("a batch of more than 10 calls is refused as a whole, with a small answer", async () => {
    for (const size of [11, 5000]) {
      const path = Array.from({ length: size }, () => "secrets.list").join(",");
      const { status, text } = await post(`${path}?batch=1`, "{}");
      expect(status).toBe(400);
      expect(text.length).toBeLessThan(500);
    }
  });

  test("a batch answers each call separately, and authenticates once", async () => {
    const calls = {
      0: { json: { company: mine, secretKey: "STRIPE_SECRET_KEY" } },
      1: { json: { company: theirs, secretKey: "X" } },
    };
    const { status, text } = await post("secrets.read,secrets.read?batch=1", JSON.stringify(calls));
    expect(status).toBe(207);
    expect(JSON.parse(text)).toMatchObject([
      { result: { data: { json: { version: 1 } } } },
      { error: { json: { data: { reason: "NOT_FOUND" } } } },
    ]);
  });
});

describe("the typed client", () => {
  const client = (credential = apiKey) =>
    createTenantSecretsClient({
      url: "http://in-process/",
      credential,
      catalog: deliveryChatCatalog,
      fetch: send,
    });

  test("the typed client supports every operation of the in-process handle", async () => {
    const acme = client().company(mine);
    expect(
      await acme.set("OAUTH_GOOGLE", { clientId: "id", clientSecret: "fake" }, { expectedVersion: 0 }),
    ).toEqual({ version: 1 });
    expect((await acme.get("OAUTH_GOOGLE")).clientId).toBe("id");
    expect(await acme.find("OAUTH_GITHUB")).toBeUndefined();
    const list = await acme.list();
    expect(list.secrets.find(({ secretKey }) => secretKey === "OAUTH_GOOGLE")?.updatedAt).toBeInstanceOf(
      Date,
    );
    expect((await acme.remove("OAUTH_GOOGLE")).recoverUntil).toBeInstanceOf(Date);
    await expect(
      acme.set("OAUTH_GOOGLE", { clientId: "id", clientSecret: "fake" }, { expectedVersion: 4 }),
    ).rejects.toMatchObject({
      name: "TenantSecretsError",
      code: "CONFLICT",
      currentVersion: 0,
    });
  });

  test("the typed client reports UNAUTHENTICATED for a bad credential and STORE_UNAVAILABLE without an API", async () => {
    expect(await codeOf(client("nonsense").company(mine).get("STRIPE_SECRET_KEY"))).toBe("UNAUTHENTICATED");
    const nobody = createTenantSecretsClient({
      url: "http://127.0.0.1:1",
      credential: apiKey,
      catalog: deliveryChatCatalog,
    });
    expect(await codeOf(nobody.company(mine).get("STRIPE_SECRET_KEY"))).toBe("STORE_UNAVAILABLE");
    const web = createTenantSecretsClient({
      url: "http://in-process",
      credential: apiKey,
      catalog: deliveryChatCatalog,
      fetch: () => Promise.resolve(new Response("<html>", { status: 200 })),
    });
    expect(await codeOf(web.company(mine).get("STRIPE_SECRET_KEY"))).toBe("STORE_UNAVAILABLE");
  });
});
