import { createHmac } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { CredentialRejected, defineCatalog, textSecret } from "@repo/catalog";
import { createTenantSecretsClient } from "../client.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import type { WebhookVerifier } from "../providers/webhook-verification.ts";
import { inProcessFetch } from "../router/handler.ts";
import { assembleTenantSecrets } from "../assemble.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
let apiKey = "";
let here = "";

beforeAll(async () => {
  here = await fixture.company("database");
  ({ apiKey } = await secrets.apiKeys.create(operator, {
    name: "k",
    companies: [here],
    platform: false,
    secretKeys: ["*"],
    verbs: ["use"],
    expiresAt: new Date(Date.now() + 3_600_000),
  }));
});

const ways = {
  "in process": () => secrets.company(here, product),
  "over HTTP": () =>
    createTenantSecretsClient({
      url: "http://in-process",
      credential: apiKey,
      catalog: deliveryChatCatalog,
      fetch: inProcessFetch(secrets),
    }).company(here),
} as const;

/** A fake provider that accepts some values, and the values that it was sent. */
function provider(...taken: string[]) {
  const sent: string[] = [];
  return {
    sent,
    call: (value: string) => {
      sent.push(value);
      if (!taken.includes(value)) throw new CredentialRejected();
      return `answer to ${value}`;
    },
  };
}

async function checksOf(secretKey: `CUSTOM_${string}`): Promise<(string | undefined)[]> {
  const { versions } = await secrets.company(here, product).history(secretKey);
  return versions.map(({ check }) => check?.result);
}

describe.each(Object.entries(ways))("use %s", (way, company) => {
  const name = (text: string) => `CUSTOM_${text}_${way.replaceAll(" ", "_")}` as const;

  test("use calls the provider once with an accepted value, and stores no check result", async () => {
    const secretKey = name("TAKEN");
    await secrets.company(here, product).set(secretKey, "fake-taken");
    const { sent, call } = provider("fake-taken");
    expect(await company().use(secretKey, call)).toBe("answer to fake-taken");
    expect(sent).toEqual(["fake-taken"]);
    expect(await checksOf(secretKey)).toEqual([undefined]);
  });

  test("use tries a newer version, the pending and then the previous one, each once, and stores the outcomes", async () => {
    const secretKey = name("TRIED");
    const acme = secrets.company(here, product);
    await acme.set(secretKey, "fake-1");
    const sent: string[] = [];
    const call = async (value: string) => {
      sent.push(value);
      if (sent.length === 1) {
        // The value is replaced during the call.
        await acme.set(secretKey, "fake-2");
        await acme.set(secretKey, "fake-3", { graceSeconds: 3600 });
        await acme.stage(secretKey, "fake-4");
      }
      if (value !== "fake-2") throw new CredentialRejected();
      return value;
    };
    expect(await company().use(secretKey, call)).toBe("fake-2");
    expect(sent).toEqual(["fake-1", "fake-3", "fake-4", "fake-2"]);
    expect(await checksOf(secretKey)).toEqual(["rejected", "rejected", "accepted", "rejected"]);
  });

  test("use tries neither a previous version after its grace window nor the same value twice", async () => {
    const secretKey = name("OVER");
    const acme = secrets.company(here, product);
    await acme.set(secretKey, "fake-old");
    await acme.set(secretKey, "fake-new");
    await acme.stage(secretKey, "fake-new");
    const { sent, call } = provider("fake-old");
    await expect(company().use(secretKey, call)).rejects.toBeInstanceOf(CredentialRejected);
    expect(sent).toEqual(["fake-new"]);
    expect(await checksOf(secretKey)).toEqual([undefined, "rejected", undefined]);
  });

  test("use rethrows any other error unchanged, and tries no further version", async () => {
    const secretKey = name("OTHER");
    await secrets.company(here, product).set(secretKey, "fake-other", {});
    const outage = new Error("503");
    let calls = 0;
    const used = company().use(secretKey, () => {
      calls += 1;
      throw outage;
    });
    await expect(used).rejects.toBe(outage);
    expect([calls, await checksOf(secretKey)]).toEqual([1, [undefined]]);
  });

  test("useBytes zeroes its bytes whether the call succeeds or fails", async () => {
    const secretKey = name("BYTES");
    await secrets.company(here, product).set(secretKey, "fake-bytes");
    const cache: Uint8Array[] = [];
    const seen: string[] = [];
    const call = (fail: boolean) => (bytes: Uint8Array) => {
      seen.push(new TextDecoder().decode(bytes));
      cache.push(bytes);
      if (fail) throw new CredentialRejected();
    };
    await company().useBytes(secretKey, call(false));
    await codeOf(company().useBytes(secretKey, call(true)));
    expect(seen).toEqual(["fake-bytes", "fake-bytes"]);
    expect(cache.map((bytes) => bytes.every((byte) => byte === 0))).toEqual([true, true]);
  });
});

