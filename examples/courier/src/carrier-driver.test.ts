import { readFileSync } from "node:fs";
import path from "node:path";
import { startLocalCrm } from "@repo/providers/crm";
import { driverContract, httpWorld } from "@repo/tenant-secrets/testing";
import { expect, test } from "vitest";
import { createCarrierDriver } from "./carrier-driver.ts";

// The local CRM makes, lists and ends keys as the carrier does.
driverContract("carrier", async () => {
  const carrier = await startLocalCrm();
  const { id, value } = carrier.addKey({ name: "of a person" });
  return {
    ...httpWorld(carrier),
    driver: createCarrierDriver(carrier.url),
    current: value,
    currentRef: id,
    unknown: "crm_fake_unknown",
  };
});

test("docs/rotation-drivers.md prints the driver as it is", () => {
  const page = readFileSync(path.join(import.meta.dirname, "../../../docs/rotation-drivers.md"), "utf8");
  const source = readFileSync(path.join(import.meta.dirname, "carrier-driver.ts"), "utf8");
  expect(page).toContain(`\`\`\`ts\n${source}\`\`\``);
});
