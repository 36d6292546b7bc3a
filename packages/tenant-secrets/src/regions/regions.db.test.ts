import { createAuditLog } from "@repo/audit-log";
import type { NewRegion } from "@repo/catalog";
import { regionFingerprint } from "@repo/envelope";
import { beforeEach, expect, test } from "vitest";
import { createAuthenticRows } from "../access/authentic-rows.ts";
import { createAuditKeys } from "../keys/audit-keys.ts";
import { createMasterKeys } from "../keys/master/master-keys.ts";
import { createRegionKeys } from "../keys/region-keys.ts";
import { createRowKeys } from "../keys/row-keys.ts";
import { codeOf, createFixture, operator, product } from "../testing/fixture.ts";
import { newRegion } from "../testing/regions.ts";
import { createRegionRegistry, withKeyBytes } from "./registry.ts";

const fixture = await createFixture();
const { secrets, superuser } = fixture;
const { regions } = secrets;

let us: NewRegion;
let names = 0;
beforeEach(() => {
  us = newRegion(`us-${++names}`);
});

const stored = async ({ region }: NewRegion) =>
  (await regions.list(operator)).find((each) => each.region === region);
const otherDigits = ({ fingerprint }: NewRegion) =>
  fingerprint.replace(/^./, (first) => (first === "0" ? "1" : "0"));

test("a region tells its public halves, which another one can add as they are", async () => {
  const { address, fingerprint, ...identity } = await regions.identity(operator);
  expect(address).toBe("https://admin.example.test");
  expect(regionFingerprint(withKeyBytes(identity))).toBe(fingerprint);
  const keys = createRegionKeys(
    fixture.database,
    createMasterKeys(fixture.database, fixture.infisical, "default"),
  );
  expect((await keys.identity()).fingerprint).toBe(fingerprint);
  const elsewhere = await createFixture(undefined, undefined, { region: "elsewhere" });
  const { region } = await elsewhere.secrets.regions.add(operator, { address, fingerprint, ...identity });
  expect(region).toMatchObject({ region: "default", address, fingerprint, companies: 0 });
});

test("a deployment without an address, or with a name that no other region can know, tells no identity", async () => {
  await expect(fixture.another({ address: undefined }).regions.identity(operator)).rejects.toMatchObject({
    code: "NOT_SUPPORTED",
    message: expect.stringContaining("PUBLIC_URL"),
  });
  const long = await createFixture(undefined, undefined, { region: "a-name-of-more-than-twenty" });
  await expect(long.secrets.regions.identity(operator)).rejects.toMatchObject({ code: "NOT_SUPPORTED" });
});

test("only the fingerprint of the identity adds it, in any spelling", async () => {
  await expect(regions.add(operator, { ...us, fingerprint: otherDigits(us) })).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringContaining("another way"),
  });
  const swapped = { ...us, transportKey: newRegion("us").transportKey };
  expect(await codeOf(regions.add(operator, swapped))).toBe("INVALID_INPUT");
  expect(await stored(us)).toBeUndefined();
  const joined = us.fingerprint.replaceAll(" ", "").toUpperCase();
  expect((await regions.add(operator, { ...us, fingerprint: joined })).outcome).toBe("added");
});

test("a region does not add itself, nor a key that nothing can be encrypted to", async () => {
  expect(await codeOf(regions.add(operator, newRegion("default")))).toBe("INVALID_INPUT");
  // Of small order: each shared secret would be zeros.
  const weak = { ...us, transportKey: Buffer.alloc(32).toString("base64url") };
  const fingerprint = regionFingerprint(withKeyBytes(weak));
  await expect(regions.add(operator, { ...weak, fingerprint })).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringContaining("transport key"),
  });
});

test("added again it is unchanged; another address and later keys take its place; other keys and earlier ones do not", async () => {
  await regions.add(operator, us);
  expect((await regions.add(operator, us)).outcome).toBe("unchanged");
  expect((await regions.add(operator, { ...us, address: "https://us2.example.com" })).outcome).toBe(
    "changed",
  );
  expect((await stored(us))?.address).toBe("https://us2.example.com");
  expect(await codeOf(regions.add(operator, newRegion(us.region)))).toBe("CONFLICT");
  const later = newRegion(us.region, { transportKeyVersion: 2, signingKeyVersion: 2 });
  expect((await regions.add(operator, later)).outcome).toBe("changed");
  expect((await stored(us))?.fingerprint).toBe(later.fingerprint);
  expect(await codeOf(regions.add(operator, us))).toBe("CONFLICT");
});

test("of ten operators who add a region at once one adds it, and the others find it", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, async () => (await regions.add(operator, us)).outcome),
  );
  expect(outcomes.toSorted()).toEqual(["added", ...Array(9).fill("unchanged")]);
});

test("a removed region is gone from the list, and its name is not used again", async () => {
  await regions.add(operator, us);
  await regions.remove(operator, us.region);
  await regions.remove(operator, us.region);
  expect(await stored(us)).toBeUndefined();
  expect(await codeOf(regions.add(operator, us))).toBe("CONFLICT");
  expect(await codeOf(regions.remove(operator, "never-added"))).toBe("NOT_FOUND");
});

test("a region that was planted, or whose key was changed in the database, does not count and is not changed", async () => {
  const alarms: string[] = [];
  const { database, infisical } = fixture;
  const masterKeys = createMasterKeys(database, infisical, "default");
  const audit = createAuditLog(database, createAuditKeys(database, masterKeys));
  const authentic = createAuthenticRows({ database, audit }, createRowKeys(database, masterKeys), (alarm) =>
    alarms.push(alarm.code),
  );
  const registry = createRegionRegistry(database, authentic);
  await regions.add(operator, us);
  expect((await registry.find(us.region))?.address).toBe(us.address);
  await superuser`update regions set transport_key = ${newRegion("us").transportKey} where region = ${us.region}`;
  registry.invalidate();
  expect(await registry.find(us.region)).toBeUndefined();
  expect(alarms).toEqual(["INTEGRITY_FAILURE"]);
  expect(await stored(us)).toBeUndefined();
  expect(await codeOf(regions.add(operator, us))).toBe("INTEGRITY_FAILURE");
  expect(await codeOf(regions.remove(operator, us.region))).toBe("INTEGRITY_FAILURE");
  await superuser`insert into regions select 'planted', address, transport_key_version, transport_key, signing_key_version, signing_key, now(), null, revision, mac_key_version, mac
    from regions where region = ${us.region}`;
  registry.invalidate();
  expect((await registry.list()).map(({ region }) => region)).not.toContain("planted");
});

test("each change of a region is an event that names it, and no other caller makes one", async () => {
  await regions.add(operator, us);
  await regions.add(operator, { ...us, address: "https://us3.example.com" });
  await regions.remove(operator, us.region);
  for (const caller of [product, await fixture.person(await fixture.company("database"), "owner")]) {
    expect(await codeOf(regions.add(caller, us))).toBe("FORBIDDEN");
    expect(await codeOf(regions.list(caller))).toBe("FORBIDDEN");
  }
  const events =
    await superuser`select action, outcome from audit_events where subject = ${us.region} order by id`;
  expect(events.map(({ action, outcome }) => `${String(action)} ${String(outcome)}`)).toEqual([
    "region.add success",
    "region.add success",
    "region.remove success",
    "region.add denied",
    "region.add denied",
  ]);
});
