import { describe, expect, expectTypeOf, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import {
  callsOf,
  type CompanySecrets,
  companySecrets,
  notFound,
  type SecretTransport,
  type SetResult,
  TenantSecretsError,
  vaultOperations,
} from "@repo/catalog";
import { createTenantSecretsClient } from "./client.ts";
import { type OAuthClient } from "@repo/catalog";

/** Keeps secrets in memory, and the names that it was asked for. */
function inMemory(): SecretTransport & { readonly texts: Map<string, string>; readonly asked: string[] } {
  const texts = new Map<string, string>();
  const asked: string[] = [];
  return {
    ...callsOf(vaultOperations, async () => {
      throw new TenantSecretsError("NOT_SUPPORTED", "Memory cannot do this.");
    }),
    texts,
    asked,
    readMany: async ({ secretKeys }) =>
      secretKeys.flatMap((secretKey) => {
        const value = texts.get(secretKey);
        return value === undefined ? [] : [{ secretKey, value, version: 1 }];
      }),
    writeMany: async ({ writes }) => {
      for (const { secretKey, value } of writes) {
        asked.push(secretKey);
        texts.set(secretKey, value);
      }
      return writes.map(({ secretKey }) => ({ secretKey, version: 1 }));
    },
    read: async ({ secretKey }) => {
      asked.push(secretKey);
      const value = texts.get(secretKey);
      if (value === undefined) throw notFound();
      return { value, version: 1 };
    },
    write: async ({ secretKey, value, expectedVersion = 0 }) => {
      asked.push(secretKey);
      texts.set(secretKey, value);
      return { version: expectedVersion + 1 };
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

  test("are set and got many at once, and what a batch refuses is named, secret by secret", async () => {
    const transport = inMemory();
    const acme = companySecrets(deliveryChatCatalog, transport);
    await acme.setMany({ OAUTH_GOOGLE: google, CUSTOM_POS: "anything" });
    const found = await acme.getMany(["OAUTH_GOOGLE", "CUSTOM_POS", "SENDGRID_API_KEY"]);
    expect(found).toEqual({ OAUTH_GOOGLE: google, CUSTOM_POS: "anything" });
    expectTypeOf(found.OAUTH_GOOGLE).toEqualTypeOf<OAuthClient | undefined>();
    const batch = acme.setMany({ STRIPE_SECRET_KEY: "pk_wrong", CUSTOM_A: "••••", CUSTOM_B: "fine" });
    await expect(batch).rejects.toMatchObject({
      code: "INVALID_VALUE",
      failures: [
        { secretKey: "STRIPE_SECRET_KEY", code: "INVALID_VALUE" },
        { secretKey: "CUSTOM_A", code: "INVALID_VALUE" },
      ],
    });
    expect(transport.asked).toEqual(["OAUTH_GOOGLE", "CUSTOM_POS"]);
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
    expectTypeOf(() => acme.set("OAUTH_GOOGLE", google)).returns.resolves.toEqualTypeOf<SetResult>();
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
      // @ts-expect-error a misspelt secret key in a batch
      () => acme.setMany({ STRIPE_SECRT_KEY: "sk_test_fake_codewiser_0001" }),
      // @ts-expect-error a string for an object in a batch
      () => acme.setMany({ OAUTH_GOOGLE: "text" }),
      // @ts-expect-error an object, and not a string
      () => acme.use("OAUTH_GOOGLE", (value) => value.length),
    ];
    expect(never).toHaveLength(14);
  });
});

test("the client has the fields of a definition, and no other: one that is renamed there does not compile here", () => {
  const { trpc } = createTenantSecretsClient({
    url: "http://127.0.0.1:9",
    credential: "fake",
    catalog: deliveryChatCatalog,
  });
  expectTypeOf(trpc.secrets.setExpiry.mutate).parameter(0).toEqualTypeOf<{
    company: string;
    secretKey: string;
    expiresAt: Date | null;
    reminderDays?: readonly number[] | undefined;
    requestId?: string | undefined;
  }>();
  expectTypeOf(trpc.secrets.read.mutate).returns.resolves.toEqualTypeOf<{
    value: string;
    version: number;
    copy?: { homeRegion: string; ageMs?: number | undefined } | undefined;
    stage?: "pending" | undefined;
  }>();
  expectTypeOf(trpc.keys.status.query).returns.resolves.toHaveProperty("versions");
  expectTypeOf(() => trpc.companies.list.query()).returns.resolves.toHaveProperty("length");
  const never = [
    // @ts-expect-error a field under another name
    () => trpc.secrets.read.mutate({ company: "acme", key: "CUSTOM_A" }),
    // @ts-expect-error no company
    () => trpc.secrets.list.query({}),
    // @ts-expect-error a query, and no mutation
    () => trpc.secrets.list.mutate({ company: "acme" }),
    // @ts-expect-error a procedure that there is none of
    () => trpc.secrets.readAll.mutate({ company: "acme" }),
  ];
  expect(never).toHaveLength(4);
});
