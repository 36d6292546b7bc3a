import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { armor, Encrypter, generateIdentity, identityToRecipient } from "age-encryption";
import { beforeAll, describe, expect, test } from "vitest";
import { TenantSecretsError } from "@repo/catalog";
import { decryptBackup, encryptBackup, type BackupContent, type BackupOpener } from "./backup-file.ts";

const canary = "canary0123canary4567canary89abcanary";
const passphrase = "fake horse, fake battery, fake staple";
const hkdfKey = {
  region: "default",
  version: 1,
  status: "active",
  derivation: "hkdf-sha256",
  parameters: {},
  checkValue: "A".repeat(22),
  createdAt: new Date("2026-01-02T03:04:05.678Z"),
  activatedAt: new Date("2026-01-02T03:04:05.678Z"),
  retiredAt: null,
  text: canary,
} as const;
const argon2Key = {
  ...hkdfKey,
  region: "eu",
  derivation: "argon2id",
  parameters: {
    algorithm: "argon2id",
    version: 19,
    memoryKiB: 65_536,
    passes: 3,
    lanes: 4,
    salt: Buffer.alloc(16, 7).toString("base64url"),
  },
} as const;
const content: BackupContent = {
  createdAt: new Date("2026-02-03T04:05:06.789Z"),
  system: `default/1 ${"A".repeat(22)}`,
  keys: [{ ...hkdfKey, version: 2 }, { ...hkdfKey, status: "destroyed", text: null }, argon2Key],
  signInSecrets: [{ version: 1, text: "fake-secret-of-the-sign-in-fake-secret-of-the" }],
} as const;

let identity: string;
let recipient: string;

beforeAll(async () => {
  identity = await generateIdentity();
  recipient = await identityToRecipient(identity);
});

/** A forgery by a party that knows the recipient but has no backup. */
async function forge(json: unknown): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return armor.encode(await encrypter.encrypt(typeof json === "string" ? json : JSON.stringify(json)));
}

/** In the format of age, with a lower work factor. */
async function underPassphrase(): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setScryptWorkFactor(10);
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(JSON.stringify({ format: "tenant-secrets-keys/1", ...content }));
}

async function refusalOf(call: Promise<unknown>): Promise<TenantSecretsError> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TenantSecretsError)) throw new Error(`it was not refused: ${String(error)}`);
  expect(error.message).not.toContain("canary");
  expect(error.message).not.toContain(passphrase);
  expect(error.message).not.toContain(identity);
  return error;
}

function withIdentity(identityFile = identity): BackupOpener {
  return { identityFile };
}

