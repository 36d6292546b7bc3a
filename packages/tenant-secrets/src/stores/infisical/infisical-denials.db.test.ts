import { setTimeout } from "node:timers/promises";
import { createInfisicalClient, InfisicalError } from "@repo/infisical";
import { startInfisicalEmulator, type InfisicalRight } from "@repo/infisical/emulator";
import { expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import type { RateLimitOptions } from "../../access/rate-limits.ts";
import { codeOf, createFixture, product } from "../../testing/fixture.ts";
import { serverCaller } from "../../router/server-caller.ts";

const fixture = await createFixture();
const { secrets, superuser, infisical, emulator } = fixture;

/** Another process, whose machine identity has these rights and no others. */
async function withRights(rights: readonly InfisicalRight[], limits: RateLimitOptions = {}) {
  const identity = await emulator.addIdentity({ rights });
  const client = createInfisicalClient({ ...emulator, ...identity, environment: "dev" });
  return fixture.another({ infisical: client, limits });
}

async function errorOf(call: Promise<unknown>): Promise<TenantSecretsError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof TenantSecretsError)) throw new Error("no TenantSecretsError", { cause: error });
  return error;
}

const lastOutcomes = async (action: string) =>
  (await superuser`select outcome, reason from audit_events where action = ${action} order by id`)
    .map((row) => `${String(row["outcome"])} ${String(row["reason"])}`)
    .slice(-2);

const looking = ["describeSecret", "readValue"] as const;

test("a write that Infisical denies this service is FORBIDDEN with the missing right, and audited as failed", async () => {
  const subdomain = await fixture.company("infisical");
  await infisical.putSecret(`/tenants/${subdomain}`, "CUSTOM_KEY", "fake-0001");
  const denied = await withRights([{ on: "secrets", actions: looking, path: "/**" }]);
  const acme = denied.company(subdomain, product);

  const edit = await errorOf(acme.set("CUSTOM_KEY", "fake-0002"));
  expect([edit.code, edit.store]).toEqual(["FORBIDDEN", "unchanged"]);
  expect(edit.message).toContain("may not edit secrets below /tenants");
  expect(edit.message).not.toContain(subdomain);
  expect(await lastOutcomes("secret.write")).toEqual(["attempted null", "failed FORBIDDEN"]);

  expect((await errorOf(acme.set("CUSTOM_NEW", "fake-0001"))).message).toContain(
    "may not create secrets below /tenants",
  );
  const removal = await errorOf(acme.remove("CUSTOM_KEY"));
  expect(removal.message).toContain("may not delete secrets below /tenants");
  expect(await lastOutcomes("secret.remove")).toEqual(["attempted null", "failed FORBIDDEN"]);
  expect(await secrets.company(subdomain, product).get("CUSTOM_KEY")).toBe("fake-0001");
});

test("a missing right on /tenants is named, and is no refusal of the caller", async () => {
  const subdomain = await fixture.company("infisical");
  const rights: readonly InfisicalRight[] = [
    { on: "secrets", actions: looking, path: "/hono-api" },
    { on: "secrets", actions: [...looking, "create", "edit", "delete"], path: "/tenants/*" },
    { on: "secret-folders", actions: ["create", "delete"], path: "/tenants/*" },
  ];
  const denied = await withRights(rights, { refusalsPerMinute: 2 });
  const member = await fixture.person(subdomain, "admin");
  const acme = serverCaller(denied, await fixture.scope(subdomain, member));
  for (let i = 0; i < 4; i += 1) {
    const error = await errorOf(acme.set("CUSTOM_KEY", "fake-0001"));
    expect([error.code, error.message]).toEqual([
      "FORBIDDEN",
      expect.stringContaining("may not create folders in /tenants"),
    ]);
  }
});

