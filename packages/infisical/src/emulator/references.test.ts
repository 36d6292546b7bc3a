import { expect, test } from "vitest";
import { ask, asRecord, startFixture, tokenFor } from "../testing/fixture.ts";
import type { Fixture } from "../testing/fixture.ts";

async function read(
  { emulator }: Fixture,
  { path: secretPath, name, expand }: { path: string; name: string; expand: boolean },
) {
  const token = await tokenFor(emulator, emulator);
  const query = new URLSearchParams({
    workspaceId: emulator.projectId,
    environment: "dev",
    secretPath,
    expandSecretReferences: String(expand),
  });
  const { body } = await ask(emulator, {
    method: "GET",
    target: `/api/v3/secrets/raw/${name}?${query.toString()}`,
    token,
  });
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
  expect(await read(fixture, { path: "/b", name: "FAR", expand: true })).toBe(
    "<fake> and sk_test_fake_other_0001",
  );
  expect(await read(fixture, { path: "/b", name: "FAR", expand: false })).toBe(
    "${dev.a.NEAR} and ${prod.tenants.other.KEY}",
  );
  await client.deleteSecret("/a", "BASE");
  expect(await read(fixture, { path: "/a", name: "NEAR", expand: true })).toBe("<${BASE}>");
});

test("ends at a circle of references", async () => {
  await using fixture = await startFixture();
  await fixture.client.putSecret("/a", "ONE", "fake");
  await fixture.client.putSecret("/a", "TWO", "${ONE}");
  await fixture.client.putSecret("/a", "ONE", "${TWO}");
  expect(await read(fixture, { path: "/a", name: "ONE", expand: true })).toMatch(/^\$\{(?:ONE|TWO)\}$/);
});
