import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connectDatabase } from "@repo/db";
import { createInfisicalClient } from "@repo/infisical";
import { afterAll, expect, test } from "vitest";
import { deliveryChatCatalog } from "@repo/delivery-chat";
import { codeOf, createFixture, product } from "../../testing/fixture.ts";
import { assembleTenantSecrets } from "../../assemble.ts";

const deadlineMs = 500;
const fixture = await createFixture();
const sockets = new Set<Socket>();
afterAll(() => sockets.forEach((socket) => socket.destroy()));

/** The way to the database; its answers to statements that hold one of these words come later than anybody waits for. */
async function startSlowWay(databaseUrl: string, words: readonly string[]): Promise<string> {
  const target = new URL(databaseUrl);
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => {}));
    client.on("data", (bytes) => {
      if (words.some((word) => bytes.includes(word))) {
        upstream.pause();
        setTimeout(() => upstream.resume(), deadlineMs + 300);
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => client.write(bytes));
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return Object.assign(new URL(databaseUrl), { hostname: "127.0.0.1", port: String(port) }).href;
}

test("a write that outlives its call stores the value or nothing, and never a wiped one", async () => {
  const subdomain = await fixture.company("database");
  const plain = fixture.secrets.company(subdomain, product);
  await plain.set("CUSTOM_A", "fake-first");
  await plain.set("CUSTOM_B", "fake-first");
  const words = ["for update", "for no key update"];
  const applicationUrl = await startSlowWay(fixture.urls.application, words);
  const database = connectDatabase({ applicationUrl, maintenanceUrl: fixture.urls.maintenance, deadlineMs });
  const infisical = createInfisicalClient({ ...fixture.emulator, environment: "dev" });
  const late = assembleTenantSecrets({ database, infisical, catalog: deliveryChatCatalog });
  const company = late.company(subdomain, product);
  const codes = [
    await codeOf(company.set("CUSTOM_A", "fake-second", { requestId: "late-a" })),
    await codeOf(company.setMany({ CUSTOM_B: "fake-second", CUSTOM_C: "fake-second" })),
    await codeOf(company.stage("CUSTOM_B", "fake-staged")),
  ];
  expect(codes).toEqual(["DATABASE_UNAVAILABLE", "DATABASE_UNAVAILABLE", "DATABASE_UNAVAILABLE"]);
  await sleep(3 * deadlineMs);
  for (const secretKey of ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"] as const) {
    expect(["fake-first", "fake-second", undefined]).toContain(await plain.find(secretKey));
  }
  // Sent again, it happens once, with its value.
  await plain.set("CUSTOM_A", "fake-second", { requestId: "late-a" });
  expect(await plain.get("CUSTOM_A")).toBe("fake-second");
  await database.close();
});