test("a successful call stays successful if its outcome cannot be stored", async () => {
  const there = await fixture.company("infisical");
  const acme = secrets.company(there, product);
  await acme.set("CUSTOM_A", "fake-one");
  const sent: string[] = [];
  const used = acme.use("CUSTOM_A", async (value) => {
    sent.push(value);
    if (value === "fake-two") return "done";
    await acme.set("CUSTOM_A", "fake-two");
    throw new CredentialRejected();
  });
  expect(await used).toBe("done");
  expect(sent).toEqual(["fake-one", "fake-two"]);
});

test("a rejected backfilled value is fetched from Infisical again, even if it was fetched just before", async () => {
  const there = await fixture.company("hybrid");
  const acme = secrets.company(there, product);
  await fixture.infisical.putSecret(`/tenants/${there}`, "CUSTOM_A", "fake-one");
  expect(await acme.get("CUSTOM_A")).toBe("fake-one");
  await fixture.infisical.putSecret(`/tenants/${there}`, "CUSTOM_A", "fake-two");
  expect(await acme.get("CUSTOM_A")).toBe("fake-one");
  const { sent, call } = provider("fake-two");
  expect(await codeOf(acme.use("CUSTOM_A", call))).toBe("no error");
  expect(sent).toEqual(["fake-one", "fake-two"]);
});

test("a permanently rejected credential is recorded once a minute per version, while each of its reads is audited", async () => {
  const acme = secrets.company(here, product);
  await acme.set("CUSTOM_REFUSED", "fake-refused");
  await acme.set("CUSTOM_REFUSED", "fake-also", { graceSeconds: 60 });
  for (let i = 0; i < 3; i++) await codeOf(acme.use("CUSTOM_REFUSED", provider().call));
  await secrets.flush();
  const rows = await superuser`select action, version, sum(count)::int as count from audit_events
    where secret_key = 'CUSTOM_REFUSED' and action in ('secret.read', 'secret.check') group by 1, 2 order by 1, 2`;
  expect(rows.map((row) => Object.values(row))).toEqual([
    ["secret.check", 1, 1],
    ["secret.check", 2, 1],
    ["secret.read", 1, 3],
    ["secret.read", 2, 6],
  ]);
});

test("a program's read updates the secret's last use", async () => {
  const acme = secrets.company(here, product);
  await acme.set("CUSTOM_USED", "fake-used");
  await acme.set("CUSTOM_UNUSED", "fake-unused");
  await acme.get("CUSTOM_USED");
  await expect
    .poll(
      async () => {
        const { secrets: inCatalog } = await acme.list();
        return ["CUSTOM_USED", "CUSTOM_UNUSED"].map((secretKey) =>
          inCatalog.some((each) => each.secretKey === secretKey && each.lastUsedAt !== undefined),
        );
      },
      { timeout: 60_000, interval: 200 },
    )
    .toEqual([true, false]);
});

