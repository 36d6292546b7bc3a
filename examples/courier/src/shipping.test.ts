import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { createTestTenantSecrets } from "@repo/tenant-secrets/test-kit";
import { afterAll, expect, test } from "vitest";
import { createApp } from "./app.ts";
import { checks, courierCatalog, verifiers } from "./product.ts";
import { startCarrier } from "./testing/carrier.ts";

const kit = await createTestTenantSecrets({ catalog: courierCatalog, checks, verifiers });
const carrier = await startCarrier();
const app = createApp(kit.secrets, carrier.url);
afterAll(async () => {
  await carrier.stop();
  await kit.stop();
});

const ship = async (shop: string) => (await app.request(`/shops/${shop}/parcels`, { method: "POST" })).status;

test("a shop ships with its own carrier key, and a shop without one does not", async () => {
  await kit.createCompany("books", { secrets: { CARRIER_API_KEY: "ck_fakefakefake0001" } });
  await kit.createCompany("toys");
  expect([await ship("books"), await ship("toys"), await ship("nobody")]).toEqual([200, 404, 404]);
  expect(carrier.keys).toEqual(["Bearer ck_fakefakefake0001"]);
});

test("a shop that has shipped ships on while the database is down", async () => {
  await kit.createCompany("shoes", { secrets: { CARRIER_API_KEY: "ck_fakefakefake0002" } });
  await ship("shoes");
  await kit.outages.database.begin();
  expect(await ship("shoes")).toBe(200);
  await kit.outages.database.end();
});

test("the same kit works in node:test", async () => {
  const file = path.join(import.meta.dirname, "testing/shipping.node.ts");
  const { stdout } = await promisify(execFile)(process.execPath, ["--test", "--test-reporter=tap", file], {
    env: { PATH: "/usr/bin:/bin" },
  });
  expect(stdout).toMatch(/^# pass 1$/m);
  expect(stdout).toMatch(/^# fail 0$/m);
});