describe("encrypting and decrypting backup files", () => {
  test("a backup to two recipients decrypts with either identity, and its armored text contains nothing of a key", async () => {
    const second = await generateIdentity();
    const file = await encryptBackup(content, { recipients: [recipient, await identityToRecipient(second)] });
    expect(file).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----\n[^]*\n-----END AGE ENCRYPTED FILE-----\n$/);
    expect(file + Buffer.from(armor.decode(file)).toString("latin1")).not.toContain("canary");
    for (const each of [identity, second])
      expect(await decryptBackup(file, withIdentity(each))).toEqual({
        format: "tenant-secrets-keys/1",
        ...content,
      });
  });

  test("a passphrase backup decrypts with it, at age's own work factor", async () => {
    const file = await encryptBackup(content, { passphrase });
    expect(Buffer.from(armor.decode(file)).toString("latin1")).toMatch(
      /^age-encryption.org\/v1\n-> scrypt \S+ 18\n/,
    );
    expect(await decryptBackup(file, { passphrase })).toMatchObject(content);
  }, 60_000);

  test("a backup decrypts with an identity file as age-keygen writes it", async () => {
    const file = await encryptBackup(content, { recipients: [recipient] });
    const identityFile = `# created: 2026-01-01\r\n# public key: ${recipient}\r\n${await generateIdentity()}\r\n${identity}\r\n\r\n`;
    expect(await decryptBackup(file, withIdentity(identityFile))).toMatchObject(content);
  });

  test("a backup does not decrypt with another identity or passphrase, or with one of the other kind", async () => {
    const file = await forge({});
    const locked = armor.encode(await underPassphrase());
    const another = await generateIdentity();
    const attempts: readonly (readonly [string, BackupOpener])[] = [
      [file, withIdentity(another)],
      [file, { passphrase }],
      [locked, { passphrase: `${passphrase}.` }],
      [locked, { passphrase: "" }],
      [locked, withIdentity()],
    ];
    for (const attempt of attempts) {
      const { code, message } = await refusalOf(decryptBackup(...attempt));
      expect([code, message]).toEqual(["INVALID_INPUT", expect.stringContaining("does not open with this")]);
    }
  });

  test("a backup with any byte changed, or truncated, is refused", async () => {
    const whole = await underPassphrase();
    const hurt: Uint8Array[] = [];
    for (let at = 0; at < whole.length; at += 11) {
      const flipped = Uint8Array.from(whole);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      hurt.push(flipped, whole.subarray(0, at));
    }
    hurt.push(Uint8Array.from([...whole, 0]), whole.subarray(0, -1), whole.subarray(0, -16));
    for (const bytes of hurt) {
      const { code } = await refusalOf(decryptBackup(armor.encode(bytes), { passphrase }));
      expect(["INTEGRITY_FAILURE", "INVALID_INPUT"]).toContain(code);
    }
    const text = armor.encode(whole);
    const cut = await refusalOf(decryptBackup(text.slice(0, -40), { passphrase }));
    expect(cut.code).toBe("INTEGRITY_FAILURE");
    expect(await decryptBackup(text, { passphrase })).toMatchObject(content);
  }, 60_000);

  test("a backup with a higher work factor is refused at once, without using memory", async () => {
    const header = Buffer.from(await underPassphrase()).toString("latin1");
    const before = process.resourceUsage().maxRSS;
    const started = performance.now();
    for (const factor of ["19", "20", "30", "64", "4294967295", "1e9", "018", "x"]) {
      const file = armor.encode(Buffer.from(header.replace(/ 10\n/, ` ${factor}\n`), "latin1"));
      expect((await refusalOf(decryptBackup(file, { passphrase }))).code).toMatch(
        /INVALID_INPUT|INTEGRITY_FAILURE/,
      );
    }
    expect(performance.now() - started).toBeLessThan(3000);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(50 * 1024);
  });

  test("a file in another format is refused", async () => {
    const endless = `-----BEGIN AGE ENCRYPTED FILE-----\n${"A".repeat(1024 * 1024)}`;
    for (const file of ["", "canary", "age-encryption.org/v1\n", endless])
      expect((await refusalOf(decryptBackup(file, withIdentity()))).code).toBe("INVALID_INPUT");
    for (const identityFile of [
      "",
      "# nothing\n",
      recipient,
      `${identity.slice(0, -1)}${identity.endsWith("Q") ? "P" : "Q"}`,
      armor.encode(await underPassphrase()),
    ])
      expect((await refusalOf(decryptBackup(await forge({}), { identityFile }))).message).toContain(
        "age-keygen",
      );
  });
});