describe("verifying a webhook", () => {
  const body = Buffer.from('{"type":"payment_intent.succeeded"}');
  const signed = (secret: string) => {
    const timestamp = Math.floor(Date.now() / 1000);
    const mac = createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
    return { headers: new Headers({ "stripe-signature": `t=${timestamp},v1=${mac}` }), body };
  };
  const [old, current, next] = ["old", "current", "next"].map((name) => `whsec_fake_codewiser_${name}_0001`);

  test("a webhook is accepted under every active version, including those in overlapping grace windows, and no other", async () => {
    const acme = secrets.company(here, product);
    if (old === undefined || current === undefined || next === undefined) throw new Error("three secrets");
    await acme.set("STRIPE_WEBHOOK_SECRET", old);
    await acme.set("STRIPE_WEBHOOK_SECRET", current, { graceSeconds: 3600 });
    await acme.stage("STRIPE_WEBHOOK_SECRET", next);
    for (const [secret, version] of [
      [old, 1],
      [current, 2],
      [next, 3],
    ] as const) {
      expect(await acme.verifyWebhook("STRIPE_WEBHOOK_SECRET", signed(secret))).toEqual({ version });
    }
    const forged = signed("whsec_fake_somebody_else_0001");
    expect(await codeOf(acme.verifyWebhook("STRIPE_WEBHOOK_SECRET", forged))).toBe("UNAUTHENTICATED");
    // Writing the same value again, as a repeated command does, must not end the grace window of the earlier version.
    expect(await acme.set("STRIPE_WEBHOOK_SECRET", current)).toEqual({ version: 4 });
    expect(await acme.verifyWebhook("STRIPE_WEBHOOK_SECRET", signed(old))).toEqual({ version: 1 });
    await acme.set("STRIPE_WEBHOOK_SECRET", current, { endGrace: true });
    await acme.discard("STRIPE_WEBHOOK_SECRET");
    for (const secret of [old, next]) {
      expect(await codeOf(acme.verifyWebhook("STRIPE_WEBHOOK_SECRET", signed(secret)))).toBe(
        "UNAUTHENTICATED",
      );
    }
    await secrets.flush();
    const rows =
      await superuser`select concat_ws(' ', outcome, reason, version, sum(count)) as text from audit_events
      where secret_key = 'STRIPE_WEBHOOK_SECRET' and action = 'secret.read' group by outcome, reason, version`;
    expect(rows.map((row) => String(row["text"])).toSorted()).toEqual([
      "failed UNAUTHENTICATED 3",
      "success 1 2",
      "success 2 1",
      "success 3 1",
    ]);
  });

  test("a product's own signature scheme is verified by the verifier that the catalogue names", async () => {
    const catalog = defineCatalog({
      ACME_SECRET: textSecret(z.string(), { label: "Acme", rule: "is text", signatures: "acme" }),
    });
    const { database, infisical } = fixture;
    const parts = { database, infisical, catalog };
    expect(() => assembleTenantSecrets(parts)).toThrow('names the webhook verifier "acme"');
    const acme: WebhookVerifier = ({ headers }, secret) =>
      headers.get("x-acme-token") === secret ? "verified" : "wrong-signature";
    const own = assembleTenantSecrets({ ...parts, verifiers: { acme } }).company(here, product);
    await own.set("ACME_SECRET", "fake-acme-secret-0001");
    const sent = (token: string) => ({ headers: new Headers({ "x-acme-token": token }), body });
    expect(await own.verifyWebhook("ACME_SECRET", sent("fake-acme-secret-0001"))).toEqual({ version: 1 });
    expect(await codeOf(own.verifyWebhook("ACME_SECRET", sent("fake-acme-secret-0002")))).toBe(
      "UNAUTHENTICATED",
    );
  });

  test("a webhook cannot be verified with a secret that has no signature scheme", async () => {
    const acme = secrets.company(here, product);
    expect(await codeOf(acme.verifyWebhook("STRIPE_SECRET_KEY", signed("x")))).toBe("NOT_SUPPORTED");
    const elsewhere = secrets.company(await fixture.company("database"), product);
    expect(await codeOf(elsewhere.verifyWebhook("STRIPE_WEBHOOK_SECRET", signed("x")))).toBe("NOT_FOUND");
  });
});
