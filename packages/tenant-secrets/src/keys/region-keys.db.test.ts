import { randomBytes } from "node:crypto";
import { decryptFromRegion, encryptToRegion, isSignedCopy, signCopy } from "@repo/envelope";
import { expect, test } from "vitest";
import { createFixture, operator } from "../testing/fixture.ts";
import { createMasterKeys } from "./master/master-keys.ts";
import { createRegionKeys } from "./region-keys.ts";

async function createRegion() {
  const fixture = await createFixture();
  await fixture.secrets.prepare();
  const open = () =>
    createRegionKeys(fixture.database, createMasterKeys(fixture.database, fixture.infisical, "default"));
  return { fixture, open, keys: open() };
}

const companyId = "0198c0de-5eed-7a11-8bad-0ddba11c0ffe";

test("every process of a region has the same pairs, which are made once", async () => {
  const { fixture, open } = await createRegion();
  const identities = await Promise.all([open().identity(), open().identity(), open().identity()]);
  expect(new Set(identities.map(({ fingerprint }) => fingerprint)).size).toBe(1);
  expect(identities.at(0)).toMatchObject({ region: "default", transportKeyVersion: 1, signingKeyVersion: 1 });
  const stored = await fixture.superuser`
    select purpose, public_key as "publicKey" from audit_keys where purpose in ('transport', 'copies') order by purpose`;
  expect([...stored]).toEqual([
    { purpose: "copies", publicKey: identities.at(0)?.signingKey.toString("base64url") },
    { purpose: "transport", publicKey: identities.at(0)?.transportKey.toString("base64url") },
  ]);
  await expect(open().transport(2)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
});

test("a company key reaches another region under its own master key, and no other region", async () => {
  const [us, ap] = [await createRegion(), await createRegion()];
  const { transportKey, transportKeyVersion } = await us.keys.identity();
  const place = { companyId, keyVersion: 1, from: "eu", to: "us", transportKeyVersion };
  const secret = randomBytes(32);
  const encrypted = encryptToRegion(transportKey, place, secret);
  const mine = await us.open().transport(transportKeyVersion);
  expect(decryptFromRegion(mine.privateKey, place, encrypted)).toEqual(secret);
  const other = await ap.keys.transport();
  expect(() => decryptFromRegion(other.privateKey, place, encrypted)).toThrow(
    expect.objectContaining({ code: "INTEGRITY_FAILURE" }),
  );
});

test("a copy that the home has signed is known by its public half, in any process", async () => {
  const { keys, open } = await createRegion();
  const copy = {
    targetRegion: "us",
    companyId,
    kind: "key",
    name: "1",
    homeRegion: "default",
    homeEpoch: 1,
    revision: "7",
    body: "tr1.fake",
  } as const;
  const signature = signCopy((await keys.signing()).privateKey, copy);
  const { signingKey } = await open().identity();
  expect(isSignedCopy(signingKey, copy, signature)).toBe(true);
  expect(isSignedCopy((await (await createRegion()).keys.identity()).signingKey, copy, signature)).toBe(
    false,
  );
});

test("a rotation of the master key wraps the pairs again, and they stay", async () => {
  const { fixture, keys, open } = await createRegion();
  const before = await keys.identity();
  await fixture.secrets.keyRotation.rotate(operator, {
    backup: () => Promise.resolve("sha256:fake"),
    timeoutMs: 5000,
  });
  const wraps = await fixture.superuser`
    select purpose, master_key_version as version from audit_key_wraps where purpose in ('transport', 'copies') order by 1`;
  expect([...wraps]).toEqual([
    { purpose: "copies", version: 2 },
    { purpose: "transport", version: 2 },
  ]);
  expect((await open().identity()).fingerprint).toBe(before.fingerprint);
});
