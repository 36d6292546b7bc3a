import { createHash, randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { armor, Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { createOutbound } from "@repo/outbound";
import { startWebhookReceiver } from "@repo/providers/webhook-receiver";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { deriveFromPassphrase, deriveMasterKey, expandMasterKey, newArgon2Parameters } from "@repo/envelope";
import {
  codeOf,
  createFixture,
  operationsOf,
  operator,
  product,
  type Fixture,
} from "../../testing/fixture.ts";
import { decryptBackup } from "./backup-file.ts";
import { createKeyBackups, type KeyBackups } from "./backup.ts";

const folder = "/hono-api";
const first = "MASTER_ENCRYPTION_KEY";
const second = "MASTER_ENCRYPTION_KEY_V2";
const signIn = "SIGN_IN_SECRET";
const european = "MASTER_ENCRYPTION_KEY_EU_V1";

let opener: { identityFile: string };
let recipients: string[];

beforeAll(async () => {
  const identity = await generateIdentity();
  opener = { identityFile: identity };
  recipients = [await identityToRecipient(identity)];
});

/** A separate process, with empty caches. */
function backupsOf({ database, infisical }: Pick<Fixture, "database" | "infisical">): KeyBackups {
  return createKeyBackups(database, infisical, operationsOf({ database, infisical }));
}

/** A system during its first rotation: version 1 retiring, 2 active, and a passphrase in another region. */
async function rotated() {
  const fixture = await createFixture();
  const { infisical, superuser } = fixture;
  await fixture.secrets.prepare();
  const subdomain = await fixture.company("database");
  await fixture.secrets.company(subdomain, product).set("CUSTOM_X", "fake");
  const text = randomBytes(32).toString("hex");
  await infisical.putSecret(folder, second, text);
  await superuser`update master_keys set status = 'retiring' where version = 1`;
  await superuser`insert into master_keys (region, version, status, derivation, check_value, activated_at)
    values ('default', 2, 'active', 'hkdf-sha256', ${deriveMasterKey(text, "default", 2).checkValue}, now())`;
  const passphrase = `passphrase:${randomBytes(16).toString("base64url")}`;
  const parameters = newArgon2Parameters();
  const { checkValue } = expandMasterKey(await deriveFromPassphrase(passphrase, parameters), "eu", 1);
  await infisical.putSecret(folder, european, passphrase);
  await superuser`insert into master_keys (region, version, status, derivation, parameters, check_value, activated_at)
    values ('eu', 1, 'active', 'argon2id', ${superuser.json(parameters)}, ${checkValue}, now())`;
  const texts = new Map(
    (await infisical.listSecrets(folder)).map((secret) => [secret.secretKey, secret.value]),
  );
  return { ...fixture, subdomain, texts, backups: backupsOf(fixture) };
}

async function textsIn({ infisical }: Pick<Fixture, "infisical">): Promise<ReadonlyMap<string, string>> {
  return new Map((await infisical.listSecrets(folder)).map(({ secretKey, value }) => [secretKey, value]));
}

async function eventsOf({ superuser }: Pick<Fixture, "superuser">): Promise<string[]> {
  const rows = await superuser`select action, outcome, reason from audit_events
    where action in ('key.backup', 'key.restore', 'key.check-backup') order by position`;
  return rows.map(({ action, outcome, reason }) => [action, outcome, reason ?? ""].join(" ").trim());
}

function statesOf({
  keys,
}: {
  keys: readonly { region: string; version: number; state: string }[];
}): string[] {
  return keys.map(({ region, version, state }) => `${region} ${version} ${state}`);
}

describe("backups of master keys", () => {
  test("a backup has every key of every region as in Infisical, matches the registry, and is audited", async () => {
    const system = await rotated();
    const file = await system.backups.createBackup(operator, { recipients }, "/fake/keys.age");
    const { keys, signInSecrets } = await decryptBackup(file, opener);
    expect(
      keys.map(({ region, version, status, derivation }) => [region, version, status, derivation]),
    ).toEqual([
      ["default", 1, "retiring", "hkdf-sha256"],
      ["default", 2, "active", "hkdf-sha256"],
      ["eu", 1, "active", "argon2id"],
    ]);
    expect(keys.map(({ text }) => text)).toEqual(
      [first, second, european].map((name) => system.texts.get(name)),
    );
    expect(signInSecrets).toEqual([{ version: 1, text: system.texts.get(signIn) }]);
    const fingerprint = `sha256:${createHash("sha256").update(file).digest("hex")}`;
    const [made] = await system.backups.list(operator);
    expect(made).toEqual({ fingerprint, place: `${hostname()}:/fake/keys.age`, createdAt: expect.any(Date) });
    const check = await system.backups.checkBackup(operator, file, opener);
    expect(check).toMatchObject({ system: "same", isAudited: true, signInSecrets: [1] });
    expect(statesOf(check)).toEqual(["default 1 matches", "default 2 matches", "eu 1 matches"]);
    for (const text of system.texts.values())
      expect(file + JSON.stringify(check)).not.toContain(text.slice(12, 24));
    expect(await system.backups.list(operator)).toEqual([
      { ...made, lastCheck: { at: expect.any(Date), complete: true } },
    ]);
    expect(await eventsOf(system)).toEqual(["key.backup success", "key.check-backup success"]);
    const named = await system.superuser`
      select action from audit_events where subject = ${fingerprint} order by position`;
    expect(named.map(({ action }) => action)).toEqual(["key.backup", "key.check-backup"]);
  });

  test("a passphrase backup was decrypted once before it was returned", async () => {
    const fixture = await createFixture();
    await fixture.secrets.prepare();
    const passphrase = "fake horse, fake battery, fake staple";
    const file = await backupsOf(fixture).createBackup(operator, { passphrase });
    expect(statesOf(await backupsOf(fixture).checkBackup(operator, file, { passphrase }))).toEqual([
      "default 1 matches",
    ]);
  }, 60_000);

  test("a backup is refused and audited if a key is missing or wrong, or nothing is registered", async () => {
    const system = await rotated();
    const create = () => system.backups.createBackup(operator, { recipients });
    await system.infisical.putSecret(folder, european, "passphrase:another fake passphrase");
    await expect(create()).rejects.toMatchObject({
      code: "MASTER_KEY_WRONG",
      message: expect.stringContaining(european),
    });
    await system.infisical.deleteSecret(folder, european);
    await expect(create()).rejects.toMatchObject({
      code: "MASTER_KEY_MISSING",
      message: expect.stringContaining(european),
    });
    expect(await eventsOf(system)).toEqual([
      "key.backup failed MASTER_KEY_WRONG",
      "key.backup failed MASTER_KEY_MISSING",
    ]);

    const unstarted = await createFixture();
    expect(await codeOf(backupsOf(unstarted).createBackup(operator, { recipients }))).toBe(
      "MASTER_KEY_MISSING",
    );
    expect(await unstarted.superuser`select from master_keys`).toHaveLength(0);
  });

  test("comparing a backup with the registry finds missing, unknown, destroyed and foreign keys", async () => {
    const system = await rotated();
    const { superuser, backups } = system;
    const file = await backups.createBackup(operator, { recipients });
    await superuser`alter table master_keys disable trigger user`;
    await superuser`delete from master_keys where region = 'eu'`;
    await superuser`update master_keys set status = 'destroyed' where version = 1`;
    await superuser`insert into master_keys (region, version, status, derivation, check_value)
      values ('default', 3, 'pending', 'hkdf-sha256', ${"A".repeat(22)})`;
    const check = await backups.checkBackup(operator, file, opener);
    expect(statesOf(check)).toEqual([
      "default 1 destroyed",
      "default 2 matches",
      "default 3 missing",
      "eu 1 unknown",
    ]);

    // The table of a database that was restored from before the backup does not know it.
    await superuser`delete from key_backups`;
    await backups.checkBackup(operator, file, opener);
    expect(await backups.list(operator)).toEqual([
      expect.objectContaining({ place: undefined, lastCheck: { at: expect.any(Date), complete: false } }),
    ]);

    const stranger = await createFixture();
    await stranger.secrets.prepare();
    const strange = await backupsOf(stranger).checkBackup(operator, file, opener);
    expect(await backupsOf(stranger).list(operator)).toEqual([]);
    expect([strange.system, statesOf(strange)[0]]).toEqual(["another", "default 1 differs"]);
    const before = await textsIn(stranger);
    expect(await codeOf(backupsOf(stranger).restoreBackup(operator, file, opener))).toBe("MASTER_KEY_WRONG");
    expect(await textsIn(stranger)).toEqual(before);
  });
});

describe("restoring master keys", () => {
  test("a restore into an empty Infisical makes everything readable again, and is idempotent", async () => {
    const system = await rotated();
    const file = await system.backups.createBackup(operator, { recipients });
    for (const name of system.texts.keys()) await system.infisical.deleteSecret(folder, name);
    expect(await codeOf(system.another().prepare())).toBe("MASTER_KEY_MISSING");

    const fresh = backupsOf(system);
    expect(await fresh.checkBackup(operator, file, opener)).toMatchObject({
      system: "same",
      isAudited: false,
    });
    const restored = await fresh.restoreBackup(operator, file, opener);
    expect(restored).toMatchObject({ registered: false, isAudited: true });
    expect(statesOf(restored)).toEqual(["default 1 restored", "default 2 restored", "eu 1 restored"]);
    expect(await textsIn(system)).toEqual(system.texts);
    expect(await system.another().company(system.subdomain, product).get("CUSTOM_X")).toBe("fake");
    const again = await backupsOf(system).restoreBackup(operator, file, opener);
    expect(statesOf(again)).toEqual(["default 1 present", "default 2 present", "eu 1 present"]);
    expect(await eventsOf(system)).toEqual([
      "key.backup success",
      "key.restore success",
      "key.restore success",
    ]);
  });

  test("after a restore notifications are signed with the secrets that their endpoints were given before", async () => {
    const system = await rotated();
    const receiver = await startWebhookReceiver();
    onTestFinished(() => receiver.stop());
    const outbound = createOutbound({ allow: [new URL(receiver.url).host] });
    const endpoint = { url: receiver.url, description: "", perSecond: 10 };
    const made = await system.another({ outbound }).webhooks.create(operator, endpoint);
    const file = await system.backups.createBackup(operator, { recipients });
    for (const name of system.texts.keys()) await system.infisical.deleteSecret(folder, name);
    await backupsOf(system).restoreBackup(operator, file, opener);

    receiver.trust({ secret: made.secret, publicKey: made.endpoint.publicKey });
    const restored = system.another({ outbound });
    const errors: unknown[] = [];
    const sending = restored.startDeliveries((error) => errors.push(error));
    onTestFinished(() => sending.stop());
    await vi.waitFor(() => expect(receiver.deliveries()).toHaveLength(1), 60_000);
    expect(receiver.deliveries()[0]).toMatchObject({ v1: "ok", v1a: "ok" });
    const [seen] = await restored.webhooks.list(operator, undefined);
    expect(seen?.publicKey).toBe(made.endpoint.publicKey);
    expect(errors).toEqual([]);
  });

  test("the secrets of the sign-in come back together, and only where Infisical has none of them", async () => {
    const system = await rotated();
    const { infisical } = system;
    const next = `${signIn}_V2`;
    await infisical.putSecret(folder, next, randomBytes(32).toString("hex"));
    const before = await textsIn(system);
    const file = await system.backups.createBackup(operator, { recipients });
    const restore = async () => (await backupsOf(system).restoreBackup(operator, file, opener)).signInSecrets;
    // Deleted on purpose, such as after a leak.
    await infisical.deleteSecret(folder, signIn);
    expect(await restore()).toEqual([
      { version: 1, state: "left-out" },
      { version: 2, state: "present" },
    ]);
    expect((await textsIn(system)).has(signIn)).toBe(false);
    await infisical.deleteSecret(folder, next);
    expect(await restore()).toEqual([
      { version: 1, state: "restored" },
      { version: 2, state: "restored" },
    ]);
    expect(await textsIn(system)).toEqual(before);
  });

  test("a file whose maker had none of our keys brings no secret of the sign-in", async () => {
    const system = await rotated();
    const { infisical, superuser } = system;
    await superuser`alter table master_keys disable trigger user`;
    await superuser`update master_keys set status = 'destroyed' where region = 'eu'`;
    const backup = await decryptBackup(await system.backups.createBackup(operator, { recipients }), opener);
    const keys = backup.keys.filter(({ region }) => region === "eu");
    const encrypter = new Encrypter();
    for (const recipient of recipients) encrypter.addRecipient(recipient);
    const planted = [{ version: 1, text: "fake-secret-of-a-thief-fake-secret-of-a-thief" }];
    const content = JSON.stringify({ ...backup, keys, signInSecrets: planted });
    const file = armor.encode(await encrypter.encrypt(content));
    await infisical.deleteSecret(folder, signIn);
    const { signInSecrets } = await backupsOf(system).restoreBackup(operator, file, opener);
    expect(signInSecrets).toEqual([{ version: 1, state: "left-out" }]);
    expect((await textsIn(system)).has(signIn)).toBe(false);
  });

  test("a restore names conflicting keys in Infisical, and changes nothing", async () => {
    const system = await rotated();
    const file = await system.backups.createBackup(operator, { recipients });
    await system.infisical.deleteSecret(folder, first);
    await system.infisical.putSecret(folder, second, randomBytes(32).toString("hex"));
    const before = await textsIn(system);
    const refused = backupsOf(system).restoreBackup(operator, file, opener);
    await expect(refused).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/ MASTER_ENCRYPTION_KEY_V2\. /),
    });
    expect(await textsIn(system)).toEqual(before);
  });

  test("a restore from before a rotation names the missing key, and leaves the newer ring unchanged", async () => {
    const system = await rotated();
    const { superuser, infisical } = system;
    const file = await system.backups.createBackup(operator, { recipients });
    const third = randomBytes(32).toString("hex");
    await superuser`update master_keys set status = 'retiring' where region = 'default' and version = 2`;
    await superuser`insert into master_keys (region, version, status, derivation, check_value, activated_at)
      values ('default', 3, 'active', 'hkdf-sha256', ${deriveMasterKey(third, "default", 3).checkValue}, now())`;
    await infisical.putSecret(folder, "MASTER_ENCRYPTION_KEY_V3", third);
    await infisical.deleteSecret(folder, first);
    const registry = await superuser`select * from master_keys order by region, version`;
    const one = await backupsOf(system).restoreBackup(operator, file, opener);
    expect(statesOf(one)).toEqual([
      "default 1 restored",
      "default 2 present",
      "default 3 present",
      "eu 1 present",
    ]);
    expect((await textsIn(system)).get("MASTER_ENCRYPTION_KEY_V3")).toBe(third);

    await infisical.deleteSecret(folder, "MASTER_ENCRYPTION_KEY_V3");
    const two = await backupsOf(system).restoreBackup(operator, file, opener);
    expect(statesOf(two)).toContain("default 3 missing");
    expect(await superuser`select * from master_keys order by region, version`).toEqual(registry);
  });

  test("a restore brings back neither destroyed keys nor keys unknown to the registry", async () => {
    const system = await rotated();
    const { superuser, infisical } = system;
    const file = await system.backups.createBackup(operator, { recipients });
    await superuser`alter table master_keys disable trigger user`;
    await superuser`delete from master_keys where version = 2`;
    await superuser`update master_keys set status = 'active' where region = 'default'`;
    await superuser`update master_keys set status = 'destroyed' where region = 'eu'`;
    for (const name of system.texts.keys()) await infisical.deleteSecret(folder, name);
    const restored = await backupsOf(system).restoreBackup(operator, file, opener);
    expect(statesOf(restored)).toEqual(["default 1 restored", "eu 1 destroyed", "default 2 unknown"]);
    expect([...(await textsIn(system)).keys()].toSorted()).toEqual([first, signIn]);
  });

  test("a restore after the loss of the database rebuilds the registry once, and refuses a backup older than Infisical", async () => {
    const system = await rotated();
    const file = await system.backups.createBackup(operator, { recipients });
    const registry = await system.superuser`select * from master_keys order by region, version`;
    const empty = await createFixture();
    const newer = "MASTER_ENCRYPTION_KEY_V3";
    for (const name of [first, signIn]) await empty.infisical.deleteSecret(folder, name);
    await empty.infisical.putSecret(folder, newer, randomBytes(32).toString("hex"));
    await expect(backupsOf(empty).restoreBackup(operator, file, opener)).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(newer),
    });
    expect(await empty.superuser`select from master_keys`).toHaveLength(0);
    await empty.infisical.deleteSecret(folder, newer);

    expect(await backupsOf(empty).checkBackup(operator, file, opener)).toMatchObject({
      system: "unregistered",
      isAudited: false,
    });
    expect(await empty.superuser`select from master_keys`).toHaveLength(0);
    const both = await Promise.allSettled(
      [1, 2].map(() => backupsOf(empty).restoreBackup(operator, file, opener)),
    );
    expect(both.map(({ status }) => status)).toContain("fulfilled");
    expect(await empty.superuser`select * from master_keys order by region, version`).toEqual(registry);
    expect(await textsIn(empty)).toEqual(system.texts);
    await empty.another().prepare();
    expect(await eventsOf(empty)).toContain("key.restore success");
  });

  test("a restore accepts no key that does not match its check value, and no forged file", async () => {
    const system = await rotated();
    const file = await system.backups.createBackup(operator, { recipients });
    const backup = await decryptBackup(file, opener);
    const forged = async (text: string, checkValue?: string) => {
      const keys = backup.keys.map((key) =>
        key.version === 2 ? { ...key, text, checkValue: checkValue ?? key.checkValue } : key,
      );
      const encrypter = new Encrypter();
      for (const recipient of recipients) encrypter.addRecipient(recipient);
      return armor.encode(await encrypter.encrypt(JSON.stringify({ ...backup, keys })));
    };
    const evil = randomBytes(32).toString("hex");
    await system.infisical.deleteSecret(folder, second);
    const restore = async (text: string) => codeOf(backupsOf(system).restoreBackup(operator, text, opener));
    expect(await restore(await forged(evil))).toBe("INTEGRITY_FAILURE");
    expect(await restore(await forged(evil, deriveMasterKey(evil, "default", 2).checkValue))).toBe(
      "MASTER_KEY_WRONG",
    );
    expect(await restore(await forged("00".repeat(32)))).toBe("MASTER_KEY_MALFORMED");
    expect((await textsIn(system)).has(second)).toBe(false);
  });

  test("a restore that Infisical does not answer reports it, and completes when it is repeated", async () => {
    const system = await rotated();
    const file = await system.backups.createBackup(operator, { recipients });
    await system.infisical.deleteSecret(folder, first);
    const failing = createKeyBackups(
      system.database,
      { ...system.infisical, putSecret: (path) => system.infisical.putSecret(path, "..", "x") },
      operationsOf(system),
    );
    expect(await codeOf(failing.restoreBackup(operator, file, opener))).toBe("KEY_UNAVAILABLE");
    expect(statesOf(await backupsOf(system).restoreBackup(operator, file, opener))).toContain(
      "default 1 restored",
    );
  });
});
