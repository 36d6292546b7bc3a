import { deliveryChatCatalog } from "@repo/delivery-chat";
import {
  type CatalogEntry,
  defineCatalog,
  githubWebhookSecret,
  stripeSecretKey,
  textSecret,
} from "@repo/catalog";
import { z } from "zod";
import { expect, test } from "vitest";
import { createFixture, product } from "../testing/fixture.ts";
import { createCaller } from "../router/router.ts";
import { createCallerContext } from "../router/trpc.ts";

const fixture = await createFixture();
const { secrets } = fixture;
const secretKey = "WEBHOOK_SIGNING_SECRET";
const { generate } = createCaller(createCallerContext(secrets, product)).secrets;
const valueIn = (company: string) => secrets.company(company, product).get(secretKey);

test.each(["database", "hybrid", "infisical"] as const)(
  "a generated Standard Webhooks secret has 32 random bytes and is in no answer, in the %s store",
  async (store) => {
    const company = await fixture.company(store);
    const answer = await generate({ company, secretKey });
    expect(Object.keys(answer)).toEqual(["version"]);
    const first = await valueIn(company);
    expect(first).toMatch(/^whsec_/);
    expect(Buffer.from(first.slice(6), "base64")).toHaveLength(32);
    expect(new Set(Buffer.from(first.slice(6), "base64")).size).toBeGreaterThan(10);
    await generate({ company, secretKey });
    expect(await valueIn(company)).not.toBe(first);
  },
);

test("a retry of a generation answers the same version and keeps the value; a write with its request id is refused", async () => {
  const company = await fixture.company("database");
  const asked = { company, secretKey, requestId: "r-generate", expectedVersion: 0 };
  expect(await generate(asked)).toEqual({ version: 1 });
  const value = await valueIn(company);
  expect(await generate(asked)).toEqual({ version: 1 });
  expect(await valueIn(company)).toBe(value);
  const set = { requestId: "r-generate", expectedVersion: 0 };
  await expect(
    secrets.company(company, product).set(secretKey, `whsec_${"A".repeat(32)}`, set),
  ).rejects.toMatchObject({ code: "CONFLICT" });
});

test("a generated value replaces the current one as a written one does, with its grace window", async () => {
  const company = await fixture.company("database");
  await generate({ company, secretKey });
  const first = await valueIn(company);
  await generate({ company, secretKey, graceSeconds: 3600, note: "rotated" });
  const scope = await fixture.scope(company);
  const active = await secrets.vault.readActive(scope, { secretKey });
  expect(active.map(({ version }) => version)).toEqual([2, 1]);
  expect(active[1]?.value).toBe(first);
});

test("a secret that its provider makes is NOT_SUPPORTED, and an unknown one UNKNOWN_SECRET_KEY", async () => {
  const company = await fixture.company("database");
  for (const [key, reason] of [
    ["STRIPE_SECRET_KEY", "NOT_SUPPORTED"],
    ["CUSTOM_A", "NOT_SUPPORTED"],
    ["NO_SUCH_KEY", "UNKNOWN_SECRET_KEY"],
  ] as const) {
    await expect(generate({ company, secretKey: key }), key).rejects.toMatchObject({
      cause: { code: reason },
    });
  }
  expect((await secrets.company(company, product).list()).secrets).toEqual([]);
});

test("a catalogue whose entry refuses what its scheme makes is refused at startup", () => {
  const { entries } = deliveryChatCatalog;
  const assembleWith = (entry: CatalogEntry<string>) =>
    fixture.another({ catalog: defineCatalog({ ...entries, WEBHOOK_SIGNING_SECRET: entry }) });
  expect(() => assembleWith(githubWebhookSecret)).not.toThrow();
  expect(() => assembleWith({ ...stripeSecretKey, generates: "random-token" })).toThrow(
    'The entry of WEBHOOK_SIGNING_SECRET does not take a value of the scheme "random-token"',
  );
  const short = textSecret(z.string().max(8), { label: "Pin", rule: "is short", generates: "random-token" });
  expect(() => assembleWith(short)).toThrow("WEBHOOK_SIGNING_SECRET");
});