test("a read that Infisical denies this service names the right", async () => {
  const subdomain = await fixture.company("infisical");
  await infisical.putSecret(`/tenants/${subdomain}`, "CUSTOM_KEY", "fake-0001");
  const denied = await withRights([{ on: "secrets", actions: looking, path: "/hono-api" }]);
  const error = await errorOf(denied.company(subdomain, product).get("CUSTOM_KEY"));
  expect([error.code, error.store]).toEqual(["FORBIDDEN", "unchanged"]);
  expect(error.message).toContain("may not read the values of secrets below /tenants");
  const list = await errorOf(denied.company(subdomain, product).list());
  expect(list.message).toContain("may not list secrets below /tenants");
});

test("a cached value is served while Infisical denies it to this service", async () => {
  const subdomain = await fixture.company("infisical");
  await infisical.putSecret(`/tenants/${subdomain}`, "CUSTOM_KEY", "fake-0001");
  let isDenied = false;
  const findSecret: typeof infisical.findSecret = (...asked) =>
    isDenied ? Promise.reject(new InfisicalError("FORBIDDEN")) : infisical.findSecret(...asked);
  const process = fixture.another({ infisical: { ...infisical, findSecret }, cache: { ttlMs: 1 } });
  const serving = await process.serve(fixture.urls.listener, () => {});
  try {
    const acme = process.company(subdomain, product);
    expect(await acme.get("CUSTOM_KEY")).toBe("fake-0001");
    isDenied = true;
    await setTimeout(20);
    expect(await acme.get("CUSTOM_KEY")).toBe("fake-0001");
  } finally {
    await serving.stop();
  }
});

test("a write that was not made is audited as failed, and one without an answer as unknown", async () => {
  const subdomain = await fixture.company("infisical");
  const failing = (error: InfisicalError) => {
    const putSoleSecret = async (): Promise<never> => {
      throw error;
    };
    const process = fixture.another({ infisical: { ...infisical, putSoleSecret } });
    return errorOf(process.company(subdomain, product).set("CUSTOM_KEY", "fake-0001"));
  };
  const refused = await failing(new InfisicalError("UNAUTHORIZED"));
  expect([refused.code, refused.store]).toEqual(["STORE_UNAVAILABLE", "unchanged"]);
  expect(refused.message).toContain("refuses this service's log-in");
  expect(await lastOutcomes("secret.write")).toEqual(["attempted null", "failed STORE_UNAVAILABLE"]);
  const lost = await failing(new InfisicalError("AMBIGUOUS"));
  expect([lost.code, lost.store]).toEqual(["STORE_UNAVAILABLE", "unknown"]);
  expect(await lastOutcomes("secret.write")).toEqual(["attempted null", "unknown STORE_UNAVAILABLE"]);
});

test("a company that lists all the time reaches its own limit, and other companies read and write on", async () => {
  const limited = await startInfisicalEmulator({ requestsPerMinute: "production" });
  try {
    const client = createInfisicalClient({ ...limited, environment: "dev" });
    const key = await infisical.findSecret("/hono-api", "MASTER_ENCRYPTION_KEY");
    await client.putSecret("/hono-api", "MASTER_ENCRYPTION_KEY", key?.value ?? "");
    const process = fixture.another({ infisical: client });
    const [busy, quiet] = [await fixture.company("infisical"), await fixture.company("infisical")];
    const codes = new Set<string>();
    for (let i = 0; i < 100; i += 1) codes.add(await codeOf(process.company(busy, product).list()));
    expect(codes).toEqual(new Set(["no error", "RATE_LIMITED"]));
    const acme = process.company(quiet, product);
    await acme.set("CUSTOM_KEY", "fake-0001");
    expect(await acme.get("CUSTOM_KEY")).toBe("fake-0001");
    expect((await acme.list()).secrets).toHaveLength(1);
    expect(await codeOf(process.company(busy, product).set("CUSTOM_KEY", "fake-0001"))).toBe("no error");
  } finally {
    await limited.stop();
  }
});
