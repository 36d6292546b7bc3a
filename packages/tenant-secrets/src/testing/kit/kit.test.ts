import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { promisify } from "node:util";
import { createOwnDatabase } from "@repo/db/own-server";
import { whenDone } from "@repo/db/testing";
import { defineCatalog, jsonSecret, stripeSecretKey } from "@repo/catalog";
import { describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import { codeOf } from "../fixture.ts";
import { createTestTenantSecrets } from "./index.ts";

const catalog = defineCatalog({
  STRIPE_SECRET_KEY: stripeSecretKey,
  LOGIN: jsonSecret(z.strictObject({ user: z.string() }), { label: "Login", rule: "is {user}" }),
});
const stripeKey = "sk_test_fake_kit_0001";

describe("a test of a product", () => {
  test("has companies with secrets of its own catalogue's types, API keys, and the API", async () => {
    await using kit = await createTestTenantSecrets({ catalog });
    const acme = await kit.createCompany("acmecorp", {
      secrets: { STRIPE_SECRET_KEY: stripeKey, LOGIN: { user: "ada" } },
    });
    await kit.createCompany("codewiser", { secretStore: "infisical", secrets: { LOGIN: { user: "bob" } } });
    const login = await acme.get("LOGIN");
    expectTypeOf(login).toEqualTypeOf<{ user: string }>();
    expect([login, await acme.get("STRIPE_SECRET_KEY")]).toEqual([{ user: "ada" }, stripeKey]);
    const narrow = kit.secrets.company("acmecorp", kit.caller({ verbs: ["use"], secretKeys: ["LOGIN"] }));
    expect(await codeOf(narrow.get("STRIPE_SECRET_KEY"))).toBe("NOT_FOUND");
    expect(await kit.secrets.company("codewiser", kit.caller()).get("LOGIN")).toEqual({ user: "bob" });

    const apiKey = await kit.createApiKey("acmecorp", { verbs: ["use"] });
    const read = (company: string) =>
      kit.secrets.handler(
        new Request("http://kit/api/v1/secrets.read", {
          method: "POST",
          headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
          body: JSON.stringify({ company, secretKey: "LOGIN" }),
        }),
      );
    expect(await (await read("acmecorp")).json()).toEqual({ value: '{"user":"ada"}', version: 1 });
    expect((await read("codewiser")).status).toBe(404);
    await kit.stop();
    await kit.stop();
  });

  test("has 20 instances at once, each with its own companies", async () => {
    const kits = await Promise.all(Array.from({ length: 20 }, () => createTestTenantSecrets({ catalog })));
    try {
      const values = await Promise.all(
        kits.map(async (kit, i) => {
          const company = await kit.createCompany("acmecorp", { secrets: { LOGIN: { user: `user-${i}` } } });
          return (await company.get("LOGIN")).user;
        }),
      );
      expect(values).toEqual(kits.map((_, i) => `user-${i}`));
    } finally {
      await Promise.all(kits.map((kit) => kit.stop()));
    }
  });

  test("sees what its product does while the database is down, and after it", async () => {
    await using kit = await createTestTenantSecrets({ catalog });
    const secrets = { STRIPE_SECRET_KEY: stripeKey, LOGIN: { user: "ada" } };
    // Again and again: what is cached may not depend on when the news of its own write came.
    for (let turn = 1; turn <= 10; turn++) {
      const company = await kit.createCompany(`company-${turn}`, { secrets });
      await company.get("STRIPE_SECRET_KEY");
      await kit.outages.database.begin();
      expect(await company.get("STRIPE_SECRET_KEY")).toBe(stripeKey);
      expect(await codeOf(company.get("LOGIN"))).toBe("DATABASE_UNAVAILABLE");
      await kit.outages.database.end();
      expect(await company.get("LOGIN")).toEqual({ user: "ada" });
      expect((await company.set("LOGIN", { user: "bob" })).version).toBe(2);
    }
  });

  test("may end in the middle of an outage", async () => {
    const kit = await createTestTenantSecrets({ catalog });
    await kit.createCompany("acmecorp", { secrets: { LOGIN: { user: "ada" } } });
    await kit.outages.database.begin();
    expect(await codeOf(kit.stop())).toBe("no error");
  });

  test("sees what its product does while Infisical is down, and after it", async () => {
    await using kit = await createTestTenantSecrets({ catalog });
    const acme = await kit.createCompany("acmecorp", {
      secretStore: "infisical",
      secrets: { LOGIN: { user: "ada" } },
    });
    await kit.outages.infisical.begin();
    expect(await codeOf(acme.get("LOGIN"))).toBe("STORE_UNAVAILABLE");
    await kit.outages.infisical.end();
    expect(await acme.get("LOGIN")).toEqual({ user: "ada" });
  });

  test("has a database of its own if it names one, which stays as it is", async () => {
    const { urls, drop } = await createOwnDatabase();
    whenDone(drop);
    const database = {
      applicationUrl: urls.application,
      maintenanceUrl: urls.maintenance,
      listenerUrl: urls.listener,
    };
    const first = await createTestTenantSecrets({ catalog, database });
    await first.createCompany("acmecorp", { secrets: { LOGIN: { user: "ada" } } });
    expect(await codeOf(first.outages.database.begin())).toBe("NOT_SUPPORTED");
    await first.stop();
    await using second = await createTestTenantSecrets({ catalog, database });
    expect(await second.secrets.company("acmecorp", second.caller()).get("LOGIN")).toEqual({ user: "ada" });
  });
});

const program = (end: string) => `
import { createTestTenantSecrets } from ${JSON.stringify(path.join(import.meta.dirname, "index.ts"))};
import { defineCatalog, stripeSecretKey } from ${JSON.stringify(import.meta.resolve("@repo/catalog"))};
const kit = await createTestTenantSecrets({ catalog: defineCatalog({ STRIPE_SECRET_KEY: stripeSecretKey }) });
await kit.createCompany("acmecorp", { secrets: { STRIPE_SECRET_KEY: ${JSON.stringify(stripeKey)} } });
console.log("ready");
${end}`;

describe("a process with the kit", () => {
  test.each([
    ["stops the kit and ends by itself", "await kit.stop();", undefined],
    ["exits without stopping it", "process.exit(0);", undefined],
    ["is killed", "await new Promise(() => setInterval(() => {}, 1000));", "SIGKILL"],
  ] as const)("leaves no server and no data where it %s", async (_, end, signal) => {
    const folder = mkdtempSync(path.join(tmpdir(), "kit-process-"));
    chmodSync(folder, 0o755);
    whenDone(async () => rmSync(folder, { recursive: true, force: true }));
    const child = spawn(process.execPath, ["--input-type=module", "-e", program(end)], {
      env: { TMPDIR: folder, PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let server = 0;
    for await (const line of createInterface(child.stdout)) {
      expect(line).toBe("ready");
      const [data = ""] = readdirSync(folder);
      server = Number(readFileSync(path.join(folder, data, "cluster/postmaster.pid"), "utf8").split("\n")[0]);
      if (signal !== undefined) child.kill(signal);
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    expect([child.exitCode, child.signalCode]).toEqual(signal === undefined ? [0, null] : [null, signal]);
    expect(server).toBeGreaterThan(1);
    await expect.poll(() => readdirSync(folder)).toEqual([]);
    await expect.poll(() => isAlive(server)).toBe(false);
  });

  test("is refused the kit in production, whose master key everybody knows", async () => {
    const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", program("")], {
      env: { NODE_ENV: "production", PATH: "/usr/bin:/bin" },
    });
    await expect(run).rejects.toThrow("createTestTenantSecrets is for tests");
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