describe("the content of a backup file", () => {
  const parameters = argon2Key.parameters;
  const withKeys = (...keys: unknown[]) => ({ format: "tenant-secrets-keys/1", ...content, keys });

  test("a backup of a later format is refused as such", async () => {
    const later = { ...content, format: "tenant-secrets-keys/2", keys: [{ canary }] };
    const error = await refusalOf(decryptBackup(await forge(later), withIdentity()));
    expect(error).toMatchObject({
      code: "NOT_SUPPORTED",
      message: expect.stringContaining("tenant-secrets-keys/2"),
    });
  });

  test("a backup with invalid content is refused at once, without using memory", async () => {
    const wrong: unknown[] = [
      "canary",
      "{",
      "null",
      [],
      {},
      { ...content, format: canary },
      { ...withKeys(hkdfKey), [canary]: canary },
      { ...withKeys(hkdfKey), createdAt: canary },
      withKeys(),
      withKeys(hkdfKey, hkdfKey),
      withKeys(hkdfKey, { ...hkdfKey, version: 2 }),
      withKeys(...Array.from({ length: 201 }, (_, i) => ({ ...hkdfKey, status: "retired", version: i + 1 }))),
      withKeys({ ...hkdfKey, [canary]: 1 }),
      withKeys({ ...hkdfKey, region: "../x" }),
      withKeys({ ...hkdfKey, version: 0 }),
      withKeys({ ...hkdfKey, version: 2 ** 31 }),
      withKeys({ ...hkdfKey, text: null }),
      withKeys({ ...hkdfKey, text: "a".repeat(10_001) }),
      withKeys({ ...hkdfKey, status: "destroyed" }),
      withKeys({ ...hkdfKey, derivation: "argon2id" }),
      withKeys({ ...hkdfKey, parameters }),
      ...[{ memoryKiB: 2 ** 31 }, { passes: 2 ** 32 - 1 }, { lanes: 0 }, { memoryKiB: 8 }, { salt: "" }].map(
        (change) => withKeys({ ...argon2Key, parameters: { ...parameters, ...change } }),
      ),
    ];
    const before = process.resourceUsage().maxRSS;
    const started = performance.now();
    for (const json of wrong)
      expect((await refusalOf(decryptBackup(await forge(json), withIdentity()))).code).toBe(
        "INTEGRITY_FAILURE",
      );
    expect(performance.now() - started).toBeLessThan(5000);
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(100 * 1024);
  });
});

test("a backup is not encrypted to an invalid recipient or a weak passphrase, nor if it could not be parsed again", async () => {
  const ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFake";
  for (const wrong of [
    [],
    ["age1"],
    [ssh],
    [identity],
    [recipient, `${recipient.slice(0, -1)}b`],
    [`${recipient}\n`],
  ])
    expect((await refusalOf(encryptBackup(content, { recipients: wrong }))).code).toBe("INVALID_INPUT");
  for (const weak of ["", "short", "a".repeat(30)])
    expect((await refusalOf(encryptBackup(content, { passphrase: weak }))).message).toContain(
      "passphrase has",
    );
  const unreadable = { ...content, keys: [hkdfKey, hkdfKey] };
  expect((await refusalOf(encryptBackup(unreadable, { recipients: [recipient] }))).code).toBe(
    "INTEGRITY_FAILURE",
  );
});

const ageTool = "age";
const hasAge = spawnSync(ageTool, ["--version"]).status === 0;

test.runIf(hasAge)(
  "the age tool decrypts a backup, and a backup that age encrypted again can be read",
  async () => {
    const run = promisify(execFile);
    const directory = await mkdtemp(path.join(tmpdir(), "key-backup-"));
    try {
      const [identityFile, backupFile, againFile] = ["identity", "backup", "again"].map((name) =>
        path.join(directory, name),
      );
      if (identityFile === undefined || backupFile === undefined || againFile === undefined)
        throw new Error("no path");
      await writeFile(identityFile, `${identity}\n`);
      await writeFile(backupFile, await encryptBackup(content, { recipients: [recipient] }));
      const { stdout } = await run(ageTool, ["--decrypt", "--identity", identityFile, backupFile]);
      expect(JSON.parse(stdout)).toEqual(
        JSON.parse(JSON.stringify({ format: "tenant-secrets-keys/1", ...content })),
      );
      await writeFile(backupFile, stdout);
      await run(ageTool, [
        "--encrypt",
        "--armor",
        "--recipient",
        recipient,
        "--output",
        againFile,
        backupFile,
      ]);
      const { stdout: again } = await run("cat", [againFile]);
      expect(await decryptBackup(again, withIdentity())).toMatchObject(content);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);
