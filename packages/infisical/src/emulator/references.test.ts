import { expect, test } from "vitest";
import { ask, asRecord, startFixture, tokenFor } from "../fixture.ts";
import type { Fixture } from "../fixture.ts";

async function read({ emulator }: Fixture, secretPath: string, name: string, expandSecretReferences: string) {
  const token = await tokenFor(emulator, emulator);
  const query = new URLSearchParams({
    workspaceId: emulator.projectId,
    environment: "dev",
    secretPath,
    expandSecretReferences,
  });
  const { body } = await ask(
    emulator,
    "GET",
    `/api/v3/secrets/raw/${name}?${query.toString()}`,
    undefined,
    token,
  );
  return asRecord(body["secret"])["secretValue"];
}

test("expands references when asked, across folders and environments, and only then", async () => {
  await using fixture = await startFixture();
  const { client } = fixture;
  await fixture
    .clientWith({ environment: "prod" })
    .putSecret("/tenants/other", "KEY", "sk_test_fake_other_0001");
  await client.putSecret("/a", "BASE", "fake");
  await client.putSecret("/a", "NEAR", "<${BASE}>");
  await client.putSecret("/b", "FAR", "${dev.a.NEAR} and ${prod.tenants.other.KEY}");
  expect(await read(fixture, "/b", "FAR", "true")).toBe("<fake> and sk_test_fake_other_0001");
  expect(await read(fixture, "/b", "FAR", "false")).toBe("${dev.a.NEAR} and ${prod.tenants.other.KEY}");
  await client.deleteSecret("/a", "BASE");
  expect(await read(fixture, "/a", "NEAR", "true")).toBe("<${BASE}>");
});

test("ends at a circle of references", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret("/a", "ONE", "fake");
  await fixture.client.putSecret("/a", "TWO", "${ONE}");
  await fixture.client.putSecret("/a", "ONE", "${TWO}");
  expect(await read(fixture, "/a", "ONE", "true")).toMatch(/^\$\{(?:ONE|TWO)\}$/);
});
