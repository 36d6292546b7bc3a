import { describe, expect, expectTypeOf, test } from "vitest";
import { createTenantSecretsClient, type OAuthClient } from "../client.ts";
import { notFound, TenantSecretsError } from "../vocabulary/errors.ts";
import { companySecrets, type CompanySecrets, type SecretTransport } from "./company-secrets.ts";
import { deliveryChatCatalog } from "./delivery-chat.ts";

/** Keeps secrets in memory, and the names that it was asked for. */
function inMemory(): SecretTransport & { readonly texts: Map<string, string>; readonly asked: string[] } {
  const texts = new Map<string, string>();
  const asked: string[] = [];
  return {
    texts,
    asked,
    read: async (secretKey) => {
      asked.push(secretKey);
      const text = texts.get(secretKey);
      if (text === undefined) throw notFound();
      return text;
    },
    write: async (secretKey, text, options) => {
      asked.push(secretKey);
      texts.set(secretKey, text);
      return { version: (options.expectedVersion ?? 0) + 1 };
    },
    list: async () => {
      throw new TenantSecretsError("STORE_UNAVAILABLE", "The list is away.");
    },
    remove: async (secretKey) => {
      texts.delete(secretKey);
      return {};
    },
    restore: async () => {
      throw notFound();
    },
  };
}

const google: OAuthClient = { clientId: "fake-client", clientSecret: "fake-secret" };

describe("one company's secrets", () => {
  test("come back as they were set, strings and objects", async () => {
    const transport = inMemory();
    const acme = companySecrets(deliveryChatCatalog, transport);
    expect(
      await acme.set("STRIPE_SECRET_KEY", "sk_test_fake_codewiser_0001", { expectedVersion: 4 }),
    ).toEqual({ version: 5 });
    await acme.set("OAUTH_GOOGLE", google);
    await acme.set("CUSTOM_POS", "anything");
    expect(await acme.get("STRIPE_SECRET_KEY")).toBe("sk_test_fake_codewiser_0001");
    expect(await acme.get("OAUTH_GOOGLE")).toEqual(google);
    expect(await acme.find("CUSTOM_POS")).toBe("anything");
    expect(transport.texts.get("OAUTH_GOOGLE")).toBe(JSON.stringify(google));
  });

  test("are undefined to find, and NOT_FOUND to get, where there is none", async () => {
    const acme = companySecrets(deliveryChatCatalog, inMemory());
    expect(await acme.find("STRIPE_SECRET_KEY")).toBeUndefined();
    await expect(acme.get("STRIPE_SECRET_KEY")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("are never undefined because something else went wrong", async () => {
    const read = async () => {
      throw new TenantSecretsError("INTEGRITY_FAILURE", "Changed.");
    };
    const acme = companySecrets(deliveryChatCatalog, { ...inMemory(), read });
    await expect(acme.find("STRIPE_SECRET_KEY")).rejects.toMatchObject({ code: "INTEGRITY_FAILURE" });
  });

  test("are not asked for, nor sent, under a name or with a value that the catalogue refuses", async () => {
    const transport = inMemory();
    const acme: CompanySecrets<typeof deliveryChatCatalog> = companySecrets(deliveryChatCatalog, transport);
    await expect(acme.get("CUSTOM_")).rejects.toMatchObject({ code: "UNKNOWN_SECRET_KEY" });
    await expect(acme.find("CUSTOM_ä")).rejects.toMatchObject({ code: "UNKNOWN_SECRET_KEY" });
    await expect(acme.set("CUSTOM_", "x")).rejects.toMatchObject({ code: "UNKNOWN_SECRET_KEY" });
    await expect(acme.set("STRIPE_SECRET_KEY", "pk_wrong")).rejects.toMatchObject({ code: "INVALID_VALUE" });
    expect(transport.asked).toEqual([]);
  });
});

// What follows is held by the compiler: it opens nothing, and calls nothing.
const overHttp = createTenantSecretsClient({
  url: "http://127.0.0.1:9",
  credential: "fake",
  catalog: deliveryChatCatalog,
}).company("acme");

describe.for([
  { where: "in process", acme: companySecrets(deliveryChatCatalog, inMemory()) },
  { where: "over HTTP", acme: overHttp },
])("the types $where", ({ acme }) => {
  test("are the catalogue's", () => {
    expectTypeOf(acme).toEqualTypeOf<CompanySecrets<typeof deliveryChatCatalog>>();
    expectTypeOf(() => acme.get("STRIPE_SECRET_KEY")).returns.resolves.toEqualTypeOf<string>();
    expectTypeOf(() => acme.get("CUSTOM_ANYTHING")).returns.resolves.toEqualTypeOf<string>();
    expectTypeOf(() => acme.get("OAUTH_GOOGLE")).returns.resolves.toEqualTypeOf<OAuthClient>();
    expectTypeOf(() => acme.find("OAUTH_GOOGLE")).returns.resolves.toEqualTypeOf<OAuthClient | undefined>();
    expectTypeOf(() => acme.set("OAUTH_GOOGLE", google)).returns.resolves.toEqualTypeOf<{
      readonly version: number;
    }>();
  });

  test("refuse at compile time what the catalogue does not have", () => {
    const never = [
      // @ts-expect-error a misspelt secret key
      () => acme.get("STRIPE_SECRT_KEY"),
      // @ts-expect-error a secret key that only a program knows
      (name: string) => acme.get(name),
      // @ts-expect-error another case
      () => acme.find("stripe_secret_key"),
      // @ts-expect-error a misspelt secret key
      () => acme.set("STRIPE_SECRT_KEY", "sk_test_fake_codewiser_0001"),
      // @ts-expect-error a number for a string
      () => acme.set("STRIPE_SECRET_KEY", 1),
      // @ts-expect-error an object for a string
      () => acme.set("STRIPE_SECRET_KEY", google),
      // @ts-expect-error a string for an object
      () => acme.set("OAUTH_GOOGLE", "text"),
      // @ts-expect-error half an object
      () => acme.set("OAUTH_GOOGLE", { clientId: "fake-client" }),
      // @ts-expect-error more than the object has
      () => acme.set("OAUTH_GOOGLE", { ...google, more: 1 }),
      // @ts-expect-error a misspelt secret key
      () => acme.remove("STRIPE_SECRT_KEY"),
      // @ts-expect-error an option that there is none of
      () => acme.set("CUSTOM_POS", "x", { version: 1 }),
    ];
    expect(never).toHaveLength(11);
  });
});
