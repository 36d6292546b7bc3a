import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { createTestTenantSecrets } from "@repo/tenant-secrets/test-kit";
import { createApp } from "../app.ts";
import { checks, courierCatalog, verifiers } from "../product.ts";
import { startCarrier } from "./carrier.ts";

// As shipping.test.ts, without vitest: node --test src/testing/shipping.node.ts

void test("a shop ships with its own carrier key, and a shop without one does not", async () => {
  await using kit = await createTestTenantSecrets({ catalog: courierCatalog, checks, verifiers });
  const carrier = await startCarrier();
  const app = createApp(kit.secrets, carrier.url);
  await kit.createCompany("books", { secrets: { CARRIER_API_KEY: "ck_fakefakefake0001" } });
  await kit.createCompany("toys");
  const statuses: number[] = [];
  for (const shop of ["books", "toys"]) {
    statuses.push((await app.request(`/shops/${shop}/parcels`, { method: "POST" })).status);
  }
  await carrier.stop();
  deepEqual(statuses, [200, 404]);
});
